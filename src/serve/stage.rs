//! The page of one stage: what it is, how it stands and why, what it reads, what it left.

use super::log::Line;
use super::site::Opened;
use super::snapshot::{Snapshot, StageNow};
use crate::plan::{Change, Explanation, Plan, StageId, explain};
use crate::store::StoreError;
use serde::Serialize;
use serde_json::Value;
use tacq_protocol::artifact::file;
use tacq_protocol::stage::FileDigest;

/// What the template sees of a stage.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    pub label: &'a str,
    pub kind: String,
    pub key: String,
    pub now: StageNow,
    /// Its parameters as indented JSON.
    pub params: String,
    pub source: Option<String>,
    pub reads: Vec<Link<'a>>,
    pub readers: Vec<Link<'a>>,
    /// Why it would run: the fields that differ from the nearest artifact.
    pub why: Option<Why>,
    pub artifact: Option<Left>,
    pub log: Vec<Line>,
}

/// Another stage.
#[derive(Serialize)]
pub(super) struct Link<'a> {
    pub role: String,
    pub label: &'a str,
    pub key: Option<String>,
}

/// Why a stage is not there.
#[derive(Serialize)]
pub(super) struct Why {
    pub words: &'static str,
    /// The stage that is nearest.
    pub nearest: Option<String>,
    pub causes: Vec<Change>,
}

/// What a stage left.
#[derive(Serialize)]
pub(super) struct Left {
    pub dir: String,
    pub files: Vec<FileDigest>,
    /// Scores or sizes as indented JSON, if it has them.
    pub result: Option<String>,
    /// How it was computed, as indented JSON.
    pub execution: String,
}

/// The stage with this key.
pub(super) fn find(plan: &Plan, key: &str) -> Option<StageId> {
    plan.stages.iter().position(|stage| stage.key().is_some_and(|own| own.to_string() == key))
}

/// All that is known of a stage that has a key.
///
/// # Errors
/// Its artifact is damaged.
pub(super) fn page<'a>(opened: &'a Opened, now: &Snapshot, id: StageId) -> Result<Page<'a>, StoreError> {
    let Opened { plan, store, .. } = opened;
    let stage = &plan.stages[id];
    let link = |role: String, id: StageId| {
        let stage = &plan.stages[id];
        Link { role, label: &stage.label, key: stage.key().map(ToString::to_string) }
    };
    let reads = stage.inputs.iter().map(|(role, &id)| link(role.to_string(), id)).collect();
    let readers = plan.stages.iter().enumerate().flat_map(|(reader, stage)| {
        let roles = stage.inputs.iter().filter(|(_, input)| **input == id);
        roles.map(move |(role, _)| link(role.to_string(), reader))
    });
    let params = serde_json::to_value(&stage.params).expect("stage parameters serialize without error");
    let explanation = explain(plan, &[id], store)?.pop().map(|(_, explanation)| explanation);
    let artifact = match stage.key() {
        Some(key) => store.get(stage.kind(), key)?,
        None => None,
    };
    let left = artifact.map(|artifact| -> Result<Left, StoreError> {
        let mut result = None;
        for name in [file::METRICS, file::CHECKPOINT_SUMMARY] {
            if artifact.manifest.files.iter().any(|file| file.path == name) {
                result = Some(pretty(&artifact.read_json::<Value>(name)?));
            }
        }
        Ok(Left {
            dir: artifact.dir.display().to_string(),
            result,
            execution: pretty(&artifact.manifest.execution),
            files: artifact.manifest.files,
        })
    });
    let log = now.log.iter().filter(|line| line.text.contains(&stage.label));
    let local = stage.source.as_ref().map(|source| source.path.display().to_string());
    Ok(Page {
        label: &stage.label,
        kind: format!("{} (version {})", stage.kind(), stage.kind().version()),
        key: stage.key().map(ToString::to_string).unwrap_or_default(),
        // Of a plan that changed meanwhile, the place may be another's.
        now: now
            .plan
            .get(id)
            .filter(|p| p.label == stage.label)
            .and(now.stages.get(id))
            .cloned()
            .unwrap_or_default(),
        params: pretty(&params["params"]),
        source: local.or_else(|| stage.remote.as_ref().map(ToString::to_string)),
        reads,
        readers: readers.collect(),
        why: explanation.and_then(why),
        artifact: left.transpose()?,
        log: log.map(|line| Line::clone(line)).collect(),
    })
}

fn why(explanation: Explanation) -> Option<Why> {
    let plain = |words| Some(Why { words, nearest: None, causes: Vec::new() });
    match explanation {
        Explanation::Hit { .. } => None,
        Explanation::Blocked => plain("A source that it rests on is missing or unusable."),
        Explanation::NeverRun => plain("No stage of this kind was ever stored."),
        Explanation::Changed { nearest_label, causes, .. } => {
            Some(Why { words: "It differs from what is stored.", nearest: Some(nearest_label), causes })
        }
    }
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data")
}
