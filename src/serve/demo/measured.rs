//! What the guides know: measured values, and nothing else.

use super::board::Step;
use super::choices::Choices;
use super::experiment::TACQ;
use super::matrix::Matrix;
use crate::page::Kept;
use crate::report::{Coordinates, Difference, NO_METHOD, Row, Worded};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A method's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Score {
    #[serde(skip)]
    pub trial: Coordinates,
    pub method: String,
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Bits of a weight on average; none of the 16-bit model.
    pub avg_bits: Option<f64>,
    pub bytes: Option<u64>,
}

/// TaCQ against the method that was chosen, on the same examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Against {
    pub text: String,
    pub p: String,
}

/// Where most of the kept weights lie.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Densest {
    pub tensor: String,
    pub kept: u64,
    /// Of its own weights.
    pub share: f64,
    /// Kept weights of all matrices of its kind, of all that are kept.
    pub kind: String,
    pub share_of_kind: f64,
}

/// Measured values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measured {
    pub bits: u8,
    /// In per cent.
    pub ratio: f64,
    pub task: String,
    pub method: String,
    pub seed: u32,
    pub metric: String,
    pub n_examples: u64,
    /// Linear weights of the model, and those that stay in 16 bit.
    pub weights: u64,
    pub kept: u64,
    pub densest: Option<Densest>,
    pub baseline: Option<Score>,
    pub uniform: Option<Score>,
    pub mixed: Option<Score>,
    pub chosen: Option<Score>,
    /// All methods, the best first.
    pub scores: Vec<Score>,
    pub against: Option<Against>,
    /// Seconds that the stages of each kind took when they were computed.
    pub secs: BTreeMap<String, f64>,
}

impl Measured {
    pub fn new(
        choices: &Choices,
        rows: &[Row],
        differences: &[Difference],
        found: Option<&(Vec<Kept>, Matrix)>,
        steps: &[Step],
    ) -> Self {
        let mut scores: Vec<Score> = rows.iter().map(score).collect();
        let metric = rows.first().map(|row| row.metric.clone()).unwrap_or_default();
        let is_share = tacq_protocol::artifact::metric::is_share(&metric);
        scores
            .sort_by(|a, b| if is_share { b.value.total_cmp(&a.value) } else { a.value.total_cmp(&b.value) });
        let of = |method: &str| scores.iter().find(|score| score.method == method).cloned();
        // At equal sizes GPTQ is there twice: as what TaCQ starts from, and with groups.
        let of_size = |method: &str, order: fn(&f64, &f64) -> Ordering| {
            let own = scores.iter().filter(|score| score.method == method && score.avg_bits.is_some());
            own.min_by(|a, b| order(&a.avg_bits.unwrap_or(0.0), &b.avg_bits.unwrap_or(0.0))).cloned()
        };
        let mut secs: BTreeMap<String, f64> = BTreeMap::new();
        for step in steps {
            *secs.entry(step.kind.clone()).or_default() += step.secs.unwrap_or(0.0);
        }
        let chosen = of_size(&choices.method, |a, b| b.total_cmp(a));
        let is_meant = |d: &&Difference| {
            d.of.method == TACQ
                && d.found.note.is_none()
                && chosen.as_ref().is_some_and(|chosen| chosen.trial == d.against)
        };
        let against = differences.iter().find(is_meant).map(|d| {
            let Worded { text, p, .. } = Worded::new(d);
            Against { text, p }
        });
        let kept = found.map_or(0, |(kept, _)| kept.iter().map(|matrix| matrix.kept).sum());
        let ratio: f64 = choices.ratio.parse().unwrap_or(0.0);
        Self {
            bits: choices.bits,
            ratio: 100.0 * ratio,
            task: choices.task.clone(),
            method: choices.method.clone(),
            seed: choices.seed,
            metric,
            n_examples: rows.first().map_or(0, |row| row.n_examples),
            weights: found.map_or(0, |(_, matrix)| matrix.of_model),
            kept,
            densest: found.map(|(kept, matrix)| densest(kept, matrix)),
            baseline: of(NO_METHOD),
            uniform: of_size("gptq", |a, b| a.total_cmp(b)),
            mixed: of(TACQ),
            chosen,
            against,
            scores,
            secs,
        }
    }
}

fn score(row: &Row) -> Score {
    Score {
        trial: row.trial.clone(),
        method: row.trial.method.clone(),
        value: row.value,
        low: row.low,
        high: row.high,
        avg_bits: row.avg_bits,
        bytes: row.bytes_on_disk,
    }
}

fn densest(kept: &[Kept], matrix: &Matrix) -> Densest {
    let all: u64 = kept.iter().map(|matrix| matrix.kept).sum();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for matrix in kept {
        *kinds.entry(&matrix.module).or_default() += matrix.kept;
    }
    let (kind, of_kind) = kinds.into_iter().max_by_key(|(_, n)| *n).unwrap_or_default();
    Densest {
        tensor: matrix.tensor.clone(),
        kept: matrix.kept,
        share: matrix.kept as f64 / (matrix.rows * matrix.columns) as f64,
        kind: kind.to_owned(),
        share_of_kind: of_kind as f64 / all.max(1) as f64,
    }
}
