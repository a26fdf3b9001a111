//! Which stages can run now, in which order, and what the end of one means for the others: bookkeeping on the graph,
//! without files, workers or a clock of its own.

use super::estimate::Estimates;
use super::outcome::Outcome;
use super::worker::Failure;
use crate::plan::{Plan, StageId, StageState, States};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tacq_protocol::stage::DownloadParams;
use tacq_protocol::{StageKind, StageParams};

/// Who does a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The driver, on the spot: the digests of local files, which it knows already.
    Driver,
    /// The driver, on a thread of its own.
    Download,
    /// A worker, on the host: little work, and no device is faster at it.
    Host,
    /// A worker on the device.
    Device,
}

impl Class {
    /// Whose work a stage is.
    pub(super) fn of(params: &StageParams) -> Self {
        match params {
            StageParams::Download(DownloadParams::Local(_)) => Class::Driver,
            StageParams::Download(_) => Class::Download,
            _ if matches!(params.kind(), StageKind::Calibrate | StageKind::Select) => Class::Host,
            _ => Class::Device,
        }
    }
}

/// Seconds that stages of a kind take, as long as nothing better is known; only their proportions matter.
fn usual_secs(kind: StageKind) -> f64 {
    match kind {
        StageKind::Download => 30.0,
        StageKind::Calibrate | StageKind::Select => 1.0,
        StageKind::Quantize | StageKind::MixedQuantize => 60.0,
        StageKind::Gradients => 100.0,
        StageKind::Saliency => 20.0,
        StageKind::Evaluate | StageKind::Command => 30.0,
    }
}

/// The stages of a run between ready and done.
pub(super) struct Frontier {
    consumers: Vec<Vec<StageId>>,
    classes: Vec<Class>,
    /// Milliseconds that each stage is expected to take.
    length: Vec<u64>,
    /// Milliseconds from the start of a stage to the end of the longest chain that hangs on it.
    urgency: Vec<u64>,
    /// Milliseconds of all stages that have not ended.
    remaining: u64,
    outcomes: Vec<Option<Outcome>>,
    /// How many inputs of each stage are still to come.
    waiting_for: Vec<usize>,
    ready: BTreeMap<Class, BTreeSet<(Reverse<u64>, StageId)>>,
    /// Stages to look at again at some time.
    later: BTreeMap<StageId, Instant>,
    taken: BTreeSet<StageId>,
}

impl Frontier {
    /// The stages that are to run. Where nothing is known of what a stage takes, it is what is usual for its kind.
    pub(super) fn new(plan: &Plan, states: &States, estimates: &Estimates) -> Self {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(plan.stages.len());
        for (id, stage) in plan.stages.iter().enumerate() {
            // What reads a blocked stage is blocked by it; inputs come first.
            let by = stage.inputs.values().find(|i| matches!(outcomes[**i], Some(Outcome::Blocked { .. })));
            outcomes.push(match states.of(id) {
                StageState::Hit => Some(Outcome::Hit),
                StageState::Unneeded => Some(Outcome::Unneeded),
                StageState::Run | StageState::Remote => None,
                StageState::Blocked => Some(Outcome::Blocked { by: by.copied().unwrap_or(id) }),
            });
        }
        let open = |id: &StageId| outcomes[*id].is_none();
        let waiting_for: Vec<usize> =
            plan.stages.iter().map(|s| s.inputs.values().filter(|i| open(i)).count()).collect();
        let consumers = plan.consumers();
        let (mut length, mut urgency) = (vec![0; plan.stages.len()], vec![0; plan.stages.len()]);
        // Readers come after what they read.
        for id in (0..plan.stages.len()).rev().filter(open) {
            let behind = consumers[id].iter().map(|&reader| urgency[reader]).max().unwrap_or(0);
            let kind = plan.stages[id].kind();
            let secs = estimates.of(id).map_or_else(|| usual_secs(kind), |facts| facts.secs);
            length[id] = (secs.max(0.0) * 1000.0) as u64;
            urgency[id] = behind + length[id];
        }
        let classes = plan.stages.iter().map(|stage| Class::of(&stage.params)).collect();
        let mut frontier = Self {
            consumers,
            classes,
            remaining: length.iter().sum(),
            length,
            urgency,
            waiting_for,
            outcomes,
            ready: BTreeMap::new(),
            later: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        for id in 0..plan.stages.len() {
            if frontier.outcomes[id].is_none() && frontier.waiting_for[id] == 0 {
                frontier.make_ready(id);
            }
        }
        frontier
    }

    fn make_ready(&mut self, id: StageId) {
        self.ready.entry(self.classes[id]).or_default().insert((Reverse(self.urgency[id]), id));
    }

    /// The stages of a class that can run now, the most urgent first.
    pub(super) fn ready(&self, class: Class) -> impl Iterator<Item = StageId> + '_ {
        self.ready.get(&class).into_iter().flatten().map(|(_, id)| *id)
    }

    /// Milliseconds from the start of a stage to the end of the longest chain that hangs on it.
    pub(super) fn urgency(&self, id: StageId) -> u64 {
        self.urgency[id]
    }

    /// Milliseconds of all stages that have not ended.
    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Takes a ready stage: it runs now.
    pub(super) fn take(&mut self, id: StageId) {
        if let Some(ready) = self.ready.get_mut(&self.classes[id]) {
            ready.remove(&(Reverse(self.urgency[id]), id));
        }
        self.taken.insert(id);
    }

    /// Puts a stage that was taken off until a moment.
    pub(super) fn postpone(&mut self, id: StageId, until: Instant) {
        self.taken.remove(&id);
        self.later.insert(id, until);
    }

    /// Makes ready what was put off until now.
    pub(super) fn wake(&mut self, now: Instant) {
        let due: Vec<_> = self.later.iter().filter(|(_, at)| **at <= now).map(|(&id, _)| id).collect();
        for id in due {
            self.later.remove(&id);
            self.make_ready(id);
        }
    }

    /// How long there may be nothing to do but wait, at most so long: until [`Self::wake`] has something to do.
    pub(super) fn patience(&self, now: Instant, longest: Duration) -> Duration {
        let wake = self.later.values().min();
        wake.map_or(longest, |at| at.saturating_duration_since(now).min(longest))
    }

    /// Ends a stage. If it is available now, what waited for it alone is ready.
    pub(super) fn finish(&mut self, id: StageId, outcome: Outcome) {
        self.taken.remove(&id);
        self.remaining = self.remaining.saturating_sub(self.length[id]);
        let available = matches!(outcome, Outcome::Hit | Outcome::Computed { .. });
        self.outcomes[id] = Some(outcome);
        if !available {
            return;
        }
        for consumer in self.consumers[id].clone() {
            self.waiting_for[consumer] = self.waiting_for[consumer].saturating_sub(1);
            if self.waiting_for[consumer] == 0 && self.outcomes[consumer].is_none() {
                self.make_ready(consumer);
            }
        }
    }

    /// Ends a stage as failed; all that reads it is blocked.
    pub(super) fn fail(&mut self, id: StageId, failure: Failure) {
        self.finish(id, Outcome::Failed(failure));
        let mut stack = self.consumers[id].clone();
        while let Some(consumer) = stack.pop() {
            if self.outcomes[consumer].is_none() {
                self.outcomes[consumer] = Some(Outcome::Blocked { by: id });
                self.remaining = self.remaining.saturating_sub(self.length[consumer]);
                stack.extend(&self.consumers[consumer]);
            }
        }
    }

    /// Whether something waits to be run, now or later.
    pub(super) fn has_work(&self) -> bool {
        !self.later.is_empty() || self.ready.values().any(|ready| !ready.is_empty())
    }

    /// Stages that run.
    pub(super) fn taken(&self) -> &BTreeSet<StageId> {
        &self.taken
    }

    /// How a stage ended, if it has.
    pub(super) fn outcome(&self, id: StageId) -> Option<&Outcome> {
        self.outcomes[id].as_ref()
    }

    /// How all stages ended; those that have not are cancelled.
    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Cancelled)).collect()
    }
}
