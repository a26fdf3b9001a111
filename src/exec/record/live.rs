//! What runs at this moment, as other processes see it.

use serde::{Deserialize, Serialize};
use tacq_protocol::units::Device;

pub(super) const LIVE: &str = "live.json";

/// Contents of `live.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Seconds since 1970 of this picture.
    pub renewed_unix: u64,
    /// Stages that were to run when the run began.
    pub to_run: usize,
    /// Stages computed so far.
    pub computed: usize,
    /// Stages that turned out to be there.
    pub reused: usize,
    /// Stages that failed.
    pub failed: usize,
    /// Stages that run.
    pub running: Vec<LiveStage>,
}

/// A stage that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStage {
    /// Its label.
    pub label: String,
    /// First digits of its key.
    pub key: String,
    /// Where; absent for a download.
    pub device: Option<Device>,
    /// Seconds since 1970 when it began.
    pub started_unix: u64,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 while unknown.
    pub total: u64,
    /// What is counted.
    pub unit: String,
}
