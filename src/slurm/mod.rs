//! Slurm's command line, typed: submit arrays, list jobs, cancel and requeue them.
//!
//! What Slurm says is a hint: a controller that does not answer is an error that callers take for "unknown", and
//! whether a stage is done is decided by the store. Nothing here knows stages.

mod client;
mod command;
mod error;
mod ids;
mod listing;
mod state;
mod submission;

pub use client::{Limits, Slurm};
pub use command::{Finished, Program, Runner};
pub use error::SlurmError;
pub use ids::{JobId, TaskId, Tasks};
pub use listing::{Listing, Row};
pub use state::JobState;
pub use submission::{Resources, Submission};
