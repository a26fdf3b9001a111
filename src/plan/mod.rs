//! From an experiment to its stages: what would be computed, under which keys, and what of it is there already.

mod build;
mod commands;
mod graph;
mod label;
mod layout;
mod remote;
mod source;
mod state;
mod why;

pub use build::build;
pub use graph::{Plan, PlannedTrial, Remote, Stage, StageId};
pub use source::{Source, SourceFile, SourceProblem};
pub use state::{Facts, StageState, States};
pub use why::{Change, Explanation, explain, roots};
