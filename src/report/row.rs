//! One result.

use serde::Serialize;
use std::cmp::Ordering;

/// One metric of one task of one trial; the fields are the columns of `results.csv`, in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the base model.
    pub model: String,
    /// Data set calibrated on.
    pub condition_on: Option<String>,
    /// Method; `none` for the 16-bit model.
    pub method: String,
    /// What ranked the weights that stay in 16 bit.
    pub saliency: Option<String>,
    /// Bits per quantized weight.
    pub bits: u32,
    /// Columns that share a grid; a whole row when absent.
    pub group_size: Option<u32>,
    /// Share of the linear weights kept in 16 bit, a decimal.
    pub outlier_ratio: Option<String>,
    /// Parameters of the method that have no column and are not at their defaults, such as `minmax damp=0.1`.
    pub variant: Option<String>,
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
    /// Windows or questions it rests on.
    pub n_examples: u64,
    /// The trial's seed, where it has an influence.
    pub seed: Option<u32>,
    /// Stage key of the evaluation.
    pub stage_key_evaluate: String,
    /// Stage key of the checkpoint; absent for the 16-bit model.
    pub stage_key_checkpoint: Option<String>,
}

/// The method of the rows of the 16-bit model.
pub const NO_METHOD: &str = "none";

impl Row {
    /// The order of tables: by model, the 16-bit model first, then by calibration set, bits, method and its
    /// parameters, task, metric; seeds last.
    pub fn order(&self, other: &Row) -> Ordering {
        self.cell_order(other)
            .then_with(|| self.seed.cmp(&other.seed))
            .then_with(|| self.stage_key_evaluate.cmp(&other.stage_key_evaluate))
            .then_with(|| self.value.total_cmp(&other.value))
    }

    /// [`Self::order`] without seeds: equal for rows that differ in nothing else.
    pub fn cell_order(&self, other: &Row) -> Ordering {
        self.line_order(other)
            .then_with(|| self.task.cmp(&other.task))
            .then_with(|| self.metric.cmp(&other.metric))
    }

    /// [`Self::cell_order`] without tasks and metrics: equal for what one line of a table compares.
    pub fn line_order(&self, other: &Row) -> Ordering {
        let is_quantized = |row: &Row| row.method != NO_METHOD;
        self.experiment
            .cmp(&other.experiment)
            .then_with(|| self.model.cmp(&other.model))
            .then_with(|| is_quantized(self).cmp(&is_quantized(other)))
            .then_with(|| self.condition_on.cmp(&other.condition_on))
            .then_with(|| self.bits.cmp(&other.bits))
            .then_with(|| self.method.cmp(&other.method))
            .then_with(|| self.saliency.cmp(&other.saliency))
            .then_with(|| by_number(self.outlier_ratio.as_deref(), other.outlier_ratio.as_deref()))
            .then_with(|| self.group_size.cmp(&other.group_size))
            .then_with(|| self.variant.cmp(&other.variant))
    }

    /// [`Self::outlier_ratio`] as a number; its text is a decimal, so it reads back as written.
    pub fn outlier_ratio_value(&self) -> Option<f64> {
        self.outlier_ratio.as_deref().and_then(|text| text.parse().ok())
    }
}

fn by_number(a: Option<&str>, b: Option<&str>) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(&b)),
        _ => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::Row;

    fn row(model: &str, method: &str, bits: u32, ratio: Option<&str>) -> Row {
        let outlier_ratio = ratio.map(str::to_owned);
        Row { model: model.into(), method: method.into(), bits, outlier_ratio, ..Row::default() }
    }

    #[test]
    fn the_baseline_comes_first_and_ratios_sort_as_numbers() {
        let expected = [
            row("a", "none", 16, None),
            row("a", "gptq", 2, None),
            row("a", "tacq", 2, Some("0.0035")),
            row("a", "tacq", 2, Some("0.01")),
            row("a", "tacq", 2, Some("0.1")),
            row("a", "gptq", 3, None),
            row("b", "none", 16, None),
        ];
        let mut rows = expected.to_vec();
        rows.reverse();
        rows.sort_by(Row::order);
        assert_eq!(rows, expected);
    }
}
