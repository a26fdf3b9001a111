use tacq_protocol::FailureKind;

/// Prompts that cannot be computed, and results that are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// There is nothing to continue.
    #[error("prompt {prompt} has no tokens")]
    EmptyPrompt {
        /// Its position among the prompts.
        prompt: usize,
    },
    /// There is nothing to score.
    #[error("choice {choice} of prompt {prompt} has no tokens")]
    EmptyChoice {
        /// The prompt's position.
        prompt: usize,
        /// The choice's position.
        choice: usize,
    },
    /// The network's output is NaN or infinite.
    #[error(
        "the model's logits after prompt {prompt} are not finite; its weights may be too coarsely quantized"
    )]
    NotFinite {
        /// The prompt's position.
        prompt: usize,
    },
}

impl InferError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            InferError::NotFinite { .. } => FailureKind::Numerics,
            _ => FailureKind::InvalidInput,
        }
    }
}
