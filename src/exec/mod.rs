//! Runs what a plan lacks: reserves stages, downloads what is elsewhere, hands the rest to workers, commits what they make.
//!
//! This layer knows no concrete stage. It sends a request and reads events, so that scheduling is tested with an
//! in-process worker and the engine process is one worker among others.

mod cluster;
mod download;
mod engine;
mod estimate;
mod frontier;
mod interrupt;
mod job;
mod ledger;
mod local;
mod observer;
mod options;
mod outcome;
mod record;
mod retention;
mod retry;
mod room;
mod scheduler;
pub mod sharing;
mod sweep;
mod worker;

pub use cluster::{Cancelled, ClusterSetup, JobEnd, JobSignals, Pace, cancel, run_job};
pub use engine::EngineLauncher;
pub use estimate::{Estimates, Expected};
pub use interrupt::{Ending, Interrupt};
pub use job::host_name;
pub use observer::{Observer, RunEvent, Silent};
pub use options::RunOptions;
pub use outcome::{ExecError, Outcome, RunSummary, StageFailure};
pub use record::{Live, LiveStage, PastRun, RunFolder, RunRecord, RunState, StageRecord, Started};
pub use retention::{Removed, Retention};
pub use scheduler::{Finished, run, run_on_cluster};
pub use sweep::Sweep;
pub use worker::{Failure, LaunchError, Launcher, Limits, Worker};
