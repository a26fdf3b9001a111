//! The one thing the driver sends: do this stage, from these folders, into that folder.

use crate::stage::StageParams;
use crate::units::{BatchSize, Device};
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
    /// Input folders by role; see [`crate::artifact::role`].
    pub inputs: BTreeMap<String, PathBuf>,
    /// Files of data sets by role, in name order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, Vec<DataFile>>,
    /// An existing, empty folder that receives the artifact's files.
    pub output: PathBuf,
    /// A folder that survives a kill: in-stage progress to resume from. The engine makes it when it has something to keep;
    /// deleted by the driver after commit.
    pub progress: PathBuf,
    /// How to run it; nothing here may change the result.
    pub run: Run,
}

/// What the driver sends while a request runs, as one JSON line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// End the request soon: finish the batch, write progress, answer with a failure of kind `interrupted`. A stage that
    /// keeps no progress, or ends before it would, ends as usual. Means the request sent before it, nothing later.
    Stop,
}

/// One file of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// What it is called in the data set's own layout, whatever the user's file is called: `abstract_algebra.csv`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Settings of execution that never enter a stage key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Where to compute.
    pub device: Device,
    /// Further devices, for stages that can share their work between several; each has the same `device_bytes`. What they
    /// compute does not depend on how many there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_devices: Vec<Device>,
    /// Threads for computation on the host; all cores when absent.
    pub threads: Option<u32>,
    /// Seconds between in-stage checkpoints.
    pub checkpoint_secs: u32,
    /// Examples computed side by side, at most; the engine's choice when absent. Where this could change a result, the
    /// stage's own parameter decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<BatchSize>,
    /// Bytes of device memory that the stage may take; what it keeps there beyond need is less where this is. All of the
    /// device's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_bytes: Option<u64>,
}
