//! How a run ended, stage by stage and in sum.

use super::retention::Removed;
use super::worker::{Failure, LaunchError};
use crate::plan::StageId;
use crate::slurm::SlurmError;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How one stage ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its artifact was in the store, or another process put it there meanwhile.
    Hit,
    /// Nothing that had to be computed needed it.
    Unneeded,
    /// This run computed it.
    Computed {
        /// Seconds it took.
        wall_secs: f64,
    },
    /// It was tried and failed.
    Failed(Failure),
    /// A stage that it reads failed, or a source is not there.
    Blocked {
        /// The stage that failed.
        by: StageId,
    },
    /// The run ended before it was its turn.
    Cancelled,
}

/// A failed stage in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFailure {
    /// Its label.
    pub label: String,
    /// First digits of its key.
    pub key: String,
    /// Why.
    pub failure: Failure,
    /// Labels of the stages it blocks.
    pub blocks: Vec<String>,
    /// The frozen request: `tacq-engine run FILE` reproduces the stage alone.
    pub request: Option<PathBuf>,
}

/// A run in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Stages computed by this run.
    pub computed: usize,
    /// Stages whose artifacts were there, or were computed by another process meanwhile.
    pub reused: usize,
    /// Stages that failed.
    pub failed: usize,
    /// Stages behind a failed one.
    pub blocked: usize,
    /// Stages left because the run was interrupted or told to stop at the first failure.
    pub cancelled: usize,
    /// Trials with all their results.
    pub trials_done: usize,
    /// Trials in all.
    pub trials: usize,
    /// Artifacts removed because the experiment does not keep them.
    #[serde(default)]
    pub removed: usize,
    /// Their bytes on disk.
    #[serde(default)]
    pub removed_bytes: u64,
    /// Seconds from start to end.
    pub wall_secs: f64,
    /// Seconds that computing the reused stages once took.
    pub saved_secs: f64,
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// The failed stages.
    pub failures: Vec<StageFailure>,
}

impl RunSummary {
    /// Counts what was removed.
    pub fn add_removed(&mut self, removed: Removed) {
        self.removed += removed.count;
        self.removed_bytes += removed.bytes;
    }
}

/// What ends a run as a whole, rather than one stage of it.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No engine can be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Slurm cannot be used.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
}
