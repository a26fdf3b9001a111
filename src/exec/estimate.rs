//! What stages that are to run will take, from what like ones took.

use super::record::{PastRun, StageRecord};
use crate::digest::{Digest, canonical_json};
use crate::plan::{Facts, Plan, Stage, StageId, StageState, States};
use crate::stage_key::StageKey;
use crate::store::Store;
use serde_json::Value;
use std::collections::BTreeMap;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::role;
use tacq_protocol::units::Device;

/// Runs that are looked through, the newest.
const RUNS: usize = 50;

/// What like stages took; from the nearest likeness of which anything is known.
#[derive(Debug, Default)]
pub struct Estimates {
    /// Of each stage of the plan that is to run; none where nothing like it ever ran.
    stages: Vec<Option<Facts>>,
}

/// What is expected of all stages that are to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Expected {
    /// Seconds of all stages together.
    pub secs: f64,
    /// Seconds of those on a GPU, if the run has any.
    pub gpu_secs: f64,
    /// Seconds from start to end: no less than the longest chain, nor than the work shared by all devices.
    pub wall_secs: f64,
    /// Bytes of their artifacts.
    pub bytes: u64,
    /// Stages of which nothing is known.
    pub unknown: usize,
}

/// What makes stages like each other, from much to little.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// Kind, parameters but for seeds, and base model.
    Parameters(StageKind, Digest, Option<StageKey>),
    /// Kind and base model.
    Model(StageKind, Option<StageKey>),
    /// Kind.
    Kind(StageKind),
}

impl Likeness {
    fn all(plan: &Plan, stage: &Stage) -> Vec<Likeness> {
        let kind = stage.kind();
        let model = stage.inputs.get(role::MODEL).and_then(|&id| plan.stages[id].key().copied());
        let mut params =
            serde_json::to_value(&stage.params).expect("stage parameters serialize without error");
        drop_seeds(&mut params);
        let params = Digest::of(canonical_json(&params).as_bytes());
        let exact = Likeness::Parameters(kind, params, model);
        // Two commands of the user's have nothing in common.
        match kind {
            StageKind::Command => vec![exact],
            _ => vec![exact, Likeness::Model(kind, model), Likeness::Kind(kind)],
        }
    }
}

fn drop_seeds(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("seed");
            map.values_mut().for_each(drop_seeds);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_seeds),
        _ => {}
    }
}

impl Estimates {
    /// Looks at what this plan's artifacts took, and at the records of earlier runs; only if something is to run.
    pub fn new(plan: &Plan, states: &States, store: &Store) -> Self {
        let to_run: Vec<StageId> = states.in_state(StageState::Run).collect();
        if to_run.is_empty() {
            return Self::default();
        }
        let mut by_key: BTreeMap<StageKey, Facts> = BTreeMap::new();
        for run in PastRun::all(store).take(RUNS) {
            for record in run.stages().into_iter().filter(is_whole) {
                let facts = Facts { secs: record.wall_secs, bytes: record.bytes };
                by_key.entry(record.key).or_insert(facts);
            }
        }
        let mut known: BTreeMap<Likeness, Vec<Facts>> = BTreeMap::new();
        for (id, stage) in plan.stages.iter().enumerate() {
            let of_past = || stage.key().and_then(|key| by_key.remove(key));
            let Some(facts) = states.facts(id).or_else(of_past) else { continue };
            for likeness in Likeness::all(plan, stage) {
                known.entry(likeness).or_default().push(facts);
            }
        }
        let mut stages = vec![None; plan.stages.len()];
        for id in to_run {
            let likenesses = Likeness::all(plan, &plan.stages[id]);
            stages[id] =
                likenesses.iter().find_map(|likeness| known.get(likeness)).map(|found| median(found));
        }
        Self { stages }
    }

    /// What one stage is expected to take.
    pub fn of(&self, id: StageId) -> Option<Facts> {
        self.stages.get(id).copied().flatten()
    }

    /// What the stages that are to run are expected to take together on these devices.
    pub fn expected(&self, plan: &Plan, states: &States, devices: &[Device]) -> Expected {
        let has_gpu = devices.iter().any(|device| matches!(device, Device::Cuda(_)));
        let mut expected = Expected::default();
        let mut chain = vec![0.0_f64; plan.stages.len()];
        for id in states.in_state(StageState::Run) {
            let stage = &plan.stages[id];
            let before = stage.inputs.values().map(|&input| chain[input]).fold(0.0, f64::max);
            let Some(facts) = self.of(id) else {
                expected.unknown += usize::from(stage.kind() != StageKind::Download);
                chain[id] = before;
                continue;
            };
            chain[id] = before + facts.secs;
            expected.secs += facts.secs;
            expected.bytes += facts.bytes;
            if has_gpu
                && !matches!(stage.kind(), StageKind::Download | StageKind::Calibrate | StageKind::Select)
            {
                expected.gpu_secs += facts.secs;
            }
        }
        let shared = expected.secs / devices.len().max(1) as f64;
        expected.wall_secs = chain.into_iter().fold(shared, f64::max);
        expected
    }
}

/// Whether a record tells what the whole stage takes.
fn is_whole(record: &StageRecord) -> bool {
    record.failure.is_none() && !record.resumed
}

/// The median of each fact.
fn median(found: &[Facts]) -> Facts {
    let mut secs: Vec<f64> = found.iter().map(|facts| facts.secs).collect();
    let mut bytes: Vec<u64> = found.iter().map(|facts| facts.bytes).collect();
    secs.sort_by(f64::total_cmp);
    bytes.sort_unstable();
    Facts { secs: secs[secs.len() / 2], bytes: bytes[bytes.len() / 2] }
}
