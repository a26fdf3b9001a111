//! Experiment files: what may be written, what it means, and everything that is wrong with one, at once.

pub mod error;
pub mod experiment;

pub use error::{Diagnostic, Position, SpecErrors};
pub use experiment::Experiment;
