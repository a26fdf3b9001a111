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
            DataError::TooShort { .. } => Some("use a longer text, a smaller n_samples or a shorter seq_len"),
            DataError::Vocabulary { .. } => {
                Some("the tokenizer.json is probably another model's; copy the right one")
            }
            _ => None,
        }
    }
}
