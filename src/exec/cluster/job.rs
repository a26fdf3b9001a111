//! What a job of Slurm does: computes the stage of its file, commits it, and says how it ended.
//!
//! Nothing is planned here and no experiment is read. The store decides: an artifact that is there is a hit, one that
//! another process computes is waited for, and only the reservation commits.

use super::layout::{self, Ending, JobFile, JobResult, VERSION};
use crate::exec::engine::EngineLauncher;
use crate::exec::job::{Job, JobError, host_name};
use crate::exec::record::unix_now;
use crate::exec::retry::Attempts;
use crate::exec::worker::{self, Failure, LaunchError, Launcher, Limits};
use crate::fsx::{self, FsError};
use crate::slurm::{Slurm, TaskId};
use crate::store::{Lookup, Reservation, Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tacq_protocol::units::BatchSize;
use tacq_protocol::{Event, FailureKind, LogLevel, Request, StageKind};

/// How often a stage that another process computes, or an input that is not seen yet, is looked for.
const POLL: Duration = Duration::from_secs(1);
/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long a signal may take to be heard after the engine has obeyed it.
const HEARD: Duration = Duration::from_millis(300);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(30);

/// What Slurm told a job by signals.
#[derive(Debug, Default)]
pub struct JobSignals {
    warned: AtomicBool,
    ended: AtomicBool,
}

impl JobSignals {
    /// No signal came yet.
    pub const fn new() -> Self {
        Self { warned: AtomicBool::new(false), ended: AtomicBool::new(false) }
    }

    /// The time limit is near. Safe in a signal handler.
    pub fn warn(&self) {
        self.warned.store(true, Ordering::SeqCst);
    }

    /// The job is about to be ended: cancelled, preempted, or out of time. Safe in a signal handler.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    fn warned(&self) -> bool {
        self.warned.load(Ordering::SeqCst)
    }

    fn any(&self) -> bool {
        self.warned() || self.ended.load(Ordering::SeqCst)
    }
}

/// How a job ends, for its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// The artifact is there.
    Done,
    /// The stage failed.
    Failed,
    /// It was stopped, and goes on after Slurm starts it again.
    Requeued,
    /// It was stopped.
    Interrupted,
}

/// Runs the job of a file to its end.
///
/// # Errors
/// If the job's file cannot be read, or the result cannot be written.
pub fn run_job(
    path: &Path,
    signals: &JobSignals,
    slurm: &mut Slurm,
    say: &mut dyn FnMut(&str),
) -> Result<JobEnd, FsError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let result = layout::result_path(&path);
    // Of an earlier start of this job.
    fsx::remove_file(&result)?;
    let file: JobFile = layout::read(&path)?;
    let restarts = env_number("SLURM_RESTART_COUNT").unwrap_or(0);
    say(&format!("{} on {}{}", file.label, host_name(), if restarts > 0 { ", started anew" } else { "" }));
    let run = JobRun { file: &file, path: &path, signals };
    let ending = run.ending(say);
    let id = own_id();
    let end = match &ending {
        Ending::Computed { .. } | Ending::Hit => JobEnd::Done,
        Ending::Failed { failure } => {
            say(&format!("failed: {failure}"));
            JobEnd::Failed
        }
        Ending::MissingInput { message } => {
            say(&format!("failed: {message}"));
            JobEnd::Failed
        }
        Ending::OutOfTime => {
            say("the time limit is near and no progress was written");
            JobEnd::Failed
        }
        // Ended from outside: what becomes of it is for Slurm to say.
        Ending::Interrupted if !signals.warned() => return Ok(JobEnd::Interrupted),
        Ending::Interrupted => match id.map(|id| slurm.requeue(id)) {
            Some(Ok(())) => {
                say("back into the queue: it goes on from its progress");
                return Ok(JobEnd::Requeued);
            }
            Some(Err(error)) => {
                say(&format!("cannot go back into the queue: {error}"));
                JobEnd::Interrupted
            }
            None => JobEnd::Interrupted,
        },
    };
    let job = id.map(|id| id.to_string());
    let ended_unix = unix_now();
    layout::write(&result, &JobResult { ending, host: host_name(), job, restarts, ended_unix })?;
    Ok(end)
}

struct JobRun<'a> {
    file: &'a JobFile,
    path: &'a Path,
    signals: &'a JobSignals,
}

impl JobRun<'_> {
    fn ending(&self, say: &mut dyn FnMut(&str)) -> Ending {
        let failure = match self.compute(say) {
            Ok(ending) => return ending,
            Err(JobError::Stage(failure)) => failure,
            Err(JobError::Store(error)) => {
                Failure { kind: FailureKind::Io, message: error.to_string(), hint: None }
            }
            Err(JobError::Launch(error)) => {
                Failure { kind: FailureKind::Device, message: error.to_string(), hint: None }
            }
        };
        Ending::Failed { failure }
    }

    fn compute(&self, say: &mut dyn FnMut(&str)) -> Result<Ending, JobError> {
        let file = self.file;
        if file.version != VERSION {
            let message =
                format!("the job's file is of version {}, this program reads {VERSION}", file.version);
            let hint = Some("the program was replaced while the job was queued; run again".to_owned());
            return Err(JobError::Stage(Failure { kind: FailureKind::InvalidInput, message, hint }));
        }
        let store = Store::new(&file.store);
        let keys = file.inputs.iter().map(|input| input.key).chain([file.payload.key()]);
        let _pins = store.pin(keys).map_err(JobError::Store)?;
        let reservation = match self.reserve(&store, say)? {
            Ok(reservation) => reservation,
            Err(ending) => return Ok(ending),
        };
        if let Some(message) = self.missing_input(&store)? {
            return Ok(Ending::MissingInput { message });
        }
        let device = file.request.run.device;
        let progress = absolute(reservation.progress_dir(device));
        let output = absolute(reservation.output_dir().map_err(JobError::Store)?);
        let request = Request { output, progress: progress.clone(), ..file.request.clone() };
        let before = contents(&progress);
        let job = Job {
            label: file.label.clone(),
            request,
            reservation,
            sources: file.sources.clone(),
            run_dir: file.run_dir.clone(),
        };
        match self.run(job, say) {
            Err(error) if self.is_stop(&error) => {
                let is_stuck = self.signals.warned() && contents(&progress) == before;
                Ok(if is_stuck { Ending::OutOfTime } else { Ending::Interrupted })
            }
            other => other,
        }
    }

    /// Whether an error is what a stage that was told to stop ends with. Slurm ends the engine too, and perhaps a moment
    /// before it tells us.
    fn is_stop(&self, error: &JobError) -> bool {
        match error {
            JobError::Stage(failure) if failure.kind == FailureKind::Interrupted => {}
            JobError::Stage(failure) if failure.kind == FailureKind::EngineDied => std::thread::sleep(HEARD),
            JobError::Launch(LaunchError::NotReady { .. }) => std::thread::sleep(HEARD),
            JobError::Stage(_) | JobError::Launch(_) | JobError::Store(_) => return false,
        }
        self.signals.any()
    }

    /// The reservation, or how the job ends without.
    fn reserve(
        &self,
        store: &Store,
        say: &mut dyn FnMut(&str),
    ) -> Result<Result<Reservation, Ending>, JobError> {
        let mut told = false;
        loop {
            match store.reserve(&self.file.payload).map_err(JobError::Store)? {
                Lookup::Hit(_) => return Ok(Err(Ending::Hit)),
                Lookup::Miss(reservation) => return Ok(Ok(reservation)),
                Lookup::Busy if self.signals.any() => return Ok(Err(Ending::Interrupted)),
                Lookup::Busy => {
                    if !std::mem::replace(&mut told, true) {
                        say("another process is computing it; waiting");
                    }
                    std::thread::sleep(POLL);
                }
            }
        }
    }

    /// What is missing of the inputs, in a sentence. They may have been committed on another machine a moment ago.
    fn missing_input(&self, store: &Store) -> Result<Option<String>, JobError> {
        let started = Instant::now();
        for input in &self.file.inputs {
            loop {
                let why = match store.get(input.kind, &input.key) {
                    Ok(Some(_)) => break,
                    Ok(None) => "is not in the store".to_owned(),
                    Err(error @ StoreError::Damaged { .. }) => format!("cannot be used: {error}"),
                    Err(error) => return Err(JobError::Store(error)),
                };
                if started.elapsed().as_secs_f64() >= self.file.grace_secs || self.signals.any() {
                    return Ok(Some(format!("{}, which it reads, {why}", input.label)));
                }
                std::thread::sleep(POLL.min(Duration::from_secs_f64(self.file.grace_secs.max(0.01))));
            }
        }
        Ok(None)
    }

    /// Runs the engine, again where that may help, and commits what it made.
    fn run(&self, mut job: Job, say: &mut dyn FnMut(&str)) -> Result<Ending, JobError> {
        let file = self.file;
        let log_dir = self.path.parent().unwrap_or(Path::new("."));
        let launcher = EngineLauncher::new(file.engine.clone(), log_dir);
        let task = self.path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let limits = Limits {
            timeout: file.timeout_secs.map(Duration::from_secs),
            hang: Duration::from_secs(file.hang_secs),
        };
        let mut attempts = Attempts::default();
        let asked = file.request.run.batch_size.map(BatchSize::get);
        let mut teller = Teller { kind: job.request.stage.kind(), told: Instant::now(), say };
        loop {
            job.check_sources()?;
            let failure = match self.attempt(&launcher, task.unwrap_or(0), &job, &limits, &mut teller) {
                Ok(provenance) => {
                    job.commit(provenance.clone())?;
                    return Ok(Ending::Computed { provenance });
                }
                Err(JobError::Stage(failure)) if !self.signals.any() => failure,
                Err(error) => return Err(error),
            };
            let Some(pause) = attempts.after(failure.kind, file.retries) else {
                return Err(JobError::Stage(failure));
            };
            (teller.say)(&format!("trying again: {failure}"));
            std::thread::sleep(pause);
            job.reservation.output_dir().map_err(JobError::Store)?;
            let batch = attempts.batch_size(asked).map(u64::from);
            job.request.run.batch_size = batch.and_then(|n| BatchSize::new(n).ok());
        }
    }

    fn attempt(
        &self,
        launcher: &EngineLauncher,
        slot: usize,
        job: &Job,
        limits: &Limits,
        teller: &mut Teller<'_>,
    ) -> Result<tacq_protocol::event::Provenance, JobError> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if self.signals.any() {
                        return launcher.stop();
                    }
                    std::thread::sleep(TICK);
                }
            });
            let is_stopping = || self.signals.any();
            let started = worker::launch(launcher, slot, job.request.run.device, &is_stopping);
            let result = started.map_err(JobError::Launch).and_then(|mut worker| {
                worker.run(&job.request, limits, &mut |event| teller.tell(&event)).map_err(JobError::Stage)
            });
            over.store(true, Ordering::Relaxed);
            result
        })
    }
}

/// Tells what an engine says, progress now and then.
struct Teller<'a> {
    kind: StageKind,
    told: Instant,
    say: &'a mut dyn FnMut(&str),
}

impl Teller<'_> {
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Progress { done, total, unit, .. } if self.told.elapsed() >= TELL => {
                self.told = Instant::now();
                (self.say)(&format!("{done} of {total} {unit}"));
            }
            Event::Log { level: LogLevel::Warn | LogLevel::Error, message, .. } => (self.say)(message),
            // What a command of the user's writes has no other place.
            Event::Log { message, .. } if self.kind == StageKind::Command => (self.say)(message),
            _ => {}
        }
    }
}

/// This job, as Slurm names it.
fn own_id() -> Option<TaskId> {
    match (env_number("SLURM_ARRAY_JOB_ID"), env_number("SLURM_ARRAY_TASK_ID")) {
        (Some(job), Some(task)) => Some(TaskId { job, task: Some(task) }),
        _ => env_number("SLURM_JOB_ID").map(|job| TaskId { job, task: None }),
    }
}

fn env_number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Sizes and times of all files of a folder: what tells whether progress was written.
fn contents(folder: &Path) -> Vec<(String, u64, Option<std::time::SystemTime>)> {
    let names = fsx::list_files(folder).unwrap_or_default();
    let look = |name: String| {
        let found = fsx::metadata(&folder.join(&name)).ok()?;
        Some((name, found.len(), found.modified().ok()))
    };
    names.into_iter().filter_map(look).collect()
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
