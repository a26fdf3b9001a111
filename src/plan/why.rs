//! Why a stage is a miss: which field of its key differs from the nearest artifact of an earlier run.

use super::graph::{Plan, StageId};
use super::state::{StageState, States};
use crate::stage_key::{KeyPayload, StageKey};
use crate::store::{Artifact, Store, StoreError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use tacq_protocol::StageKind;

/// One field of a key that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// The stage in which it differs, which may lie upstream of the one asked about.
    pub stage: String,
    /// The field, such as `params.n_samples`.
    pub field: String,
    /// Its value in the earlier artifact.
    pub old: String,
    /// Its value now.
    pub new: String,
}

/// What `why` has to say about one stage.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Explanation {
    /// Its artifact is in the store.
    Hit {
        /// Where.
        dir: std::path::PathBuf,
        /// Seconds since 1970 when it was committed.
        committed_unix: u64,
        /// Seconds that computing it took.
        wall_secs: f64,
    },
    /// A source of it is missing or unusable.
    Blocked,
    /// Nothing of its kind was ever stored.
    NeverRun,
    /// It differs from what was stored.
    Changed {
        /// The nearest earlier artifact.
        nearest: StageKey,
        /// Name of the stage that made it.
        nearest_label: String,
        /// Root causes: fields that differ, the deepest upstream first.
        causes: Vec<Change>,
    },
}

/// Explains stages of a plan.
pub fn explain(
    plan: &Plan,
    ids: &[StageId],
    store: &Store,
) -> Result<Vec<(StageId, Explanation)>, StoreError> {
    let mut history = History { store, by_kind: BTreeMap::new(), payloads: BTreeMap::new() };
    ids.iter().map(|&id| Ok((id, explain_one(plan, id, &mut history)?))).collect()
}

/// The stages that are to run although all that they read is there: where a run begins, and where its causes are.
pub fn roots(plan: &Plan, states: &States) -> Vec<StageId> {
    let is_there = |id: &StageId| states.of(*id) != StageState::Run;
    states.in_state(StageState::Run).filter(|&id| plan.stages[id].inputs.values().all(is_there)).collect()
}

fn explain_one(plan: &Plan, id: StageId, history: &mut History<'_>) -> Result<Explanation, StoreError> {
    let store = history.store;
    let stage = &plan.stages[id];
    let Some(payload) = history.payload(plan, id) else { return Ok(Explanation::Blocked) };
    let key = stage.key().expect("what has a payload has a key");
    if let Some(artifact) = store.get(stage.kind(), key)? {
        return Ok(Explanation::Hit {
            dir: artifact.dir,
            committed_unix: artifact.manifest.execution.committed_unix,
            wall_secs: artifact.manifest.execution.engine.wall_secs,
        });
    }
    let mut best: Option<(Distance, Vec<Change>, Artifact)> = None;
    for artifact in history.of_kind(stage.kind())?.to_vec() {
        let mut causes = Vec::new();
        history.causes(plan, id, &artifact.manifest.payload, &mut causes)?;
        let distance = Distance {
            other_inputs: !artifact.manifest.payload.inputs.keys().eq(payload.inputs.keys()),
            fields: causes.len(),
            other_label: artifact.manifest.label != stage.label,
            age: std::cmp::Reverse(artifact.manifest.execution.committed_unix),
        };
        if best.as_ref().is_none_or(|(nearest, ..)| distance < *nearest) {
            best = Some((distance, causes, artifact));
        }
    }
    Ok(match best {
        None => Explanation::NeverRun,
        Some((_, causes, nearest)) => Explanation::Changed {
            nearest: nearest.manifest.key,
            nearest_label: nearest.manifest.label,
            causes,
        },
    })
}

/// How far an earlier artifact is from a planned stage; what matters most comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    /// It has other roles among its inputs: another sort of stage, such as an evaluation of the 16-bit model.
    other_inputs: bool,
    /// Fields that differ, here and upstream.
    fields: usize,
    other_label: bool,
    age: std::cmp::Reverse<u64>,
}

/// The store's artifacts, each kind read once.
struct History<'a> {
    store: &'a Store,
    by_kind: BTreeMap<StageKind, Vec<Artifact>>,
    /// Of planned stages, which are compared with many artifacts.
    payloads: BTreeMap<StageId, Option<Rc<KeyPayload>>>,
}

impl History<'_> {
    fn payload(&mut self, plan: &Plan, id: StageId) -> Option<Rc<KeyPayload>> {
        self.payloads.entry(id).or_insert_with(|| plan.payload(id).map(Rc::new)).clone()
    }

    fn of_kind(&mut self, kind: StageKind) -> Result<&[Artifact], StoreError> {
        if !self.by_kind.contains_key(&kind) {
            let artifacts = self.store.artifacts(kind)?;
            self.by_kind.insert(kind, artifacts);
        }
        Ok(&self.by_kind[&kind])
    }

    /// Collects the fields in which a planned stage differs from an old payload, following changed inputs to
    /// their own fields. Upstream first, each change once.
    fn causes(
        &mut self,
        plan: &Plan,
        id: StageId,
        old: &KeyPayload,
        found: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        let stage = &plan.stages[id];
        let Some(new) = &self.payload(plan, id) else { return Ok(()) };
        let add = |found: &mut Vec<Change>, field: String, old: String, new: String| {
            let change = Change { stage: stage.label.clone(), field, old, new };
            if !found.contains(&change) {
                found.push(change);
            }
        };
        for (role, &input) in &stage.inputs {
            let Some(now) = plan.stages[input].key() else { continue };
            let field = format!("inputs.{role}");
            match old.inputs.get(&**role) {
                Some(before) if before == now => {}
                Some(before) => {
                    let earlier = self
                        .of_kind(plan.stages[input].kind())?
                        .iter()
                        .find(|a| a.manifest.key == *before)
                        .map(|a| a.manifest.payload.clone());
                    match earlier {
                        Some(earlier) => self.causes(plan, input, &earlier, found)?,
                        // The earlier input is gone from the store: its key is all that is known of it.
                        None => add(found, field, before.short(), now.short()),
                    }
                }
                None => add(found, field, "none".into(), now.short()),
            }
        }
        for (role, before) in &old.inputs {
            if !stage.inputs.contains_key(role.as_str()) {
                add(found, format!("inputs.{role}"), before.short(), "none".into());
            }
        }
        if old.version != new.version {
            add(found, "version".into(), old.version.to_string(), new.version.to_string());
        }
        let mut fields = Vec::new();
        differences("params", &old.params, &new.params, &mut fields);
        for (field, old, new) in fields {
            add(found, field, old, new);
        }
        Ok(())
    }
}

/// The leaves in which two JSON values differ, as (path, old, new).
fn differences(path: &str, old: &Value, new: &Value, found: &mut Vec<(String, String, String)>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<_> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}.{key}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{i}]"), x, y, found);
            }
        }
        _ => found.push((path.to_owned(), leaf(old), leaf(new))),
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("{} entries", items.len()),
        other => other.to_string(),
    }
}
