//! Rows that differ only in their seed, taken together.

use super::coordinates::Coordinates;
use super::row::Row;
use super::stats::spread;
use serde::Serialize;

/// Mean and spread of one metric over seeds; the fields are the columns of `summary.csv`, in this order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What was evaluated.
    #[serde(flatten)]
    pub trial: Coordinates,
    /// Mean bits per linear weight.
    pub avg_bits: Option<f64>,
    /// Mean bytes of the packed linear weights, rounded.
    pub bytes_on_disk: Option<u64>,
    /// Task.
    pub task: String,
    /// Metric.
    pub metric: String,
    /// Seeds.
    pub n: u64,
    /// Mean of the values.
    pub mean: f64,
    /// Their sample standard deviation; absent for one seed.
    pub sd: Option<f64>,
    /// For one seed, the lower end of its 95 % interval over examples. There is none for several: their answers to one
    /// question are not independent, and their spread is the deviation.
    pub low: Option<f64>,
    /// For one seed, the upper end.
    pub high: Option<f64>,
}

/// Groups rows that are in [`Row::order`].
pub fn groups(rows: &[Row]) -> Vec<Group> {
    rows.chunk_by(|a, b| a.cell_order(b).is_eq()).map(group).collect()
}

fn group(rows: &[Row]) -> Group {
    let first = &rows[0];
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    let spread = spread(&values).expect("a group holds a row");
    let avg_bits: Vec<f64> = rows.iter().filter_map(|row| row.avg_bits).collect();
    let bytes: Vec<f64> = rows.iter().filter_map(|row| row.bytes_on_disk).map(|bytes| bytes as f64).collect();
    Group {
        trial: first.trial.clone(),
        avg_bits: super::stats::spread(&avg_bits).map(|spread| spread.mean),
        bytes_on_disk: super::stats::spread(&bytes).map(|spread| spread.mean.round() as u64),
        task: first.task.clone(),
        metric: first.metric.clone(),
        n: spread.n as u64,
        mean: spread.mean,
        sd: spread.sd,
        low: first.low.filter(|_| rows.len() == 1),
        high: first.high.filter(|_| rows.len() == 1),
    }
}
