//! Runs what a plan lacks: reserves stages, downloads what is elsewhere, hands the rest to workers, commits what they make.
//!
//! This layer knows no concrete stage. It sends a request and reads events, so that scheduling is tested with an
//! in-process worker and the engine process is one worker among others.

mod download;
mod engine;
mod frontier;
mod interrupt;
mod job;
mod ledger;
mod local;
mod observer;
mod options;
mod outcome;
mod retry;
mod run_folder;
mod scheduler;
mod worker;

pub use engine::EngineLauncher;
pub use interrupt::{Ending, Interrupt};
pub use observer::{Observer, RunEvent, Silent};
pub use options::RunOptions;
pub use outcome::{ExecError, Outcome, RunSummary, StageFailure};
pub use run_folder::{RunFolder, RunRecord};
pub use scheduler::{Finished, Sweep, run};
pub use worker::{Failure, LaunchError, Launcher, Limits, Worker};
