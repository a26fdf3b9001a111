//! What can be wrong with a text, a tokenizer or a calibration set.

use std::path::PathBuf;

/// Why tokens could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The tokenizer file is missing or not what the tokenizers library writes.
    #[error("{}: the tokenizer cannot be read: {reason}", path.display())]
    Tokenizer {
        /// The tokenizer.json.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// The tokenizer makes ids that the model has no embedding for.
    #[error(
        "{}: the tokenizer does not fit the model: it makes token id {id}, the model's vocabulary has {vocab} tokens",
        path.display()
    )]
    Vocabulary {
        /// The tokenizer.json.
        path: PathBuf,
        /// The offending id.
        id: u32,
        /// The config's vocab_size.
        vocab: i64,
    },
    /// Not enough text for what was asked.
    #[error("{}: the text is too short: it has {got} tokens, {needed} are needed for {purpose}", path.display())]
    TooShort {
        /// The text.
        path: PathBuf,
        /// Its tokens.
        got: usize,
        /// Tokens needed.
        needed: u64,
        /// What for, such as `32 sequences of 512 tokens`.
        purpose: String,
    },
    /// The first example alone is longer than all that may be taken.
    #[error("{}: the first example has {got} tokens, more than the budget of {budget} (n_samples · seq_len)", path.display())]
    Budget {
        /// The data set.
        path: PathBuf,
        /// Tokens of the example.
        got: usize,
        /// Tokens that may be taken.
        budget: u64,
    },
    /// A model's file does not say at which tokens its texts end.
    #[error("{}: {reason}", path.display())]
    EndTokens {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A calibration artifact contradicts itself.
    #[error("{}: not a calibration set: {reason}", path.display())]
    Sequences {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl DataError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            DataError::Budget { .. } => Some("raise calibration.n_samples or calibration.seq_len"),
            DataError::TooShort { .. } => Some("use a longer text, a smaller n_samples or a shorter seq_len"),
            DataError::Vocabulary { .. } => {
                Some("the tokenizer.json is probably another model's; copy the right one")
            }
            _ => None,
        }
    }
}
