//! Which stage runs next, and what its end means for the others.

use super::download::{self, DownloadJob, LANES, Lane};
use super::observer::{Observer, RunEvent};
use super::outcome::{ExecError, Outcome, RunSummary, StageFailure};
use super::run_folder::RunFolder;
use super::slot::{self, Job, JobError, Message, Slot, WatchedSource};
use super::worker::{Failure, Launcher};
use crate::fsx;
use crate::hub::Hub;
use crate::plan::{Plan, Stage, StageId, StageState, States};
use crate::store::{Lookup, Reservation, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tacq_protocol::artifact::{Files, file, role};
use tacq_protocol::event::Provenance;
use tacq_protocol::stage::DownloadParams;
use tacq_protocol::units::{BatchSize, Device};
use tacq_protocol::{DataFile, Event, Request, Run, StageParams};

/// How a run is to go.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// One worker per entry.
    pub devices: Vec<Device>,
    /// Threads of each worker.
    pub threads: Option<u32>,
    /// Seconds between in-stage checkpoints.
    pub checkpoint_secs: u32,
    /// Examples computed side by side, at most.
    pub batch_size: Option<BatchSize>,
    /// Start nothing more after the first failure.
    pub fail_fast: bool,
}

/// What there is to run, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The stages.
    pub plan: &'a Plan,
    /// Which of them are there, and which are to run.
    pub states: &'a States,
    /// Where artifacts are.
    pub store: &'a Store,
    /// Where models and data sets that are not here come from.
    pub hub: &'a Hub,
    /// Where the run leaves its record, if it has something to do.
    pub folder: Option<&'a RunFolder>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// Of each stage of the plan.
    pub outcomes: Vec<Outcome>,
    /// In numbers.
    pub summary: RunSummary,
    /// What ended the run as a whole: a store that cannot be used, an engine that cannot be started.
    pub fatal: Option<ExecError>,
}

/// How long a stage that another process computes is left alone before it is looked up again.
const BUSY_POLL: Duration = Duration::from_millis(250);
/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(100);

/// Runs the stages whose state says so. Keeps going past failures: only what reads a failed stage is blocked.
pub fn run(
    sweep: Sweep<'_>,
    options: &RunOptions,
    launcher: &dyn Launcher,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Finished {
    let started = Instant::now();
    let mut scheduler = Scheduler::new(sweep, options, observer);
    let stopping = AtomicBool::new(false);
    let fatal = std::thread::scope(|scope| {
        let (sender, messages) = mpsc::channel();
        let mut slots = Vec::new();
        for (index, &device) in options.devices.iter().enumerate() {
            let (jobs, queue) = mpsc::channel();
            let slot = Slot { index, device, launcher, stopping: &stopping, messages: sender.clone() };
            scope.spawn(move || slot.serve(queue));
            slots.push(jobs);
        }
        let mut lanes = Vec::new();
        for lane in 0..LANES {
            let (jobs, queue) = mpsc::channel();
            let index = options.devices.len() + lane;
            let lane = Lane { index, hub: sweep.hub, stopping: &stopping, messages: sender.clone() };
            scope.spawn(move || lane.serve(queue));
            lanes.push(jobs);
        }
        drop(sender);
        scheduler.drive(&Workers { slots, lanes }, &messages, launcher, interrupted, &stopping).err()
    });
    let summary = scheduler.summary(started.elapsed().as_secs_f64(), interrupted.load(Ordering::Relaxed));
    Finished { outcomes: scheduler.into_outcomes(), summary, fatal }
}

/// Where jobs go. Lanes are counted on from the slots.
struct Workers {
    slots: Vec<Sender<Job>>,
    lanes: Vec<Sender<DownloadJob>>,
}

struct Scheduler<'a> {
    plan: &'a Plan,
    store: &'a Store,
    options: &'a RunOptions,
    folder: Option<&'a RunFolder>,
    observer: &'a mut dyn Observer,
    consumers: Vec<Vec<StageId>>,
    outcomes: Vec<Option<Outcome>>,
    /// How many inputs of each stage are still to come.
    waiting_for: Vec<usize>,
    ready: BTreeSet<StageId>,
    /// Stages that another process is computing, and when to look again.
    busy: BTreeMap<StageId, Instant>,
    running: BTreeMap<usize, StageId>,
    requests: BTreeMap<StageId, PathBuf>,
    next_request: u64,
    saved_secs: f64,
    halted: bool,
}

impl<'a> Scheduler<'a> {
    fn new(sweep: Sweep<'a>, options: &'a RunOptions, observer: &'a mut dyn Observer) -> Self {
        let Sweep { plan, states, store, folder, .. } = sweep;
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(plan.stages.len());
        for (id, stage) in plan.stages.iter().enumerate() {
            // What reads a blocked stage is blocked by it; inputs come first.
            let by = stage.inputs.values().find(|i| matches!(outcomes[**i], Some(Outcome::Blocked { .. })));
            outcomes.push(match states.of(id) {
                StageState::Hit => Some(Outcome::Hit),
                StageState::Unneeded => Some(Outcome::Unneeded),
                StageState::Run => None,
                StageState::Blocked => Some(Outcome::Blocked { by: by.copied().unwrap_or(id) }),
            });
        }
        let open = |id: &StageId| outcomes[*id].is_none();
        let waiting_for: Vec<usize> =
            plan.stages.iter().map(|s| s.inputs.values().filter(|i| open(i)).count()).collect();
        let ready = (0..plan.stages.len()).filter(|id| open(id) && waiting_for[*id] == 0).collect();
        let to_run = outcomes.iter().filter(|o| o.is_none()).count();
        let hits = outcomes.iter().filter(|o| matches!(o, Some(Outcome::Hit))).count();
        observer.on(&RunEvent::Planned { to_run, hits });
        Self {
            plan,
            store,
            options,
            folder,
            observer,
            consumers: plan.consumers(),
            outcomes,
            waiting_for,
            ready,
            busy: BTreeMap::new(),
            running: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 1,
            saved_secs: states.hit_secs(),
            halted: false,
        }
    }

    fn drive(
        &mut self,
        workers: &Workers,
        messages: &Receiver<Message>,
        launcher: &dyn Launcher,
        interrupted: &AtomicBool,
        stopping: &AtomicBool,
    ) -> Result<(), ExecError> {
        let mut fatal = None;
        loop {
            let stop = interrupted.load(Ordering::Relaxed) || fatal.is_some();
            if stop && !stopping.swap(true, Ordering::Relaxed) {
                self.halted = true;
                launcher.cancel();
            }
            if !self.halted
                && let Err(error) = self.assign(workers)
            {
                fatal.get_or_insert(error);
                continue;
            }
            let nothing_left = self.ready.is_empty() && self.busy.is_empty();
            if self.running.is_empty() && (self.halted || nothing_left) {
                return fatal.map_or(Ok(()), Err);
            }
            match messages.recv_timeout(TICK) {
                Ok(message) => {
                    if let Err(error) = self.receive(message, stopping) {
                        fatal.get_or_insert(error);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return fatal.map_or(Ok(()), Err),
            }
        }
    }

    /// Gives ready stages to idle slots; what the driver does itself is done on the spot.
    fn assign(&mut self, workers: &Workers) -> Result<(), ExecError> {
        let now = Instant::now();
        let due: Vec<_> = self.busy.iter().filter(|(_, at)| **at <= now).map(|(&id, _)| id).collect();
        for id in due {
            self.busy.remove(&id);
            self.ready.insert(id);
        }
        for id in self.ready.clone() {
            let stage = &self.plan.stages[id];
            let in_driver = matches!(stage.params, StageParams::Download(DownloadParams::Local(_)));
            let n_slots = workers.slots.len();
            let fitting = match stage.params {
                StageParams::Download(_) => n_slots..n_slots + workers.lanes.len(),
                _ => 0..n_slots,
            };
            let idle = fitting.into_iter().find(|slot| !self.running.contains_key(slot));
            if idle.is_none() && !in_driver {
                continue;
            }
            if let Some(failure) = self.lost_input(id)? {
                self.ready.remove(&id);
                self.fail(id, failure);
                continue;
            }
            let identity = stage.identity.as_ref().expect("blocked stages are never ready");
            let lookup = self.store.reserve(&identity.payload)?;
            self.ready.remove(&id);
            match lookup {
                Lookup::Hit(artifact) => {
                    self.saved_secs += artifact.manifest.execution.engine.wall_secs;
                    self.observer.on(&RunEvent::ComputedElsewhere { label: &stage.label });
                    self.finish(id, Outcome::Hit);
                }
                Lookup::Busy => {
                    self.observer.on(&RunEvent::Waiting { label: &stage.label });
                    self.busy.insert(id, now + BUSY_POLL);
                }
                Lookup::Miss(reservation) if in_driver => self.fix_source(id, reservation)?,
                Lookup::Miss(reservation) if stage.remote.is_some() => {
                    let lane = idle.expect("checked above");
                    let job = DownloadJob {
                        id,
                        label: stage.label.clone(),
                        params: download_params(&stage.params).clone(),
                        remote: stage.remote.clone(),
                        reservation,
                        run_dir: self.folder.map(|f| f.dir().to_owned()),
                    };
                    self.running.insert(lane, id);
                    self.observer.on(&RunEvent::Started { label: &stage.label, device: None });
                    let jobs = &workers.lanes[lane - n_slots];
                    jobs.send(job).expect("lanes live as long as the scheduler");
                }
                Lookup::Miss(reservation) => {
                    let slot = idle.expect("checked above");
                    let device = self.options.devices[slot];
                    let job = self.job(id, reservation, device)?;
                    self.running.insert(slot, id);
                    self.observer.on(&RunEvent::Started { label: &stage.label, device: Some(device) });
                    workers.slots[slot].send(job).expect("slots live as long as the scheduler");
                }
            }
        }
        Ok(())
    }

    /// `download` of local files: they were hashed when the plan was made, so only their list is stored.
    fn fix_source(&mut self, id: StageId, reservation: Reservation) -> Result<(), ExecError> {
        let stage = &self.plan.stages[id];
        let StageParams::Download(DownloadParams::Local(params)) = &stage.params else {
            unreachable!("asked for local sources only")
        };
        let dir = reservation.output_dir()?;
        let text = serde_json::to_vec_pretty(&Files { files: params.files.clone() }).expect("plain data");
        fsx::write_atomic(&dir.join(file::FILES), &text).map_err(|e| self.store_error(e))?;
        let sources = stage.source.iter().map(|s| ("source".to_owned(), s.path.clone())).collect();
        let run = self.folder.map(|f| f.dir().to_owned());
        reservation.commit(&stage.label, slot::execution(Provenance::default(), sources, run))?;
        self.observer.on(&RunEvent::Computed { label: &stage.label, wall_secs: 0.0, resumed: false });
        self.finish(id, Outcome::Computed { wall_secs: 0.0 });
        Ok(())
    }

    /// The request for a stage, frozen in the run's folder.
    fn job(&mut self, id: StageId, reservation: Reservation, device: Device) -> Result<Job, ExecError> {
        let stage = &self.plan.stages[id];
        let sources = WatchedSource::of(stage, &self.plan.stages);
        let (mut inputs, mut data) = (BTreeMap::new(), BTreeMap::new());
        for (&role, &input) in &stage.inputs {
            let input = &self.plan.stages[input];
            let artifact = || {
                let key = input.key().expect("inputs of a stage with a key have keys");
                self.store.artifact_dir(input.kind(), key)
            };
            match (&input.source, &input.remote) {
                (Some(source), _) if role::DATA.contains(&role) => {
                    data.insert(role.to_owned(), source.data_files());
                }
                (None, Some(_)) if role::DATA.contains(&role) => {
                    data.insert(role.to_owned(), self.downloaded(input, &absolute(artifact()))?);
                }
                (Some(source), _) => _ = inputs.insert(role.to_owned(), absolute(source.path.clone())),
                (None, Some(_)) => {
                    inputs.insert(role.to_owned(), absolute(artifact()).join(file::FILES_DIR));
                }
                (None, None) => _ = inputs.insert(role.to_owned(), absolute(artifact())),
            }
        }
        let request = Request {
            id: self.next_request,
            stage: stage.params.clone(),
            inputs,
            data,
            output: absolute(reservation.output_dir()?),
            progress: absolute(reservation.progress_dir(device)?),
            run: Run {
                device,
                threads: self.options.threads,
                checkpoint_secs: self.options.checkpoint_secs,
                batch_size: self.options.batch_size,
            },
        };
        self.next_request += 1;
        if let Some(folder) = self.folder {
            let name = format!("{}-{}", stage.kind(), reservation.key().short());
            let path = folder.write_request(&name, &request).map_err(|e| self.store_error(e))?;
            self.requests.insert(id, path);
        }
        let run_dir = self.folder.map(|f| f.dir().to_owned());
        Ok(Job { id, label: stage.label.clone(), request, reservation, sources, run_dir })
    }

    /// The files of a downloaded data set.
    fn downloaded(&self, stage: &Stage, artifact: &Path) -> Result<Vec<DataFile>, ExecError> {
        let key = stage.key().expect("inputs of a stage with a key have keys");
        let files: Option<Files> = self.store.read_json(stage.kind(), key, file::FILES)?;
        let folder = artifact.join(file::FILES_DIR);
        let data_file = |path: String| DataFile {
            name: path.rsplit('/').next().unwrap_or(&path).to_owned(),
            path: folder.join(&path),
        };
        Ok(files.into_iter().flat_map(|files| files.files).map(|file| data_file(file.path)).collect())
    }

    /// Why a downloaded input of a stage is not what it was when the run began, if so.
    fn lost_input(&self, id: StageId) -> Result<Option<Failure>, ExecError> {
        for &input in self.plan.stages[id].inputs.values() {
            let input = &self.plan.stages[input];
            let Some(key) = input.key().filter(|_| input.remote.is_some()) else { continue };
            match self.store.get(input.kind(), key) {
                Err(error @ StoreError::Damaged { .. }) => {
                    return Ok(Some(download::lost(&input.label, &error)));
                }
                other => other?,
            };
        }
        Ok(None)
    }

    fn receive(&mut self, message: Message, stopping: &AtomicBool) -> Result<(), ExecError> {
        match message {
            Message::Event { id, event } => self.pass_on(id, &event),
            Message::Retrying { id, failure } => {
                let label = &self.plan.stages[id].label;
                tracing::warn!(stage = %label, "retrying: {failure}");
                self.observer.on(&RunEvent::Retrying { label, failure: &failure });
            }
            Message::Finished { slot, id, result } => {
                self.running.remove(&slot);
                match result {
                    Ok(provenance) => self.computed(id, &provenance),
                    // Stopped by us: not a failure of the stage.
                    Err(_) if stopping.load(Ordering::Relaxed) => {
                        self.outcomes[id] = Some(Outcome::Cancelled)
                    }
                    Err(JobError::Stage(failure)) => self.fail(id, failure),
                    Err(JobError::Store(error)) => return Err(error.into()),
                    Err(JobError::Launch(error)) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn pass_on(&mut self, id: StageId, event: &Event) {
        let label = &self.plan.stages[id].label;
        match event {
            Event::Progress { done, total, unit, .. } => {
                self.observer.on(&RunEvent::Progress { label, done: *done, total: *total, unit });
            }
            Event::Log { level, message, .. } => {
                tracing::info!(stage = %label, ?level, "{message}");
                self.observer.on(&RunEvent::Log { label, level: *level, message });
            }
            Event::Ready { .. } | Event::Heartbeat { .. } | Event::Done { .. } | Event::Failed { .. } => {}
        }
    }

    fn computed(&mut self, id: StageId, provenance: &Provenance) {
        let label = &self.plan.stages[id].label;
        let (wall_secs, resumed) = (provenance.wall_secs, provenance.resumed);
        tracing::info!(stage = %label, wall_secs, resumed, peak_bytes = provenance.peak_bytes, "computed");
        self.observer.on(&RunEvent::Computed { label, wall_secs, resumed });
        self.finish(id, Outcome::Computed { wall_secs });
    }

    /// Marks a stage as available and frees what waited for it alone.
    fn finish(&mut self, id: StageId, outcome: Outcome) {
        self.outcomes[id] = Some(outcome);
        for &consumer in &self.consumers[id] {
            self.waiting_for[consumer] = self.waiting_for[consumer].saturating_sub(1);
            if self.waiting_for[consumer] == 0 && self.outcomes[consumer].is_none() {
                self.ready.insert(consumer);
            }
        }
    }

    /// Marks a stage as failed and all that reads it as blocked.
    fn fail(&mut self, id: StageId, failure: Failure) {
        let label = &self.plan.stages[id].label;
        tracing::error!(stage = %label, kind = %failure.kind, "{failure}");
        self.observer.on(&RunEvent::Failed { label, failure: &failure });
        self.outcomes[id] = Some(Outcome::Failed(failure));
        let mut stack = self.consumers[id].clone();
        while let Some(consumer) = stack.pop() {
            if self.outcomes[consumer].is_none() {
                self.outcomes[consumer] = Some(Outcome::Blocked { by: id });
                stack.extend(&self.consumers[consumer]);
            }
        }
        self.halted |= self.options.fail_fast;
    }

    fn store_error(&self, source: fsx::FsError) -> ExecError {
        ExecError::Store(StoreError::Fs { root: self.store.root().to_owned(), source })
    }

    fn summary(&mut self, wall_secs: f64, interrupted: bool) -> RunSummary {
        let saved_secs = self.saved_secs;
        let mut summary = RunSummary { wall_secs, saved_secs, interrupted, ..RunSummary::default() };
        for outcome in &mut self.outcomes {
            match outcome.get_or_insert(Outcome::Cancelled) {
                Outcome::Hit => summary.reused += 1,
                Outcome::Computed { .. } => summary.computed += 1,
                Outcome::Failed(_) => summary.failed += 1,
                Outcome::Blocked { .. } => summary.blocked += 1,
                Outcome::Cancelled => summary.cancelled += 1,
                Outcome::Unneeded => {}
            }
        }
        let done = |id: &StageId| matches!(self.outcomes[*id], Some(Outcome::Hit | Outcome::Computed { .. }));
        summary.trials = self.plan.trials.len();
        summary.trials_done =
            self.plan.trials.iter().filter(|t| t.evaluations.iter().all(|(_, id)| done(id))).count();
        summary.failures = self.failures();
        summary
    }

    fn failures(&self) -> Vec<StageFailure> {
        let blocked_by = |id: StageId| {
            let behind = move |o: &Option<Outcome>| matches!(o, Some(Outcome::Blocked { by }) if *by == id);
            self.outcomes
                .iter()
                .zip(&self.plan.stages)
                .filter(move |(o, _)| behind(o))
                .map(|(_, s)| s.label.clone())
        };
        let failed = self.outcomes.iter().enumerate().filter_map(|(id, outcome)| match outcome {
            Some(Outcome::Failed(failure)) => Some((id, failure.clone())),
            _ => None,
        });
        failed
            .map(|(id, failure)| StageFailure {
                label: self.plan.stages[id].label.clone(),
                key: self.plan.stages[id].key().map(|k| k.short()).unwrap_or_default(),
                failure,
                blocks: blocked_by(id).collect(),
                request: self.requests.get(&id).cloned(),
            })
            .collect()
    }

    fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes.into_iter().map(|o| o.unwrap_or(Outcome::Cancelled)).collect()
    }
}

/// The parameters of a `download` stage.
fn download_params(params: &StageParams) -> &DownloadParams {
    match params {
        StageParams::Download(params) => params,
        _ => unreachable!("only downloads come from elsewhere"),
    }
}

/// Engines run in another working folder or on another node: they get absolute paths.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
