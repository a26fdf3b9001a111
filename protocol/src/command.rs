//! A command of the user's as a stage.

use crate::units::DType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Runs a command on the artifacts of other stages.
///
/// Inputs: those that the experiment names, by role or by the name of another command; each is told to the command in an
/// environment variable, [`variable`]. Data `files`: the user's own files, which lie in the working directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandParams {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of environment variables that are passed on as they are. Their values are in no key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass: Vec<String>,
    /// What the command runs in, such as the digest of a container's image; told to it, and otherwise only in the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Files and folders under [`OUTPUT`] that become the artifact, in path order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// File under [`OUTPUT`] whose numbers become rows of the tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// Number format of the model folder that is made of the checkpoint's weights, if the command wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<DType>,
}

/// Environment variable: the folder that the command writes into.
pub const OUTPUT: &str = "OUTPUT";
/// Environment variable: a folder that a later attempt finds as this one left it.
pub const PROGRESS: &str = "PROGRESS";
/// Environment variable: `cpu` or `cuda`; a GPU that the command may use is the only one that it sees.
pub const DEVICE: &str = "DEVICE";
/// Environment variable: [`CommandParams::image`].
pub const IMAGE: &str = "IMAGE";
/// Role, and in capitals a variable: the folder of the model with the checkpoint's weights.
pub const WEIGHTS: &str = "weights";

/// Environment variables that the engine sets beside those of the inputs.
pub const OWN_VARIABLES: [&str; 6] =
    [OUTPUT, PROGRESS, DEVICE, IMAGE, "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"];

/// Environment variables that a command is given as the engine has them, if it has them.
pub const PASSED_VARIABLES: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// Whether a command sees a file of a model folder beside the weights: none that is hidden, nor weights in other formats.
pub fn is_shown(name: &str) -> bool {
    const OTHER_WEIGHTS: [&str; 9] = [
        ".safetensors",
        ".safetensors.index.json",
        ".bin",
        ".bin.index.json",
        ".pt",
        ".pth",
        ".gguf",
        ".h5",
        ".onnx",
    ];
    !name.starts_with('.') && !OTHER_WEIGHTS.iter().any(|end| name.ends_with(end))
}

/// The environment variable that holds the folder of an input: `arc-easy` is told in `ARC_EASY`.
pub fn variable(role: &str) -> String {
    role.to_ascii_uppercase().replace('-', "_")
}
