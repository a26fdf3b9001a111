//! Texts, tokens and calibration sequences.

mod error;
pub mod python_random;
pub mod sequences;
pub mod text;
pub mod tokenizer;

pub use error::DataError;
pub use sequences::Sequences;
pub use tokenizer::TextTokenizer;
