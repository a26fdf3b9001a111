//! Execution on a Slurm cluster: each stage is a job that computes and commits it by itself.
//!
//! The store is the truth: a stage is done when its artifact is there. A job's result, written last and by rename, says
//! how it ended; Slurm's states are hints, asked for seldom, and a controller that does not answer changes nothing.
//! Stages are submitted before what they read is there, as jobs that depend on jobs, so that the cluster goes on while
//! no driver runs. A journal, written before and after each submission, lets the next driver take them over.

mod book;
mod cancel;
mod job;
mod journal;
mod layout;
mod pace;
mod submit;
mod tuning;
mod watch;

pub use cancel::{Cancelled, cancel};
pub use job::{JobEnd, JobSignals, run_job};
pub use pace::Pace;

use super::frontier::Class;
use super::interrupt::{Ending, Interrupt};
use super::ledger::Ledger;
use super::local::{self, Message, Pool};
use super::observer::RunEvent;
use super::outcome::{ExecError, Outcome};
use super::worker::Launcher;
use crate::plan::StageId;
use crate::slurm::{JobState, Limits, Slurm, SlurmError};
use book::{Book, TaskRef};
use layout::JobResult;
use pace::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tuning::Tuning;

/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(100);

/// What a run on a cluster needs beside its plan.
#[derive(Debug)]
pub struct ClusterSetup {
    /// Name of the experiment, under which its jobs are found again.
    pub experiment: String,
    /// This program, as the nodes see it.
    pub driver: PathBuf,
    /// The engine, as the nodes see it.
    pub engine: PathBuf,
    /// How often Slurm is asked.
    pub pace: Pace,
}

/// A stage that is queued or runs.
struct Flight {
    at: TaskRef,
    /// Whether it was seen alive, or submitted, by this driver.
    is_fresh: bool,
    is_running: bool,
    /// Whether it was said that it is held.
    is_held: bool,
    /// Since when Slurm or the job says that it is over.
    over: Option<Instant>,
    result: Option<JobResult>,
}

impl Flight {
    fn new(at: TaskRef, is_fresh: bool) -> Self {
        Self { at, is_fresh, is_running: false, is_held: false, over: None, result: None }
    }
}

/// Runs all that is to run; returns early when interrupted, and leaves the jobs to the cluster then.
pub(super) fn drive(
    ledger: &mut Ledger<'_>,
    setup: &ClusterSetup,
    slurm: &mut Slurm,
    launcher: &dyn Launcher,
    interrupt: &Interrupt,
) -> Result<(), ExecError> {
    let stopping = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (sender, messages) = mpsc::channel();
        let settings = &ledger.options.settings;
        let pool = Pool::new(scope, settings, launcher, ledger.sweep.hub, &stopping, sender);
        let now = Instant::now();
        let pace = TICK.min(setup.pace.results());
        let mut cluster = Cluster {
            book: Book::open(ledger.sweep.store, &setup.experiment).map_err(|e| ledger.store_error(e))?,
            ledger,
            setup,
            slurm,
            pool,
            flights: BTreeMap::new(),
            tunings: BTreeMap::new(),
            clock: Clock::new(setup.pace, now),
            results_at: now,
            refused_until: None,
            limits: None,
            is_silent: false,
            is_withdrawn: false,
        };
        cluster.adopt()?;
        loop {
            if interrupt.ending() > Ending::None && !stopping.swap(true, Ordering::Relaxed) {
                cluster.leave();
            }
            cluster.ledger.tick();
            if !stopping.load(Ordering::Relaxed) {
                cluster.round()?;
            }
            let is_over = cluster.pool.is_idle()
                && (stopping.load(Ordering::Relaxed)
                    || (cluster.flights.is_empty()
                        && (cluster.ledger.halted || !cluster.ledger.frontier.has_work())));
            if is_over {
                return Ok(());
            }
            match messages.recv_timeout(cluster.ledger.frontier.patience(Instant::now(), pace)) {
                Ok(message) => cluster.receive(message, interrupt.ending())?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    })
}

struct Cluster<'l, 'a, 'scope, 'env> {
    ledger: &'l mut Ledger<'a>,
    setup: &'l ClusterSetup,
    slurm: &'l mut Slurm,
    pool: Pool<'scope, 'env>,
    book: Book,
    flights: BTreeMap<StageId, Flight>,
    tunings: BTreeMap<StageId, Tuning>,
    clock: Clock,
    /// When results are looked for next.
    results_at: Instant,
    /// Until when nothing is submitted, because Slurm accepts no more for now.
    refused_until: Option<Instant>,
    limits: Option<Limits>,
    /// Whether Slurm did not answer the last time.
    is_silent: bool,
    /// Whether what had not begun was taken out of the queue.
    is_withdrawn: bool,
}

impl Cluster<'_, '_, '_, '_> {
    /// Looks at what ended, asks Slurm if it is time, starts what can start.
    fn round(&mut self) -> Result<(), ExecError> {
        let now = Instant::now();
        let is_due = now >= self.results_at;
        if is_due {
            self.results_at = now + self.setup.pace.results();
            self.collect()?;
        }
        if !self.flights.is_empty() && self.clock.is_due(now) {
            self.ask()?;
        }
        self.ledger.frontier.wake(now);
        local::by_the_driver(self.ledger, &mut self.pool)?;
        match self.ledger.halted {
            true => self.withdraw(),
            false if is_due => self.submit(),
            false => Ok(()),
        }
    }

    fn receive(&mut self, message: Message, ending: Ending) -> Result<(), ExecError> {
        local::receive(self.ledger, &mut self.pool, message, ending)
    }

    /// Takes over what earlier or other drivers submitted and nobody accounted for.
    fn adopt(&mut self) -> Result<(), ExecError> {
        let open: BTreeMap<_, StageId> = (0..self.ledger.sweep.plan.stages.len())
            .filter(|&id| self.is_open(id))
            .filter_map(|id| Some((*self.ledger.stage(id).key()?, id)))
            .collect();
        let found: Vec<(TaskRef, StageId)> =
            self.book.open_tasks().filter_map(|(task, key)| Some((task, *open.get(&key)?))).collect();
        let mut adopted = 0;
        // The newest last: it is the one that counts.
        for (task, id) in found {
            let is_new = !self.flights.contains_key(&id);
            adopted += usize::from(is_new);
            self.flights.insert(id, Flight::new(task, false));
        }
        if adopted > 0 {
            let jobs =
                if adopted == 1 { "1 job that was".to_owned() } else { format!("{adopted} jobs that were") };
            self.notice(&format!("taking over {jobs} submitted before"));
            self.clock.hurry(Instant::now());
        }
        Ok(())
    }

    /// Whether a stage is for the cluster, and neither ended nor under way.
    fn is_open(&self, id: StageId) -> bool {
        self.ledger.frontier.outcome(id).is_none()
            && matches!(Class::of(&self.ledger.stage(id).params), Class::Host | Class::Device)
            && !self.flights.contains_key(&id)
    }

    /// Whether all that a stage reads is there.
    fn has_inputs(&self, id: StageId) -> bool {
        let is_there = |input| {
            matches!(self.ledger.frontier.outcome(input), Some(Outcome::Hit | Outcome::Computed { .. }))
        };
        self.ledger.stage(id).inputs.values().all(|&input| is_there(input))
    }

    /// Ends watching; jobs go on.
    fn leave(&mut self) {
        self.ledger.halted = true;
        if self.flights.is_empty() {
            return;
        }
        let n = self.flights.len();
        let jobs = if n == 1 {
            "1 job stays in Slurm and goes on".to_owned()
        } else {
            format!("{n} jobs stay in Slurm and go on")
        };
        self.notice(&format!(
            "{jobs}; run again to come back to them, or end them with `tacq-sweep cancel` and the experiment file"
        ));
    }

    /// After a failure that ends the run: what has not begun is taken out of the queue.
    fn withdraw(&mut self) -> Result<(), ExecError> {
        if self.is_withdrawn || self.flights.is_empty() {
            return Ok(());
        }
        let listing = match self.slurm.queue() {
            Ok(listing) => listing,
            Err(error) => {
                self.silent(&error);
                return Ok(());
            }
        };
        self.is_withdrawn = true;
        let waits = |flight: &Flight| {
            let row = self.book.row(&listing, &flight.at);
            row.is_some_and(|row| row.state == JobState::Pending)
        };
        let waiting: Vec<StageId> =
            self.flights.iter().filter(|(_, f)| waits(f)).map(|(&id, _)| id).collect();
        let ids: Vec<_> = waiting.iter().filter_map(|id| self.book.id(&self.flights[id].at)).collect();
        if let Err(error) = self.slurm.cancel(&ids) {
            tracing::warn!("{error}");
        }
        for id in waiting {
            self.settle(id, "withdrawn")?;
            self.ledger.frontier.take(id);
            self.ledger.cancelled(id);
        }
        Ok(())
    }

    /// Writes down that a flight was accounted for, and forgets it.
    fn settle(&mut self, id: StageId, how: &str) -> Result<(), ExecError> {
        if let Some(flight) = self.flights.remove(&id) {
            self.book.settled(&flight.at, how).map_err(|e| self.ledger.store_error(e))?;
        }
        Ok(())
    }

    /// Slurm did not answer: nothing is known, and nothing is concluded.
    fn silent(&mut self, error: &SlurmError) {
        tracing::warn!("{error}");
        if !std::mem::replace(&mut self.is_silent, true) {
            self.notice(&format!("{error}; its jobs go on meanwhile, and it will be asked again"));
        }
    }

    fn answers(&mut self) {
        if std::mem::replace(&mut self.is_silent, false) {
            self.notice("Slurm answers again");
        }
    }

    fn notice(&mut self, message: &str) {
        tracing::info!("{message}");
        self.ledger.observer.on(&RunEvent::Notice { message });
    }
}
