//! The store's results as rows, one per trial, task and metric.

use super::{Coordinates, NO_METHOD, Row};
use crate::plan::{Plan, PlannedTrial, StageId};
use crate::spec::experiment::{Experiment, Method};
use crate::spec::model_names;
use crate::store::{Store, StoreError};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::{CheckpointSummary, Metrics, file};

/// Bits of a weight of the model itself.
const BASELINE_BITS: u8 = 16;

/// Rows of all trials whose results are in the store, in the experiment's order. Each artifact is read once.
pub fn collect(experiment: &Experiment, plan: &Plan, store: &Store) -> Result<Vec<Row>, StoreError> {
    let has_metrics = |id: &StageId| match &plan.stages[*id].params {
        StageParams::Command(command) => command.metrics.is_some(),
        _ => true,
    };
    let scored = plan.sinks().into_iter().filter(has_metrics).collect();
    let metrics: BTreeMap<StageId, Metrics> = read_all(plan, store, scored, file::METRICS)?;
    let mut checkpoints: Vec<StageId> = plan.trials.iter().filter_map(|t| t.checkpoint).collect();
    checkpoints.sort_unstable();
    checkpoints.dedup();
    let sizes: BTreeMap<StageId, CheckpointSummary> =
        read_all(plan, store, checkpoints, file::CHECKPOINT_SUMMARY)?;
    let models = model_names(experiment);
    let mut rows = Vec::new();
    for planned in &plan.trials {
        for (task, id) in &planned.evaluations {
            let Some(found) = metrics.get(id) else { continue };
            let size = planned.checkpoint.and_then(|id| sizes.get(&id));
            for (metric, &value) in &found.metrics {
                rows.push(Row {
                    trial: coordinates(experiment, planned, &models),
                    avg_bits: size.map(|size| size.avg_bits),
                    bytes_on_disk: size.map(|size| size.bytes),
                    task: task.clone(),
                    metric: metric.clone(),
                    value,
                    low: found.intervals.get(metric).map(|ends| ends[0]),
                    high: found.intervals.get(metric).map(|ends| ends[1]),
                    n_examples: found.n_examples,
                    seed: planned.trial.seed.map(|s| s.get()),
                    stage_key_evaluate: key(plan, *id),
                    stage_key_checkpoint: planned.checkpoint.map(|id| key(plan, id)),
                });
            }
        }
    }
    Ok(rows)
}

/// What each trial of a plan is, in its order.
pub fn trial_coordinates(experiment: &Experiment, plan: &Plan) -> Vec<Coordinates> {
    let models = model_names(experiment);
    plan.trials.iter().map(|planned| coordinates(experiment, planned, &models)).collect()
}

fn key(plan: &Plan, id: StageId) -> String {
    plan.stages[id].key().map(ToString::to_string).unwrap_or_default()
}

fn coordinates(experiment: &Experiment, planned: &PlannedTrial, models: &[String]) -> Coordinates {
    let trial = &planned.trial;
    let method = trial.method.as_ref();
    let tacq = method.and_then(|m| match m {
        Method::Tacq(tacq) => Some(tacq),
        Method::Quantizer(_) => None,
    });
    Coordinates {
        experiment: experiment.name.clone(),
        model: models[trial.model].clone(),
        condition_on: trial.condition_on.clone(),
        method: method.map_or(NO_METHOD, Method::name).to_owned(),
        saliency: tacq.map(|t| t.saliency.to_string()),
        bits: trial.bits.map_or(BASELINE_BITS, |b| b.get()).into(),
        group_size: method.and_then(|m| m.quantizer().group_size).map(|g| g.get()),
        outlier_ratio: tacq.map(|t| t.outlier_ratio.to_string()),
        variant: joined(method.and_then(Method::variant), trial.calibration.variant(experiment.calibration)),
    }
}

/// Both, as far as they are there.
fn joined(a: Option<String>, b: Option<String>) -> Option<String> {
    let parts: Vec<String> = a.into_iter().chain(b).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Reads a file of each of the artifacts that are there.
fn read_all<T: Send + DeserializeOwned>(
    plan: &Plan,
    store: &Store,
    ids: Vec<StageId>,
    name: &str,
) -> Result<BTreeMap<StageId, T>, StoreError> {
    ids.into_par_iter()
        .filter_map(|id| {
            let stage = &plan.stages[id];
            let found = store.read_json(stage.kind(), stage.key()?, name).transpose()?;
            Some(found.map(|value| (id, value)))
        })
        .collect()
}
