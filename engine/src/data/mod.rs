//! Texts, tokens and calibration sequences.

mod error;
pub mod sequences;
pub mod tokenizer;

pub use error::DataError;
pub use sequences::Sequences;
pub use tokenizer::TextTokenizer;
