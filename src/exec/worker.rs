//! What computes stages, as the scheduler sees it.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, FailureKind, Request};

/// How long a worker may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one attempt of a stage; none: as long as it takes.
    pub timeout: Option<Duration>,
    /// Without any sign of life.
    pub hang: Duration,
}

/// Computes one stage at a time.
pub trait Worker: Send {
    /// Runs a request to its end. Progress and log events are passed on as they come.
    ///
    /// # Errors
    /// A [`Failure`]; of kind [`FailureKind::EngineDied`] or [`FailureKind::Timeout`] when the worker can no longer be
    /// used, [`FailureKind::Interrupted`] when it was asked to stop and its progress is kept.
    fn run(
        &mut self,
        request: &Request,
        limits: &Limits,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Provenance, Failure>;
}

/// Starts workers.
pub trait Launcher: Sync {
    /// A worker for a device. `slot` numbers the workers of a run from zero.
    fn launch(&self, slot: usize, device: Device) -> Result<Box<dyn Worker>, LaunchError>;

    /// Asks all workers to stop soon: they finish their batch and write their progress.
    fn stop(&self);

    /// Stops all workers at once, in the middle of what they do.
    fn cancel(&self);
}

/// A worker that ended sooner than this did not hang.
const AT_ONCE: Duration = Duration::from_secs(60);

/// Pauses before a worker that ended while it started is started again.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Starts a worker; one that ends before it is ready is started again, as it may have been killed, for memory perhaps.
pub(super) fn launch(
    launcher: &dyn Launcher,
    slot: usize,
    device: Device,
    is_stopping: &dyn Fn() -> bool,
) -> Result<Box<dyn Worker>, LaunchError> {
    for pause in PAUSES {
        let started = Instant::now();
        match launcher.launch(slot, device) {
            // One that was silent for minutes will be so again.
            Err(error @ LaunchError::NotReady { .. }) if started.elapsed() < AT_ONCE && !is_stopping() => {
                tracing::warn!("starting an engine again: {error}");
                std::thread::sleep(pause);
            }
            other => return other,
        }
    }
    launcher.launch(slot, device)
}

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default())]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What went wrong and where.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A worker that cannot be started: nothing can run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program is not there or cannot be executed.
    #[error("cannot start the engine {}: {source}; build it with `make build`, or name it with --engine or TACQ_ENGINE", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it said that it is ready.
    #[error("the engine {} ended before it was ready ({status}); its last words are in {}: {last_words}", program.display(), log.display())]
    NotReady {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// File with what it wrote to standard error.
        log: PathBuf,
        /// The last line of that.
        last_words: String,
    },
    /// It speaks another version of the protocol.
    #[error("the engine {} speaks protocol {found}, this driver {expected}; build both from one source", program.display())]
    Protocol {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
}
