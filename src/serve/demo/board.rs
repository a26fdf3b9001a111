//! Who waits for what: a queue, what runs, and what is done.

use super::choices::Choices;
use crate::exec::Interrupt;
use crate::serve::site::lock;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Jobs that may wait.
const MOST_WAITING: usize = 16;
/// Jobs whose state is remembered.
const MOST_KNOWN: usize = 200;

/// How a job stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    #[default]
    Waiting,
    Running,
    Done,
    Failed,
}

/// A stage of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Step {
    pub label: String,
    pub kind: String,
    /// `stored`, `waiting`, `running`, `done`, `failed`.
    pub state: &'static str,
    pub done: u64,
    pub total: u64,
    pub unit: String,
    /// Seconds that it took, when it was computed.
    pub secs: Option<f64>,
}

/// A job as visitors see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Job {
    pub id: String,
    pub state: Standing,
    /// Jobs that are done before it.
    pub before: usize,
    pub steps: Vec<Step>,
    pub problem: Option<String>,
    /// Seconds from being asked for to being done.
    pub secs: Option<f64>,
    /// Grows when there is more to see of it.
    pub version: u64,
    /// What is computed beside, after it was done.
    pub beside: Option<String>,
    #[serde(skip)]
    pub choices: Option<Choices>,
    #[serde(skip)]
    asked: Option<Instant>,
}

/// What is to be done next.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// What a visitor waits for.
    Asked(Choices),
    /// The methods that nobody waits for.
    Beside(Choices),
}

/// Why a job is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{MOST_WAITING} others wait already; try again in a minute")]
pub(super) struct Full;

/// Choices that somebody waits for.
struct Waiting {
    id: String,
    choices: Choices,
    /// Places, by who has them.
    visitors: BTreeSet<String>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    beside: Option<Choices>,
    /// What runs that nobody waits for, so that it makes room.
    runs_beside: Option<Arc<Interrupt>>,
    jobs: BTreeMap<String, Job>,
    /// Ids, the oldest first.
    order: VecDeque<String>,
}

/// Who waits for what.
pub(super) struct Board {
    state: Mutex<State>,
    wake: Condvar,
    changed: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), changed: watch::Sender::new(0) }
    }
}

impl Board {
    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A job as it is now.
    pub fn job(&self, id: &str) -> Option<Job> {
        let state = lock(&self.state);
        let mut job = state.jobs.get(id)?.clone();
        job.before = state.waiting.iter().position(|waiting| waiting.id == id).unwrap_or(0);
        Some(job)
    }

    /// Puts a job in the queue, unless it is there. A visitor has one place for choices and one for texts: what was asked for
    /// before gives way, unless somebody else waits for it, too.
    pub fn ask(&self, visitor: &str, choices: Choices) -> Result<Job, Full> {
        let id = choices.id();
        let place = format!("{visitor} {}", choices.prompt.is_some());
        let mut state = lock(&self.state);
        let is_running = state.jobs.get(&id).is_some_and(|job| job.state == Standing::Running);
        let is_waiting = state.waiting.iter().any(|waiting| waiting.id == id);
        let gives_way = state.waiting.iter().any(|waiting| waiting.visitors.iter().eq([&place]));
        if !is_running && !is_waiting && !gives_way && state.waiting.len() >= MOST_WAITING {
            return Err(Full);
        }
        if let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.id == id) {
            waiting.visitors.insert(place.clone());
        }
        state.leave(&place, &id);
        if !is_running && !is_waiting {
            let visitors = BTreeSet::from([place]);
            state.waiting.push_back(Waiting { id: id.clone(), choices: choices.clone(), visitors });
            let version = state.jobs.get(&id).map_or(0, |job| job.version);
            let (choices, asked) = (Some(choices), Some(Instant::now()));
            state.remember(Job { id: id.clone(), version, choices, asked, ..Job::default() });
            if let Some(interrupt) = &state.runs_beside {
                // Now, not soon: somebody waits, and what was computed in parts stays.
                interrupt.ask();
                interrupt.ask();
            }
        }
        drop(state);
        self.wake.notify_all();
        self.tell();
        Ok(self.job(&id).expect("it was just put there"))
    }

    /// Notes a job that was found to be done, or has more to show.
    pub fn note_done(&self, choices: &Choices, steps: Vec<Step>, secs: f64) -> Job {
        let id = choices.id();
        let mut state = lock(&self.state);
        let known = state.jobs.get(&id);
        let version = known.map_or(1, |job| job.version);
        let beside = known.and_then(|job| job.beside.clone());
        let (secs, choices) = (Some(secs), Some(choices.clone()));
        let job = Job { id, state: Standing::Done, steps, secs, version, beside, choices, ..Job::default() };
        state.remember(job.clone());
        drop(state);
        self.tell();
        job
    }

    /// Waits for something to do.
    pub fn next(&self) -> Task {
        let mut state = lock(&self.state);
        loop {
            state.runs_beside = None;
            if let Some(Waiting { choices, .. }) = state.waiting.pop_front() {
                return Task::Asked(choices);
            }
            if let Some(choices) = state.beside.take() {
                return Task::Beside(choices);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the other methods computed when there is time.
    pub fn later(&self, choices: Choices) {
        lock(&self.state).beside = Some(choices);
        self.wake.notify_all();
    }

    /// Whether what nobody waits for may begin; it is told when somebody does.
    pub fn may_run_beside(&self, interrupt: &Arc<Interrupt>) -> bool {
        let mut state = lock(&self.state);
        let may = state.waiting.is_empty() && state.beside.is_none();
        state.runs_beside = may.then(|| Arc::clone(interrupt));
        may
    }

    /// Changes a job.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Job)) {
        if let Some(job) = lock(&self.state).jobs.get_mut(id) {
            change(job);
        }
        self.tell();
    }

    /// Ends a job.
    pub fn end(&self, id: &str, problem: Option<String>) {
        self.change(id, |job| {
            job.state = if problem.is_some() { Standing::Failed } else { Standing::Done };
            job.problem = problem;
            job.version += 1;
            job.secs = job.asked.map(|asked| asked.elapsed().as_secs_f64());
        });
    }

    fn tell(&self) {
        self.changed.send_modify(|n| *n += 1);
    }
}

impl State {
    /// Gives a place up but for this job, and forgets what nobody waits for any more.
    fn leave(&mut self, place: &str, but: &str) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.id != but) {
            waiting.visitors.remove(place);
        }
        let left: Vec<String> =
            self.waiting.iter().filter(|w| w.visitors.is_empty()).map(|w| w.id.clone()).collect();
        self.waiting.retain(|waiting| !waiting.visitors.is_empty());
        for id in left {
            self.jobs.remove(&id);
            self.order.retain(|known| *known != id);
        }
    }

    fn remember(&mut self, job: Job) {
        self.order.retain(|id| *id != job.id);
        self.order.push_back(job.id.clone());
        self.jobs.insert(job.id.clone(), job);
        while self.order.len() > MOST_KNOWN {
            if let Some(id) = self.order.pop_front() {
                self.jobs.remove(&id);
            }
        }
    }
}

/// Pause between two pictures of a job.
pub(super) const PACE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::super::choices::some;
    use super::*;
    use crate::exec::Ending;

    fn with_seed(seed: u32) -> Choices {
        Choices { seed, ..some() }
    }

    #[test]
    fn a_visitor_has_one_place_and_the_queue_an_end() {
        let board = Board::default();
        board.ask("a", with_seed(0)).unwrap();
        board.ask("b", with_seed(1)).unwrap();
        board.ask("a", with_seed(2)).unwrap();
        assert_eq!(board.job(&with_seed(1).id()).unwrap().before, 0, "the first of a was given up");
        assert_eq!(board.job(&with_seed(2).id()).unwrap().before, 1);
        for n in 3..17 {
            board.ask(&n.to_string(), with_seed(n)).unwrap();
        }
        assert!(board.ask("late", with_seed(99)).is_err());
        assert!(board.ask("late", with_seed(5)).is_ok(), "what is waited for already is shared");
        board.ask("5", with_seed(1)).unwrap();
        assert_eq!(
            board.job(&with_seed(5).id()).unwrap().state,
            Standing::Waiting,
            "the other still waits for it"
        );
        board.ask("late", with_seed(6)).unwrap();
        assert_eq!(board.job(&with_seed(5).id()), None, "nobody does");
        board.ask("late", with_seed(5)).unwrap();
        assert_eq!(board.job(&with_seed(5).id()).unwrap().before, 15, "asked for again, it is the last");
        let Task::Asked(next) = board.next() else { panic!("somebody waits") };
        assert_eq!(next, with_seed(1));
    }

    #[test]
    fn what_nobody_waits_for_makes_room() {
        let board = Board::default();
        board.later(some());
        assert!(matches!(board.next(), Task::Beside(_)));
        let interrupt = Arc::new(Interrupt::default());
        assert!(board.may_run_beside(&interrupt));
        board.ask("a", with_seed(1)).unwrap();
        assert_eq!(interrupt.ending(), Ending::Now);
        assert!(!board.may_run_beside(&interrupt));
    }
}
