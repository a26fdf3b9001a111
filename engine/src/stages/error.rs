//! What can be wrong with a request as such.

use tacq_protocol::StageKind;

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
    /// A stage that the driver does by itself.
    #[error("the {kind} stage is not run by the engine")]
    NotAnEngineStage {
        /// The stage.
        kind: StageKind,
    },
}
