//! One result.

use super::coordinates::Coordinates;
use serde::Serialize;
use std::cmp::Ordering;

/// One metric of one task of one trial; the fields are the columns of `results.csv`, in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// What was evaluated.
    #[serde(flatten)]
    pub trial: Coordinates,
    /// Bits per linear weight, outliers, scales and zeros included.
    pub avg_bits: Option<f64>,
    /// Bytes of the packed linear weights.
    pub bytes_on_disk: Option<u64>,
    /// Task.
    pub task: String,
    /// Metric, such as `perplexity`.
    pub metric: String,
    /// The metric's value.
    pub value: f64,
    /// Lower end of its 95 % interval over examples; absent where the evaluation states none.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Windows or questions it rests on.
    pub n_examples: u64,
    /// The trial's seed, where it has an influence.
    pub seed: Option<u32>,
    /// Stage key of the evaluation.
    pub stage_key_evaluate: String,
    /// Stage key of the checkpoint; absent for the 16-bit model.
    pub stage_key_checkpoint: Option<String>,
}

impl Row {
    /// The order of tables: that of [`Coordinates::order`], then by task and metric; seeds last.
    pub fn order(&self, other: &Row) -> Ordering {
        self.cell_order(other)
            .then_with(|| self.seed.cmp(&other.seed))
            .then_with(|| self.stage_key_evaluate.cmp(&other.stage_key_evaluate))
            .then_with(|| self.value.total_cmp(&other.value))
    }

    /// [`Self::order`] without seeds: equal for rows that differ in nothing else.
    pub fn cell_order(&self, other: &Row) -> Ordering {
        self.trial
            .order(&other.trial)
            .then_with(|| self.task.cmp(&other.task))
            .then_with(|| self.metric.cmp(&other.metric))
    }
}
