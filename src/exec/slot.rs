//! One device slot: a thread that keeps a worker alive, runs requests on it, and commits what they make.

use super::run_folder::unix_now;
use super::worker::{Failure, LaunchError, Launcher, Worker};
use crate::fsx;
use crate::plan::{Source, SourceFile, Stage, StageId};
use crate::store::{Execution, Fingerprint, Reservation, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, FailureKind, Request};

/// How often a stage is tried when its engine dies under it.
const ATTEMPTS: u32 = 3;

/// A reserved stage with all that running it takes.
pub(super) struct Job {
    pub id: StageId,
    pub label: String,
    pub request: Request,
    pub reservation: Reservation,
    /// The user's files that the stage reads directly.
    pub sources: Vec<WatchedSource>,
    pub run_dir: Option<PathBuf>,
}

/// A source that a stage reads, in the role it has there.
pub(super) struct WatchedSource {
    role: String,
    source: Source,
}

/// What a slot tells the scheduler.
pub(super) enum Message {
    Event { id: StageId, event: Event },
    Retrying { id: StageId, failure: Failure },
    Finished { slot: usize, id: StageId, result: Result<Provenance, JobError> },
}

/// Why a job did not end in an artifact.
pub(super) enum JobError {
    Stage(Failure),
    Store(StoreError),
    Launch(LaunchError),
}

/// A device slot and what its thread needs.
pub(super) struct Slot<'a> {
    pub index: usize,
    pub device: Device,
    pub launcher: &'a dyn Launcher,
    /// Set when the run ends early: a dead worker is then no reason to try again.
    pub stopping: &'a AtomicBool,
    pub messages: Sender<Message>,
}

impl Slot<'_> {
    /// Serves jobs until the scheduler hangs up.
    pub(super) fn serve(self, jobs: Receiver<Job>) {
        let mut worker = None;
        for job in jobs {
            let id = job.id;
            let result = self.attempt(&mut worker, &job).and_then(|provenance| commit(job, provenance));
            if self.messages.send(Message::Finished { slot: self.index, id, result }).is_err() {
                return;
            }
        }
    }

    fn attempt(&self, worker: &mut Option<Box<dyn Worker>>, job: &Job) -> Result<Provenance, JobError> {
        let mut tried = 0;
        loop {
            if self.stopping.load(Ordering::Relaxed) {
                let message = "the run was stopped".to_owned();
                return Err(JobError::Stage(Failure { kind: FailureKind::EngineDied, message, hint: None }));
            }
            tried += 1;
            for watched in &job.sources {
                watched.check()?;
            }
            job.reservation.output_dir().map_err(JobError::Store)?;
            let engine = match worker {
                Some(engine) => engine,
                None => {
                    worker.insert(self.launcher.launch(self.index, self.device).map_err(JobError::Launch)?)
                }
            };
            let mut forward = |event| {
                // The scheduler outlives its slots; if it is gone, nobody wants to know.
                let _ = self.messages.send(Message::Event { id: job.id, event });
            };
            let failure = match engine.run(&job.request, &mut forward) {
                Ok(provenance) => return Ok(provenance),
                Err(failure) => failure,
            };
            // A process that ran out of memory, lost its device or met a bug may fail everything after it too.
            let broken = [FailureKind::Device, FailureKind::OutOfMemory, FailureKind::Internal];
            if broken.contains(&failure.kind) {
                *worker = None;
            }
            if failure.kind == FailureKind::EngineDied {
                *worker = None;
                if tried < ATTEMPTS && !self.stopping.load(Ordering::Relaxed) {
                    let _ = self.messages.send(Message::Retrying { id: job.id, failure });
                    std::thread::sleep(Duration::from_millis(100) * 2u32.pow(tried));
                    continue;
                }
            }
            return Err(JobError::Stage(failure));
        }
    }
}

/// Checks that the sources are still what their digests say, then commits.
fn commit(job: Job, provenance: Provenance) -> Result<Provenance, JobError> {
    for watched in &job.sources {
        watched.check()?;
    }
    let sources = job.sources.iter().map(|w| (w.role.clone(), w.source.path.clone())).collect();
    let execution = execution(provenance.clone(), sources, job.run_dir.clone());
    job.reservation.commit(&job.label, execution).map_err(JobError::Store)?;
    Ok(provenance)
}

impl WatchedSource {
    /// The sources that a stage reads directly.
    pub(super) fn of(stage: &Stage, stages: &[Stage]) -> Vec<Self> {
        let source = |input: StageId| stages[input].source.clone();
        let inputs = stage.inputs.iter();
        inputs
            .filter_map(|(role, &i)| source(i).map(|source| Self { role: (*role).to_owned(), source }))
            .collect()
    }

    /// Fails if a file is not what it was when its digest entered the stage's key.
    fn check(&self) -> Result<(), JobError> {
        let changed =
            |file: &&SourceFile| Fingerprint::of(&file.path).ok().as_ref() != Some(&file.fingerprint);
        match self.source.files.iter().find(changed) {
            None => Ok(()),
            Some(file) => Err(JobError::Stage(Failure {
                kind: FailureKind::InvalidInput,
                message: format!(
                    "the {} file {} changed while the sweep ran",
                    self.role,
                    file.path.display()
                ),
                hint: Some("run again: what it is now will be hashed anew".to_owned()),
            })),
        }
    }
}

/// The provenance to store beside an artifact.
pub(super) fn execution(
    engine: Provenance,
    sources: BTreeMap<String, PathBuf>,
    run: Option<PathBuf>,
) -> Execution {
    Execution {
        engine,
        driver: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_name(),
        committed_unix: unix_now(),
        sources,
        run,
    }
}

fn host_name() -> String {
    fsx::read_to_string(Path::new("/proc/sys/kernel/hostname"))
        .map(|n| n.trim().to_owned())
        .unwrap_or_default()
}
