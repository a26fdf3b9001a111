//! The one thing the driver sends: do this stage, from these folders, into that folder.

use crate::stage::StageParams;
use crate::units::Device;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A stage to run, as one JSON line on the engine's standard input or as a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Echoed in every event about this request.
    pub id: u64,
    /// What to do: kind and all parameters that change the result.
    pub stage: StageParams,
    /// Input folders (for a data set: a file) by role; see [`crate::artifact::role`].
    pub inputs: BTreeMap<String, PathBuf>,
    /// An existing, empty folder that receives the artifact's files.
    pub output: PathBuf,
    /// A folder that survives a kill: in-stage progress to resume from. Deleted by the driver after commit.
    pub progress: PathBuf,
    /// How to run it; nothing here may change the result.
    pub run: Run,
}

/// Settings of execution that never enter a stage key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Where to compute.
    pub device: Device,
    /// Threads for computation on the host; all cores when absent.
    pub threads: Option<u32>,
    /// Seconds between in-stage checkpoints.
    pub checkpoint_secs: u32,
}
