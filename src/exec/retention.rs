//! What a run removes as it goes on: artifacts that the experiment does not keep, once nothing of the run reads them.

use super::outcome::Outcome;
use crate::plan::{Plan, StageId, StageState, States};
use crate::spec::retention::Keep;
use crate::store::{Pins, Removal, Store};
use std::collections::BTreeSet;

/// How much was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Artifacts.
    pub count: usize,
    /// Their bytes on disk.
    pub bytes: u64,
}

impl Removed {
    /// Counts more.
    pub fn add(&mut self, other: Removed) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// What of a plan's artifacts goes, and when.
#[derive(Debug)]
pub struct Retention<'a> {
    plan: &'a Plan,
    store: &'a Store,
    keep: &'a Keep,
    /// Asked for by name: they stay whatever their kind.
    wanted: BTreeSet<StageId>,
    readers: Vec<Vec<StageId>>,
    /// Not part of this run, which was asked for less, but of the experiment: another run will compute it.
    is_open: Vec<bool>,
    /// The run's own, which do not protect from itself.
    pins: &'a Pins,
}

impl<'a> Retention<'a> {
    /// None if all stays.
    pub fn new(
        (plan, states): (&'a Plan, &States),
        store: &'a Store,
        keep: &'a Keep,
        wanted: &[StageId],
        pins: &'a Pins,
    ) -> Option<Self> {
        if *keep == Keep::All {
            return None;
        }
        let readers = plan.consumers();
        let mut is_open = vec![false; plan.stages.len()];
        for id in plan.sinks() {
            is_open[id] = states.of(id) == StageState::Unneeded;
        }
        // Readers come after what they read.
        for id in (0..plan.stages.len()).rev() {
            let is_missing = states.of(id) == StageState::Unneeded;
            is_open[id] |= is_missing && readers[id].iter().any(|&reader| is_open[reader]);
        }
        let wanted = wanted.iter().copied().collect();
        Some(Self { plan, store, keep, wanted, readers, is_open, pins })
    }

    /// Removes all that the run needs no more; what could not go while it went on, because it was still being pushed or
    /// the job that read it had not quite ended, goes now.
    pub fn rest(&self, outcomes: &[Outcome]) -> Removed {
        let outcome = |id| outcomes.get(id);
        let spent = (0..self.plan.stages.len()).filter(|&id| self.is_spent(id, &outcome)).collect();
        self.remove(spent).0
    }

    /// Removes artifacts; those that cannot go now are the second answer.
    pub(super) fn remove(&self, ids: BTreeSet<StageId>) -> (Removed, BTreeSet<StageId>) {
        let (mut removed, mut left) = (Removed::default(), BTreeSet::new());
        for id in ids {
            let stage = &self.plan.stages[id];
            let Some(key) = stage.key().filter(|key| self.store.has(stage.kind(), key)) else { continue };
            if self.store.is_unpushed(stage.kind(), key) {
                left.insert(id);
                continue;
            }
            match self.store.remove(stage.kind(), key, Some(self.pins)) {
                Ok(Removal::Removed { bytes }) => {
                    tracing::info!(stage = %stage.label, bytes, "removed: nothing of this run reads it any more");
                    removed.add(Removed { count: 1, bytes });
                }
                Ok(Removal::Absent) => {}
                Ok(Removal::Reserved | Removal::InUse) => _ = left.insert(id),
                // It only takes up room.
                Err(error) => tracing::warn!(stage = %stage.label, "not removed: {error}"),
            }
        }
        (removed, left)
    }

    /// Whether this run read or made it, and is done with it. A reader that failed will read it again.
    pub(super) fn is_spent<'o>(&self, id: StageId, outcome: &dyn Fn(StageId) -> Option<&'o Outcome>) -> bool {
        let is_there = |id| matches!(outcome(id), Some(Outcome::Hit | Outcome::Computed { .. }));
        let is_done =
            |id: StageId| is_there(id) || matches!(outcome(id), Some(Outcome::Unneeded)) && !self.is_open[id];
        let readers = &self.readers[id];
        !self.keep.keeps(self.plan.stages[id].kind())
            && !self.wanted.contains(&id)
            && is_there(id)
            && readers.iter().all(|&reader| is_done(reader))
            && readers.iter().any(|&reader| matches!(outcome(reader), Some(Outcome::Computed { .. })))
    }
}
