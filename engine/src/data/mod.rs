//! Texts, tokens and calibration sequences.

mod draw;
mod end_tokens;
mod error;
pub mod sequences;
pub mod tokenizer;

pub use draw::Draw;
pub use end_tokens::end_tokens;
pub use error::DataError;
pub use sequences::Sequences;
pub use tokenizer::{GrowingText, TextTokenizer};
