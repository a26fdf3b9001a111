//! Data sets in their published layouts, the prompts made of them, and how answers are found and scored.
//!
//! No model and no tensor: the engine turns the prompts into tokens and the tokens back into text.

mod error;
pub mod python_random;
pub mod records;
pub mod sql;
pub mod text;

pub use error::TaskError;
