//! What a run removes as it goes on: artifacts that the experiment does not keep, once nothing of the run reads them.

use super::outcome::Outcome;
use crate::plan::{Plan, StageId};
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
    /// The run's own, which do not protect from itself.
    pins: &'a Pins,
}

impl<'a> Retention<'a> {
    /// None if all stays.
    pub fn new(
        plan: &'a Plan,
        store: &'a Store,
        keep: &'a Keep,
        wanted: &[StageId],
        pins: &'a Pins,
    ) -> Option<Self> {
        let wanted = wanted.iter().copied().collect();
        (*keep != Keep::All).then(|| Self { plan, store, keep, wanted, readers: plan.consumers(), pins })
    }

    /// Removes what a stage read, as far as the run needs it no more. To be called when the stage has ended well.
    pub(super) fn after<'o>(&self, id: StageId, outcome: &dyn Fn(StageId) -> Option<&'o Outcome>) -> Removed {
        self.remove(self.plan.stages[id].inputs.values().copied().collect(), outcome)
    }

    /// Removes all that the run needs no more; what could not go while it went on, because it was still being pushed or
    /// the job that read it had not quite ended, goes now.
    pub fn rest(&self, outcomes: &[Outcome]) -> Removed {
        self.remove((0..self.plan.stages.len()).collect(), &|id| outcomes.get(id))
    }

    fn remove<'o>(
        &self,
        ids: BTreeSet<StageId>,
        outcome: &dyn Fn(StageId) -> Option<&'o Outcome>,
    ) -> Removed {
        let mut removed = Removed::default();
        for id in ids.into_iter().filter(|&id| self.is_spent(id, outcome)) {
            let stage = &self.plan.stages[id];
            let Some(key) = stage.key().filter(|key| !self.store.is_unpushed(stage.kind(), key)) else {
                continue;
            };
            match self.store.remove(stage.kind(), key, Some(self.pins)) {
                Ok(Removal::Removed { bytes }) => {
                    tracing::info!(stage = %stage.label, bytes, "removed: nothing of this run reads it any more");
                    removed.add(Removed { count: 1, bytes });
                }
                Ok(Removal::Absent | Removal::Reserved | Removal::InUse) => {}
                // It only takes up room.
                Err(error) => tracing::warn!(stage = %stage.label, "not removed: {error}"),
            }
        }
        removed
    }

    /// Whether this run read or made it, and is done with it. A reader that failed will read it again.
    fn is_spent<'o>(&self, id: StageId, outcome: &dyn Fn(StageId) -> Option<&'o Outcome>) -> bool {
        let is_there = |id| matches!(outcome(id), Some(Outcome::Hit | Outcome::Computed { .. }));
        let is_done = |id| is_there(id) || matches!(outcome(id), Some(Outcome::Unneeded));
        let readers = &self.readers[id];
        !self.keep.keeps(self.plan.stages[id].kind())
            && !self.wanted.contains(&id)
            && is_there(id)
            && readers.iter().all(|&reader| is_done(reader))
            && readers.iter().any(|&reader| matches!(outcome(reader), Some(Outcome::Computed { .. })))
    }
}
