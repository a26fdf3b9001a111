//! What of a plan is there already, what has to run, and what cannot.

use super::graph::{Plan, Stage, StageId};
use crate::stage_key::StageKey;
use crate::store::Store;
use rayon::prelude::*;
use std::collections::BTreeSet;
use tacq_protocol::StageKind;

/// Where a stage stands before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// Its artifact is in the store.
    Hit,
    /// Its artifact is in the remote store, and is fetched.
    Remote,
    /// It has to be computed.
    Run,
    /// It is missing, and nothing that has to be computed needs it.
    Unneeded,
    /// It rests on a source that is missing or unusable.
    Blocked,
}

/// What computing a stage took.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Facts {
    /// Seconds.
    pub secs: f64,
    /// Bytes of its artifact.
    pub bytes: u64,
}

/// The state of every stage of a plan.
#[derive(Debug, Clone)]
pub struct States {
    states: Vec<StageState>,
    /// What computing the stages that are there once took.
    facts: Vec<Option<Facts>>,
    /// Seconds that computing what is there once took.
    hit_secs: f64,
    complete: bool,
}

impl States {
    /// Looks every stage up, then follows what is wanted through what is missing: an intermediate whose readers
    /// are all hits is not rebuilt.
    pub fn look_up(plan: &Plan, store: &Store, wanted: &[StageId]) -> Self {
        let facts: Vec<Option<Facts>> = plan.stages.par_iter().map(|stage| facts_of(stage, store)).collect();
        let present: Vec<bool> = facts.iter().map(Option::is_some).collect();
        let mut states = Self::from_presence(plan, &present, wanted);
        states.hit_secs = facts.iter().flatten().fold(0.0, |sum, facts| sum + facts.secs);
        states.facts = facts;
        states
    }

    /// States, given which artifacts are there and which are wanted.
    pub fn from_presence(plan: &Plan, present: &[bool], wanted: &[StageId]) -> Self {
        let states: Vec<StageState> = plan
            .stages
            .iter()
            .zip(present)
            .map(|(stage, &there)| match (there, stage.key()) {
                (true, _) => StageState::Hit,
                (false, None) => StageState::Blocked,
                (false, Some(_)) => StageState::Unneeded,
            })
            .collect();
        Self { states, facts: Vec::new(), hit_secs: 0.0, complete: true }.follow(
            plan,
            &BTreeSet::new(),
            wanted,
        )
    }

    /// The same states, but what is in the remote store is not computed: it is fetched where it is wanted, or where a
    /// stage that has to be computed reads it.
    pub fn with_remote(mut self, plan: &Plan, there: &BTreeSet<StageKey>, wanted: &[StageId]) -> Self {
        for state in &mut self.states {
            if matches!(state, StageState::Run | StageState::Remote) {
                *state = StageState::Unneeded;
            }
        }
        self.follow(plan, there, wanted)
    }

    /// Follows what is wanted through what is missing.
    fn follow(mut self, plan: &Plan, there: &BTreeSet<StageKey>, wanted: &[StageId]) -> Self {
        let mut stack = wanted.to_vec();
        self.complete = true;
        while let Some(id) = stack.pop() {
            let stage = &plan.stages[id];
            self.complete &= self.states[id] == StageState::Hit;
            if self.states[id] != StageState::Unneeded {
                continue;
            }
            if stage.key().is_some_and(|key| there.contains(key)) {
                self.states[id] = StageState::Remote;
            } else {
                self.states[id] = StageState::Run;
                stack.extend(stage.inputs.values());
            }
        }
        self
    }

    /// Whether an artifact that was there has gone meanwhile.
    pub fn is_stale(&self, plan: &Plan, store: &Store) -> bool {
        let hits: Vec<StageId> = self.in_state(StageState::Hit).collect();
        hits.par_iter().any(|&id| {
            let stage = &plan.stages[id];
            stage.key().is_some_and(|key| !store.has(stage.kind(), key))
        })
    }

    /// Seconds that computing what is there once took.
    pub fn hit_secs(&self) -> f64 {
        self.hit_secs
    }

    /// What computing a stage that is there once took.
    pub fn facts(&self, id: StageId) -> Option<Facts> {
        self.facts.get(id).copied().flatten()
    }

    /// The state of one stage.
    pub fn of(&self, id: StageId) -> StageState {
        self.states[id]
    }

    /// The stages in a state, inputs first.
    pub fn in_state(&self, state: StageState) -> impl Iterator<Item = StageId> + '_ {
        self.states.iter().enumerate().filter(move |(_, s)| **s == state).map(|(id, _)| id)
    }

    /// How many stages of a kind are in a state.
    pub fn count(&self, plan: &Plan, kind: StageKind, state: StageState) -> usize {
        self.in_state(state).filter(|&id| plan.stages[id].kind() == kind).count()
    }

    /// Whether all that is wanted is there.
    pub fn complete(&self) -> bool {
        self.complete
    }
}

/// What computing a stage took, if its artifact is there and whole.
fn facts_of(stage: &Stage, store: &Store) -> Option<Facts> {
    match store.glance(stage.kind(), stage.key()?) {
        Ok(found) => found.map(|seen| Facts { secs: seen.wall_secs, bytes: seen.bytes }),
        Err(error) => {
            tracing::warn!("{}: {error}", stage.label);
            None
        }
    }
}
