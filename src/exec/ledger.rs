//! What every way of executing a plan shares: looking stages up, building requests, and writing down how stages end.

mod request;

use super::download;
use super::frontier::{Class, Frontier};
use super::job::{self, Made, WatchedSource};
use super::observer::{Observer, RunEvent};
use super::options::RunOptions;
use super::outcome::{ExecError, Outcome, RunSummary, StageFailure};
use super::record::Journal;
use super::retention::Removed;
use super::retry::Attempts;
use super::room::Room;
use super::sweep::Sweep;
use super::worker::Failure;
use crate::fsx;
use crate::plan::{Plan, Stage, StageId};
use crate::store::{Lookup, Reservation, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tacq_protocol::artifact::{Files, file};
use tacq_protocol::event::Provenance;
use tacq_protocol::stage::DownloadParams;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, StageParams};

/// How long a stage that another process computes is left alone before it is looked up again.
const BUSY_POLL: Duration = Duration::from_millis(250);

/// How long a stage waits for room that others may leave.
const ROOM_POLL: Duration = Duration::from_secs(1);

/// The state of a run.
pub(super) struct Ledger<'a> {
    pub sweep: Sweep<'a>,
    pub options: &'a RunOptions,
    pub observer: &'a mut dyn Observer,
    pub frontier: Frontier,
    /// Nothing more is started.
    pub halted: bool,
    attempts: BTreeMap<StageId, Attempts>,
    requests: BTreeMap<StageId, PathBuf>,
    next_request: u64,
    saved_secs: f64,
    removed: Removed,
    /// What could not be removed when its last reader was done.
    left: BTreeSet<StageId>,
    room: Room,
    waits_for_room: bool,
    journal: Option<Journal>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(sweep: Sweep<'a>, options: &'a RunOptions, observer: &'a mut dyn Observer) -> Self {
        let frontier = Frontier::new(sweep.plan, sweep.states, sweep.estimates);
        let count = |wanted: fn(Option<&Outcome>) -> bool| {
            (0..sweep.plan.stages.len()).filter(|&id| wanted(frontier.outcome(id))).count()
        };
        let to_run = count(|outcome| outcome.is_none());
        let hits = count(|outcome| matches!(outcome, Some(Outcome::Hit)));
        observer.on(&RunEvent::Planned { to_run, hits });
        Self {
            sweep,
            options,
            observer,
            frontier,
            halted: false,
            attempts: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 1,
            saved_secs: sweep.states.hit_secs(),
            removed: Removed::default(),
            left: BTreeSet::new(),
            waits_for_room: false,
            room: Room::new(options.settings.quota),
            journal: sweep.folder.map(|folder| Journal::new(folder, to_run)),
        }
    }

    /// A stage of the plan.
    pub(super) fn stage(&self, id: StageId) -> &'a Stage {
        &self.sweep.plan.stages[id]
    }

    /// The most urgent ready stage of a class, if more is to be started.
    pub(super) fn next(&self, class: Class) -> Option<StageId> {
        if self.halted { None } else { self.frontier.ready(class).next() }
    }

    /// Takes a ready stage and reserves it. Without a reservation the stage needs nobody any more: it failed, is there,
    /// or is looked at again later.
    pub(super) fn reserve(&mut self, id: StageId) -> Result<Option<Reservation>, ExecError> {
        self.frontier.take(id);
        if let Some(failure) = self.lost_input(id)? {
            self.failed(id, failure);
            return Ok(None);
        }
        let stage = self.stage(id);
        let payload = self.sweep.plan.payload(id).expect("blocked stages are never ready");
        if self.waits_for_room && !self.has_room_beside_others(id)? {
            return Ok(None);
        }
        match self.sweep.store.reserve(&payload)? {
            Lookup::Hit(artifact) => {
                self.saved_secs += artifact.manifest.execution.engine.wall_secs;
                self.is_there(id);
                Ok(None)
            }
            Lookup::Busy => {
                self.observer.on(&RunEvent::Waiting { label: &stage.label });
                self.frontier.postpone(id, Instant::now() + BUSY_POLL);
                Ok(None)
            }
            Lookup::Miss(reservation) => Ok(self.has_room_beside_others(id)?.then_some(reservation)),
        }
    }

    fn has_room_beside_others(&mut self, id: StageId) -> Result<bool, ExecError> {
        let others: Vec<StageId> =
            self.frontier.taken().iter().copied().filter(|other| *other != id).collect();
        self.has_room(id, &others)
    }

    /// Whether there is room for what a stage will write beside the others that are under way. If not, it is looked at again
    /// when they may have left room; without others it failed.
    pub(super) fn has_room(&mut self, id: StageId, others: &[StageId]) -> Result<bool, ExecError> {
        let mut problem = self.room_problem(id, others)?;
        if problem.is_some() && !self.left.is_empty() {
            self.remove_left();
            problem = self.room_problem(id, others)?;
        }
        let Some(failure) = problem else { return Ok(true) };
        self.frontier.take(id);
        if others.is_empty() {
            self.failed(id, failure);
        } else {
            if !self.waits_for_room {
                self.waits_for_room = true;
                let label = &self.stage(id).label;
                let message = format!("{label} and perhaps others wait for room: {}", failure.message);
                self.observer.on(&RunEvent::Notice { message: &message });
            }
            self.frontier.postpone(id, Instant::now() + ROOM_POLL);
        }
        Ok(false)
    }

    /// Whether there is room for a stage that is not to begin yet.
    pub(super) fn would_fit(&mut self, id: StageId, others: &[StageId]) -> Result<bool, ExecError> {
        Ok(self.room_problem(id, others)?.is_none())
    }

    fn room_problem(&mut self, id: StageId, others: &[StageId]) -> Result<Option<Failure>, StoreError> {
        let bytes = |id| self.sweep.estimates.of(id).map_or(0, |facts| facts.bytes);
        let under_way = others.iter().map(|&other| bytes(other)).sum();
        self.room.problem(self.sweep.store, bytes(id), under_way)
    }

    /// `download` of local files: they were hashed when the plan was made, so only their list is stored.
    pub(super) fn fix_source(&mut self, id: StageId, reservation: Reservation) -> Result<(), ExecError> {
        let stage = self.stage(id);
        let StageParams::Download(DownloadParams::Local(params)) = &stage.params else {
            unreachable!("asked for local sources only")
        };
        let dir = reservation.output_dir()?;
        let text = serde_json::to_vec_pretty(&Files { files: params.files.clone() }).expect("plain data");
        fsx::write(&dir.join(file::FILES), &text).map_err(|e| self.store_error(e))?;
        let sources = stage.source.iter().map(|s| ("source".to_owned(), s.path.clone())).collect();
        let execution = job::execution(Provenance::default(), sources, self.run_dir());
        let artifact = reservation.commit(&stage.label, execution)?;
        self.computed(id, &Made::of(artifact));
        Ok(())
    }

    /// The user's files that a stage reads directly.
    pub(super) fn sources(&self, id: StageId) -> Vec<WatchedSource> {
        WatchedSource::of(self.stage(id), &self.sweep.plan.stages)
    }

    /// Where the run leaves its record.
    pub(super) fn run_dir(&self) -> Option<PathBuf> {
        self.sweep.folder.map(|folder| folder.dir().to_owned())
    }

    /// How often a stage failed so far.
    pub(super) fn attempts(&self, id: StageId) -> Attempts {
        self.attempts.get(&id).copied().unwrap_or_default()
    }

    /// Why a downloaded input of a stage is not what it was when the run began, if so.
    fn lost_input(&self, id: StageId) -> Result<Option<Failure>, ExecError> {
        for &input in self.stage(id).inputs.values() {
            let input = self.stage(input);
            let Some(key) = input.key().filter(|_| input.remote.is_some()) else { continue };
            match self.sweep.store.get(input.kind(), key) {
                Err(error @ StoreError::Damaged { .. }) => {
                    return Ok(Some(download::lost(&input.label, &error)));
                }
                other => other?,
            };
        }
        Ok(None)
    }

    /// Tells whoever watches that a stage was given to a worker.
    pub(super) fn started(&mut self, id: StageId, device: Option<Device>) {
        let label = &self.stage(id).label;
        self.observer.on(&RunEvent::Started { label, device });
        self.note(|journal, plan| journal.started(plan, id, device));
    }

    /// Passes on what a worker says.
    pub(super) fn event(&mut self, id: StageId, event: &Event) {
        let label = &self.stage(id).label;
        match event {
            Event::Progress { done, total, unit, .. } => {
                self.observer.on(&RunEvent::Progress { label, done: *done, total: *total, unit });
                self.note(|journal, _| journal.progressed(id, *done, *total, unit));
            }
            Event::Log { level, message, .. } => {
                tracing::info!(stage = %label, ?level, "{message}");
                self.observer.on(&RunEvent::Log { label, level: *level, message });
            }
            Event::Ready { .. } | Event::Heartbeat { .. } | Event::Done { .. } | Event::Failed { .. } => {}
        }
    }

    /// A stage's artifact was committed.
    pub(super) fn computed(&mut self, id: StageId, made: &Made) {
        let label = &self.stage(id).label;
        let Made { provenance, bytes } = made;
        let (wall_secs, resumed) = (provenance.wall_secs, provenance.resumed);
        tracing::info!(stage = %label, wall_secs, resumed, peak_bytes = provenance.peak_bytes, "computed");
        self.observer.on(&RunEvent::Computed { label, wall_secs, resumed });
        self.note(|journal, plan| journal.computed(plan, id, provenance, *bytes));
        self.frontier.finish(id, Outcome::Computed { wall_secs });
        self.room.changed(*bytes, 0);
        self.let_go(id);
    }

    /// An attempt failed: another one follows later, if that may help; else the stage failed.
    pub(super) fn attempt_failed(&mut self, id: StageId, failure: Failure) {
        let retries = self.options.settings.of(self.stage(id).kind()).retries;
        let pause = self.attempts.entry(id).or_default().after(failure.kind, retries);
        match pause.filter(|_| !self.halted) {
            Some(pause) => {
                self.retrying(id, &failure);
                self.frontier.postpone(id, Instant::now() + pause);
            }
            None => self.failed(id, failure),
        }
    }

    /// Another process put a stage's artifact there.
    pub(super) fn is_there(&mut self, id: StageId) {
        self.observer.on(&RunEvent::ComputedElsewhere { label: &self.stage(id).label });
        self.note(|journal, _| journal.left(id, true));
        self.frontier.finish(id, Outcome::Hit);
        self.let_go(id);
    }

    /// Removes what a stage read, if nothing else reads it and the experiment does not keep it.
    fn let_go(&mut self, id: StageId) {
        if self.sweep.retention.is_some() {
            self.left.extend(self.stage(id).inputs.values());
            self.remove_left();
        }
    }

    /// Removes what nothing reads any more; what cannot go yet, as it is being pushed or read by others, stays noted.
    fn remove_left(&mut self) {
        let Some(retention) = self.sweep.retention else { return };
        let outcome = |id| self.frontier.outcome(id);
        self.left.retain(|&id| retention.is_spent(id, &outcome));
        let (removed, left) = retention.remove(std::mem::take(&mut self.left));
        self.left = left;
        self.room.changed(0, removed.bytes);
        self.removed.add(removed);
    }

    /// An attempt failed, and another one follows.
    pub(super) fn retrying(&mut self, id: StageId, failure: &Failure) {
        let label = &self.stage(id).label;
        tracing::warn!(stage = %label, "retrying: {failure}");
        self.observer.on(&RunEvent::Retrying { label, failure });
        self.note(|journal, plan| journal.failed(plan, id, failure, false));
    }

    /// A stage failed, and all that reads it is blocked.
    pub(super) fn failed(&mut self, id: StageId, failure: Failure) {
        let label = &self.stage(id).label;
        tracing::error!(stage = %label, kind = %failure.kind, "{failure}");
        self.observer.on(&RunEvent::Failed { label, failure: &failure });
        self.note(|journal, plan| journal.failed(plan, id, &failure, true));
        self.frontier.fail(id, failure);
        self.halted |= self.options.fail_fast;
    }

    /// A stage was left because the run ends.
    pub(super) fn cancelled(&mut self, id: StageId) {
        self.note(|journal, _| journal.left(id, false));
        self.frontier.finish(id, Outcome::Cancelled);
    }

    /// Renews what other processes see of the run, now and then.
    pub(super) fn tick(&mut self) {
        self.note(|journal, _| journal.tick());
    }

    fn note(&mut self, write: impl FnOnce(&mut Journal, &Plan)) {
        if let Some(journal) = &mut self.journal {
            write(journal, self.sweep.plan);
        }
    }

    /// A failed operation in the store's folder, as what ends the run.
    pub(super) fn store_error(&self, source: fsx::FsError) -> ExecError {
        ExecError::Store(StoreError::Fs { root: self.sweep.store.root().to_owned(), source })
    }

    /// How the run ended, in numbers and stage by stage.
    pub(super) fn close(self, wall_secs: f64, interrupted: bool) -> (RunSummary, Vec<Outcome>) {
        let plan = self.sweep.plan;
        let outcomes = self.frontier.into_outcomes();
        let saved_secs = self.saved_secs;
        let mut summary = RunSummary { wall_secs, saved_secs, interrupted, ..RunSummary::default() };
        for outcome in &outcomes {
            match outcome {
                Outcome::Hit => summary.reused += 1,
                Outcome::Computed { .. } => summary.computed += 1,
                Outcome::Failed(_) => summary.failed += 1,
                Outcome::Blocked { .. } => summary.blocked += 1,
                Outcome::Cancelled => summary.cancelled += 1,
                Outcome::Unneeded => {}
            }
        }
        let done = |id: StageId| matches!(outcomes[id], Outcome::Hit | Outcome::Computed { .. });
        summary.trials = plan.trials.len();
        summary.trials_done = plan.trials_done(done);
        summary.add_removed(self.removed);
        summary.failures = failures(&plan.stages, &outcomes, &self.requests);
        (summary, outcomes)
    }
}

fn failures(
    stages: &[Stage],
    outcomes: &[Outcome],
    requests: &BTreeMap<StageId, PathBuf>,
) -> Vec<StageFailure> {
    let mut blocked: BTreeMap<StageId, Vec<String>> = BTreeMap::new();
    for (outcome, stage) in outcomes.iter().zip(stages) {
        if let Outcome::Blocked { by } = outcome {
            blocked.entry(*by).or_default().push(stage.label.clone());
        }
    }
    let failed = outcomes.iter().enumerate().filter_map(|(id, outcome)| match outcome {
        Outcome::Failed(failure) => Some((id, failure.clone())),
        _ => None,
    });
    failed
        .map(|(id, failure)| StageFailure {
            label: stages[id].label.clone(),
            key: stages[id].key().map(|k| k.short()).unwrap_or_default(),
            failure,
            blocks: blocked.remove(&id).unwrap_or_default(),
            request: requests.get(&id).cloned(),
        })
        .collect()
}
