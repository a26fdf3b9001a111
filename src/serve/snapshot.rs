//! A sweep at one moment.

use super::control::Launched;
use super::devices::Devices;
use super::log::Line;
use crate::plan::{Plan, Stage, StageId, StageState, States};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tacq_protocol::units::Device;

/// What does not change of a stage while its plan is the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Planned {
    pub label: String,
    pub kind: String,
    /// Its key; none if a source is missing.
    pub key: Option<String>,
    /// Longest way from a stage that reads nothing.
    pub depth: usize,
    /// Places of what it reads.
    pub reads: Vec<StageId>,
}

/// How a stage stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// Its artifact is there.
    Stored,
    /// Some process computes it.
    Running,
    /// It is to be computed.
    #[default]
    Waiting,
    /// It failed in the newest run.
    Failed,
    /// What it reads failed, or a source is missing.
    Blocked,
    /// It is not there, and nothing needs it.
    Unneeded,
}

/// A stage at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct StageNow {
    pub state: Standing,
    /// Units done, units in all (0 while unknown), what is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u64, u64, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_unix: Option<u64>,
    /// Seconds that computing it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_secs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A run that lives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RunNow {
    #[serde(skip)]
    pub dir: PathBuf,
    pub pid: u32,
    pub host: String,
    pub started_unix: u64,
    /// Stages that were to run when it began.
    pub to_run: usize,
    pub computed: usize,
    pub reused: usize,
    pub failed: usize,
    /// Whether it can be ended from here.
    pub is_here: bool,
    /// Whether its stages are jobs of a cluster.
    pub is_cluster: bool,
}

/// How the newest run ended that does not live.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ended {
    /// `done`, `failed`, `interrupted`, `killed`.
    pub how: &'static str,
    pub computed: usize,
    pub reused: usize,
    pub failed: usize,
    pub wall_secs: f64,
}

/// A sweep at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Snapshot {
    pub experiment: String,
    /// What keeps it from being shown or run, a sentence each.
    pub problems: Vec<String>,
    pub trials: usize,
    pub trials_done: usize,
    /// Stages in each state.
    pub counts: BTreeMap<Standing, usize>,
    /// Seconds since 1970.
    pub unix: u64,
    pub run: Option<RunNow>,
    pub last: Option<Ended>,
    /// What was started from here, and what it said if that did not go well.
    pub launched: Option<Launched>,
    /// Looked at while somebody follows a sweep.
    pub devices: Option<Devices>,
    /// Number of the oldest line of the log that is still of the newest run.
    pub log_first: u64,
    /// Version of the report.
    pub report: u64,
    /// Changes with the plan.
    #[serde(skip)]
    pub plan_version: u64,
    #[serde(skip)]
    pub plan: Arc<Vec<Planned>>,
    #[serde(skip)]
    pub stages: Vec<StageNow>,
    #[serde(skip)]
    pub log: Vec<Arc<Line>>,
}

impl Snapshot {
    /// Counts the stages in each state.
    pub fn count(&mut self) {
        self.counts.clear();
        for stage in &self.stages {
            *self.counts.entry(stage.state).or_default() += 1;
        }
    }
}

/// The stages of a plan, for those who look at it.
pub(super) fn planned(plan: &Plan) -> Vec<Planned> {
    let mut all: Vec<Planned> = Vec::with_capacity(plan.stages.len());
    for stage in &plan.stages {
        let reads: Vec<StageId> = stage.inputs.values().copied().collect();
        all.push(Planned {
            label: stage.label.clone(),
            kind: stage.kind().to_string(),
            key: stage.key().map(ToString::to_string),
            depth: reads.iter().map(|&id| all[id].depth + 1).max().unwrap_or(0),
            reads,
        });
    }
    all
}

/// How all stages stand: what the store has, what runs (by label), what is reserved by anybody, and what failed (by label).
pub(super) fn stages(
    plan: &Plan,
    states: &States,
    running: &BTreeMap<&str, StageNow>,
    is_reserved: impl Fn(&Stage) -> bool,
    failures: &BTreeMap<String, String>,
) -> Vec<StageNow> {
    let mut all: Vec<StageNow> = Vec::with_capacity(plan.stages.len());
    for (id, stage) in plan.stages.iter().enumerate() {
        let is_stopped = |id: &StageId| matches!(all[*id].state, Standing::Failed | Standing::Blocked);
        let now = match states.of(id) {
            StageState::Hit => StageNow {
                state: Standing::Stored,
                wall_secs: states.facts(id).map(|facts| facts.secs),
                ..StageNow::default()
            },
            StageState::Blocked => StageNow { state: Standing::Blocked, ..StageNow::default() },
            StageState::Unneeded => StageNow { state: Standing::Unneeded, ..StageNow::default() },
            StageState::Run | StageState::Remote => match running.get(stage.label.as_str()) {
                Some(now) => now.clone(),
                None if is_reserved(stage) => StageNow { state: Standing::Running, ..StageNow::default() },
                None => match failures.get(&stage.label) {
                    Some(why) => {
                        let failure = Some(why.clone());
                        StageNow { state: Standing::Failed, failure, ..StageNow::default() }
                    }
                    None if stage.inputs.values().any(is_stopped) => {
                        StageNow { state: Standing::Blocked, ..StageNow::default() }
                    }
                    None => StageNow::default(),
                },
            },
        };
        all.push(now);
    }
    all
}
