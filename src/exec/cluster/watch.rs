//! Learns how jobs ended: from the store first, then from what they left, then from Slurm.

use super::book::TaskRef;
use super::layout::{self, Ending, JobResult};
use super::tuning::{self, Ended, Tuning, Verdict};
use super::{Cluster, Flight};
use crate::exec::job::Made;
use crate::exec::outcome::{ExecError, Outcome};
use crate::exec::record::unix_now;
use crate::exec::worker::Failure;
use crate::fsx;
use crate::plan::StageId;
use crate::slurm::{Listing, Row, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tacq_protocol::FailureKind;

impl Cluster<'_, '_, '_, '_> {
    /// Looks for results that jobs have left since the last time: one look at a folder per array.
    pub(super) fn collect(&mut self) -> Result<(), ExecError> {
        let mut arrays: BTreeMap<_, Vec<StageId>> = BTreeMap::new();
        for (&id, flight) in self.flights.iter().filter(|(_, flight)| flight.result.is_none()) {
            arrays.entry((flight.at.run.clone(), flight.at.array)).or_default().push(id);
        }
        for ((run, array), ids) in arrays {
            let folder = fsx::list_dir(&run.array(array)).map_err(|e| self.ledger.store_error(e))?;
            let ended: BTreeSet<u32> =
                folder.iter().filter_map(|path| layout::task_of_result(path)).collect();
            for id in ids {
                if self.flights.get(&id).is_some_and(|flight| ended.contains(&flight.at.task)) {
                    self.result(id)?;
                }
            }
        }
        // Artifacts that were said to be there and were not seen yet.
        let waiting: Vec<StageId> =
            self.flights.iter().filter(|(_, f)| f.over.is_some()).map(|(&id, _)| id).collect();
        for id in waiting {
            self.arrived(id)?;
        }
        Ok(())
    }

    /// Reads the result of a job.
    fn result(&mut self, id: StageId) -> Result<(), ExecError> {
        let at = self.flights[&id].at.clone();
        let path = layout::result_path(&at.run.job(at.array, at.task));
        let result: JobResult = match layout::read(&path) {
            Ok(result) => result,
            // A network file system may show the name before the file.
            Err(error) => {
                tracing::debug!("{error}");
                return Ok(());
            }
        };
        self.clock.hurry(Instant::now());
        // An engine, or a command, that was killed may have been killed for memory, and a job that ran out of time may get more: Slurm
        // knows which.
        let wait_for_slurm = match &result.ending {
            Ending::Failed { failure } => {
                let of_memory = [FailureKind::EngineDied, FailureKind::OutOfMemory, FailureKind::Command];
                of_memory.contains(&failure.kind)
            }
            _ => false,
        };
        let is_success = result.ending.is_success();
        if let Some(flight) = self.flights.get_mut(&id) {
            flight.result = Some(result);
            flight.over.get_or_insert_with(Instant::now);
        }
        match (is_success, wait_for_slurm) {
            (true, _) => self.arrived(id).map(drop),
            (false, true) => Ok(()),
            (false, false) => self.judge(id, None),
        }
    }

    /// Whether a stage's artifact is there; then it is done.
    fn arrived(&mut self, id: StageId) -> Result<bool, ExecError> {
        let stage = self.ledger.stage(id);
        let Some(key) = stage.key() else { return Ok(false) };
        if !self.ledger.sweep.store.has(stage.kind(), key) {
            return Ok(false);
        }
        // A damaged one is not there: its job computes it again.
        let Ok(Some(artifact)) = self.ledger.sweep.store.get(stage.kind(), key) else { return Ok(false) };
        let flight = self.flights.remove(&id);
        // It may have become ready a moment ago.
        self.ledger.frontier.take(id);
        self.clock.hurry(Instant::now());
        match flight.and_then(|flight| flight.result).map(|result| result.ending) {
            Some(Ending::Hit) => self.ledger.is_there(id),
            _ => self.ledger.computed(id, &Made::of(artifact)),
        }
        Ok(true)
    }

    /// Asks Slurm about all jobs at once.
    pub(super) fn ask(&mut self) -> Result<(), ExecError> {
        let mut listing = match self.slurm.queue() {
            Ok(listing) => listing,
            Err(error) => {
                self.silent(&error);
                self.clock.asked(false, Instant::now());
                return Ok(());
            }
        };
        self.answers();
        let mut changed = self.resolve(&listing)?;
        let is_complete = self.look_back(&mut listing);
        let ids: Vec<StageId> = self.flights.keys().copied().collect();
        for id in ids {
            // One that failed may have taken others with it; one without a number is found by its name.
            let Some(flight) = self.flights.get(&id).filter(|flight| self.book.id(&flight.at).is_some())
            else {
                continue;
            };
            changed |= match self.book.row(&listing, &flight.at) {
                Some(row) if !row.state.is_over() => self.alive(id, row),
                None if !is_complete => false,
                row => self.over(id, row)?,
            };
        }
        self.clock.asked(changed, Instant::now());
        Ok(())
    }

    /// Finds jobs whose numbers are not known; what did not come to be is submitted again.
    fn resolve(&mut self, listing: &Listing) -> Result<bool, ExecError> {
        // While another driver submits, its jobs without numbers are its own affair.
        let Some(_lock) = self.book.lock().map_err(|e| self.ledger.store_error(e))? else {
            return Ok(false);
        };
        self.book.refresh().map_err(|e| self.ledger.store_error(e))?;
        let grace = self.setup.pace.grace.as_secs();
        let resolved = self.book.resolve(listing, unix_now(), grace);
        let (found, lost) = resolved.map_err(|e| self.ledger.store_error(e))?;
        if lost > 0 {
            let ids: Vec<StageId> = self.flights.keys().copied().collect();
            for id in ids {
                if self.book.array(&self.flights[&id].at).is_none() && !self.arrived(id)? {
                    self.flights.remove(&id);
                    self.make_ready(id, Duration::ZERO);
                }
            }
        }
        Ok(found + lost > 0)
    }

    /// Adds what the accounting knows of jobs that the queue has forgotten; whether the list now says all there is.
    fn look_back(&mut self, listing: &mut Listing) -> bool {
        let is_forgotten = |flight: &&Flight| self.book.row(listing, &flight.at).is_none();
        let forgotten = self.flights.values().filter(is_forgotten);
        let forgotten: BTreeSet<_> =
            forgotten.filter_map(|flight| Some(self.book.id(&flight.at)?.job)).collect();
        let Some(limits) = self.limits else {
            // Asked for again with the next submission.
            self.limits = self.slurm.limits().ok();
            return forgotten.is_empty();
        };
        if forgotten.is_empty() || !limits.accounting {
            return true;
        }
        let arrays = self.flights.values().filter_map(|flight| self.book.array(&flight.at));
        let oldest = arrays.map(|array| array.intent.unix).min().unwrap_or_default();
        let age = Duration::from_secs(unix_now().saturating_sub(oldest) + 3600);
        match self.slurm.history(&forgotten.into_iter().collect::<Vec<_>>(), age) {
            Ok(history) => {
                listing.complete_with(history);
                true
            }
            Err(error) => {
                self.silent(&error);
                false
            }
        }
    }

    /// A job waits or runs; whether that is news.
    fn alive(&mut self, id: StageId, row: &Row) -> bool {
        let Some(flight) = self.flights.get_mut(&id) else { return false };
        flight.is_fresh = true;
        if flight.result.is_none() {
            flight.over = None;
        }
        if row.reason.to_lowercase().contains("held") && !std::mem::replace(&mut flight.is_held, true) {
            let (at, reason) = (flight.at.clone(), row.reason.clone());
            let task = self.book.id(&at).map(|task| task.to_string()).unwrap_or_default();
            self.notice(&format!(
                "Slurm holds job {task} ({reason}): `scontrol release {task}` lets it go on, scancel ends it"
            ));
        }
        let Some(flight) = self.flights.get_mut(&id) else { return false };
        let runs = row.state == crate::slurm::JobState::Running;
        let is_news = flight.is_running != runs;
        flight.is_running = runs;
        if is_news && runs {
            let device = self.ledger.options.settings.devices.first().copied();
            self.ledger.started(id, device);
        }
        is_news
    }

    /// A job is over, or Slurm does not know it. Its traces may need a while to be seen here.
    fn over(&mut self, id: StageId, row: Option<&Row>) -> Result<bool, ExecError> {
        let Some(flight) = self.flights.get_mut(&id) else { return Ok(false) };
        let is_new = flight.over.is_none();
        let since = *flight.over.get_or_insert_with(Instant::now);
        let is_clear = flight.result.as_ref().is_some_and(|result| !result.ending.is_success());
        if self.arrived(id)? {
            return Ok(true);
        }
        if is_clear && row.is_some() || since.elapsed() >= self.setup.pace.grace {
            self.judge(id, row)?;
            return Ok(true);
        }
        Ok(is_new)
    }

    /// Decides what the end of a job without an artifact means.
    fn judge(&mut self, id: StageId, row: Option<&Row>) -> Result<(), ExecError> {
        let flight = &self.flights[&id];
        let at = flight.at.clone();
        let Some(array) = self.book.array(&at) else { return Ok(()) };
        let (name, before) = (array.intent.name.clone(), array.intent.tuning.clone());
        let resources = self.resources(self.ledger.stage(id).kind());
        let ended = Ended {
            id: self.book.id(&at).map_or(name, |task: TaskId| task.to_string()),
            row,
            result: flight.result.as_ref(),
            last_words: last_line(&log_path(&at)),
            has_inputs: self.has_inputs(id),
            resources: &resources,
        };
        match tuning::judge(&ended, &before) {
            Verdict::Failed(failure) if !self.flights[&id].is_fresh => {
                // It ended while nobody looked; to run again is to try again.
                self.again(id, Tuning::default(), &failure)
            }
            Verdict::Failed(failure) => self.fail(id, failure),
            Verdict::Again(tuning, failure) => {
                if let Some(change) = tuning::changes(&before, &tuning, &resources) {
                    let label = self.ledger.stage(id).label.clone();
                    self.notice(&format!("{label} is submitted again {change}"));
                }
                self.again(id, tuning, &failure)
            }
            Verdict::NotYet => {
                self.settle(id, "not begun")?;
                self.make_ready(id, Duration::ZERO);
                Ok(())
            }
        }
    }

    fn again(&mut self, id: StageId, tuning: Tuning, failure: &Failure) -> Result<(), ExecError> {
        self.settle(id, &failure.message)?;
        self.tunings.insert(id, tuning);
        self.ledger.retrying(id, failure);
        self.make_ready(id, self.setup.pace.results());
        Ok(())
    }

    /// Lets a stage be submitted again. One whose inputs are not there is found by way of them.
    fn make_ready(&mut self, id: StageId, pause: Duration) {
        if self.ledger.frontier.taken().contains(&id) {
            self.ledger.frontier.postpone(id, Instant::now() + pause);
        }
    }

    /// A stage failed: what reads it is blocked, and taken out of the queue.
    pub(super) fn fail(&mut self, id: StageId, failure: Failure) -> Result<(), ExecError> {
        self.settle(id, &failure.message)?;
        self.ledger.frontier.take(id);
        self.ledger.failed(id, failure);
        let is_blocked =
            |id: &StageId| matches!(self.ledger.frontier.outcome(*id), Some(Outcome::Blocked { .. }));
        let blocked: Vec<StageId> = self.flights.keys().copied().filter(is_blocked).collect();
        let tasks: Vec<TaskId> = blocked.iter().filter_map(|id| self.book.id(&self.flights[id].at)).collect();
        // Slurm ends most of them itself, as it was told to.
        if let Err(error) = self.slurm.cancel(&tasks) {
            tracing::debug!("{error}");
        }
        blocked.into_iter().try_for_each(|id| self.settle(id, "blocked"))
    }
}

fn log_path(at: &TaskRef) -> std::path::PathBuf {
    at.run.log(at.array, at.task)
}

fn last_line(path: &Path) -> String {
    let bytes = fsx::read_if_exists(path).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    last.trim().chars().take(200).collect()
}
