//! What can be wrong with a model folder.

use std::path::PathBuf;
use tacq_protocol::FailureKind;

/// Why a model folder cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The folder has no config.json.
    #[error("{} is not a model folder: it has no config.json", folder.display())]
    NoConfig {
        /// The folder.
        folder: PathBuf,
    },
    /// config.json is not what transformers writes.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where the reader knows them.
        reason: String,
    },
    /// Another kind of network.
    #[error("{}: architecture `{found}` is not supported; supported are {}", path.display(), super::config::Architecture::LIST)]
    Architecture {
        /// The config.json.
        path: PathBuf,
        /// What it names.
        found: String,
    },
    /// A feature of a supported network that is not implemented.
    #[error("{}: {feature} is not supported", path.display())]
    Feature {
        /// The config.json.
        path: PathBuf,
        /// The setting and its value.
        feature: String,
    },
    /// Longer than the sliding attention window, which is not implemented.
    #[error(
        "sequences of {length} tokens exceed the model's sliding attention window of {window}, which is not supported"
    )]
    Window {
        /// What was asked for.
        length: i64,
        /// What the model attends to.
        window: i64,
    },
    /// Neither model.safetensors nor an index of shards.
    #[error("{} has neither model.safetensors nor model.safetensors.index.json", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// The index of shards cannot be used.
    #[error("{}: {reason}", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Token ids that the embedding does not have.
    #[error("token id {id} is outside the model's vocabulary of {vocab} tokens")]
    TokenId {
        /// The id.
        id: i64,
        /// Rows of the embedding.
        vocab: i64,
    },
}

impl ModelError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            ModelError::Architecture { .. } | ModelError::Feature { .. } | ModelError::Window { .. } => {
                FailureKind::Unsupported
            }
            _ => FailureKind::InvalidInput,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ModelError::NoConfig { .. } => "name a folder as `save_pretrained` of transformers makes it",
            ModelError::NoWeights { .. } => {
                "save the weights as safetensors (`save_pretrained` does); PyTorch .bin files are not read"
            }
            ModelError::Window { window, .. } => return Some(format!("set seq_len to at most {window}")),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
