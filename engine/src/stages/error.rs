//! What can be wrong with a request as such.

use std::path::PathBuf;
use tacq_protocol::units::AvgBits;
use tacq_protocol::{FailureKind, StageKind};

/// Why a stage cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// An input that the stage needs is not named.
    #[error("the {kind} stage needs an input `{role}`, which the request does not name")]
    MissingInput {
        /// The stage.
        kind: StageKind,
        /// The input's role.
        role: &'static str,
    },
    /// A parameter that the stage needs with these other parameters.
    #[error("the {kind} stage needs the parameter `{name}` here, which the request does not give")]
    MissingParameter {
        /// The stage.
        kind: StageKind,
        /// The parameter.
        name: &'static str,
    },
    /// A size that is less than what codes and groups take.
    #[error(
        "{avg_bits} bits per weight are too few: without any outlier there are {least:.4} already; raise the budget, or enlarge groups"
    )]
    NoRoom {
        /// The size to be met.
        avg_bits: AvgBits,
        /// Bits of codes and of what they stand for.
        least: f64,
    },
    /// A mask for a method that keeps none.
    #[error("{method} keeps no mask: mixed precision is of gptq and rtn")]
    NoMask {
        /// The method.
        method: &'static str,
    },
    /// A stage that the driver does by itself.
    #[error("the {kind} stage is not run by the engine")]
    NotAnEngineStage {
        /// The stage.
        kind: StageKind,
    },
    /// The checkpoint's weights are not those of the model.
    #[error("{} was not made from the model {}: their linear weights differ in names or shapes", checkpoint.display(), model.display())]
    OtherModel {
        /// The checkpoint's artifact.
        checkpoint: PathBuf,
        /// The model folder.
        model: PathBuf,
    },
    /// The loss of a calibration sequence is NaN or infinite.
    #[error("the loss of calibration sequence {sequence} is {loss}, so its gradients mean nothing")]
    Loss {
        /// Index of the sequence.
        sequence: usize,
        /// The value.
        loss: f64,
    },
    /// Another sequence, differentiated at the same time, failed; that failure is the one told.
    #[error("stopped, because another calibration sequence failed")]
    LaneStopped,
    /// The driver asked to stop; what was done is kept.
    #[error("stopped as asked, with its progress kept")]
    Stopped,
    /// A data set without examples.
    #[error("{}: there is no example to score", path.display())]
    NoExamples {
        /// The data set's first file.
        path: PathBuf,
    },
    /// The loss of an evaluation window is NaN or infinite.
    #[error("the loss of window {window} is {nll}, so there is no perplexity")]
    Nll {
        /// Index of the window.
        window: usize,
        /// The value.
        nll: f64,
    },
}

impl StageError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            StageError::Loss { .. } | StageError::Nll { .. } => FailureKind::Numerics,
            StageError::LaneStopped => FailureKind::Internal,
            StageError::Stopped => FailureKind::Interrupted,
            StageError::MissingInput { .. }
            | StageError::MissingParameter { .. }
            | StageError::NoRoom { .. }
            | StageError::NoMask { .. }
            | StageError::NotAnEngineStage { .. }
            | StageError::NoExamples { .. }
            | StageError::OtherModel { .. } => FailureKind::InvalidInput,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StageError::Loss { .. } | StageError::Nll { .. } => {
                Some("check the model on plain text; with dtype bf16, try f32")
            }
            _ => None,
        }
    }
}
