//! Scores and their paired differences.

use super::error::PageError;
use super::table::Table;
use crate::report::{self, Contrast, Difference, Effect, Group};
use serde::Serialize;

/// A line of `scores`: one metric of one trial, over seeds.
#[derive(Debug, Clone, Serialize)]
struct Score {
    name: String,
    model: String,
    condition_on: Option<String>,
    method: String,
    saliency: Option<String>,
    bits: u32,
    group_size: Option<u32>,
    outlier_ratio: Option<String>,
    variant: Option<String>,
    avg_bits: Option<f64>,
    bytes_on_disk: Option<u64>,
    task: String,
    metric: String,
    is_share: bool,
    n: u64,
    mean: f64,
    sd: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

/// A line of `differences`.
#[derive(Debug, Clone, Serialize)]
struct Compared {
    model: String,
    task: String,
    metric: String,
    contrast: Contrast,
    condition_on: Option<String>,
    bits: u32,
    of: String,
    against: String,
    is_share: bool,
    n_examples: u64,
    estimate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    p_value: Option<f64>,
}

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct Scores {
    scores: Vec<Score>,
    differences: Vec<Compared>,
}

/// Takes what the report has found.
pub(super) fn collect(groups: &[Group], differences: &[Difference]) -> Scores {
    let score = |group: &Group| {
        let trial = group.trial.clone();
        Score {
            name: report::trial_name(&trial),
            model: trial.model,
            condition_on: trial.condition_on,
            method: trial.method,
            saliency: trial.saliency,
            bits: trial.bits,
            group_size: trial.group_size,
            outlier_ratio: trial.outlier_ratio,
            variant: trial.variant,
            avg_bits: group.avg_bits,
            bytes_on_disk: group.bytes_on_disk,
            task: group.task.clone(),
            is_share: tacq_protocol::artifact::metric::is_share(&group.metric),
            metric: group.metric.clone(),
            n: group.n,
            mean: group.mean,
            sd: group.sd,
            low: group.low,
            high: group.high,
        }
    };
    let compared = |difference: &Difference| {
        let found = &difference.found;
        Compared {
            model: difference.of.model.clone(),
            task: found.task.clone(),
            metric: found.metric.clone(),
            contrast: found.contrast,
            condition_on: difference.of.condition_on.clone(),
            bits: difference.of.bits,
            of: report::trial_name(&difference.of),
            against: report::trial_name(&difference.against),
            is_share: found.effect == Effect::Difference,
            n_examples: found.n_examples,
            estimate: found.estimate,
            low: found.low,
            high: found.high,
            p_value: found.p_value,
        }
    };
    Scores {
        scores: groups.iter().map(score).collect(),
        differences: differences.iter().map(compared).collect(),
    }
}

impl Scores {
    pub fn tables(&self) -> Result<Vec<Table>, PageError> {
        Ok(vec![Table::of("scores", &self.scores)?, Table::of("differences", &self.differences)?])
    }
}
