//! Data sets in their published layouts, the prompts made of them, and how answers are found and scored.
//!
//! No model and no tensor: the engine turns the prompts into tokens and the tokens back into text.

pub mod answer;
pub mod chat;
mod error;
pub mod examples;
pub mod picks;
pub mod python_random;
pub mod records;
pub mod source;
pub mod sql;
pub mod text;

pub use answer::{Judge, Verdict};
pub use error::TaskError;
pub use examples::{Example, ExampleSet, Inputs, Purpose, load};
pub use picks::{limited, order};
pub use text::Text;
