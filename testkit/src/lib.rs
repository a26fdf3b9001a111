//! Small models and texts, made from a seed: the same bytes on every machine, without libtorch, network or files
//! in the repository. Tests run on them.
//!
//! The weights are random, so no model of this crate knows anything: what it scores says that the machinery
//! works, nothing about quantization.

pub mod fake;
mod json;
pub mod llama;
pub mod random;
pub mod safetensors;
pub mod text;
pub mod tokenizer;

pub use llama::{Size, random_llama};
pub use text::sentences;
