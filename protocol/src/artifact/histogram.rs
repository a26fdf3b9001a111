//! How numbers are spread over all linear weights: the files that say it, matrix by matrix.

use crate::stage::Score;
use serde::{Deserialize, Serialize};

/// `histograms.json` of `saliency`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreHistograms {
    /// What was counted.
    pub score: Score,
    /// One for each linear weight, in model order.
    pub tensors: Vec<ScoreHistogram>,
}

/// How the scores of one matrix are spread, by powers of two: bin i holds those in [2^(first + i), 2^(first + i + 1)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreHistogram {
    /// The weight's name.
    pub tensor: String,
    /// Scores that are 0.
    pub zeros: u64,
    /// The largest score.
    pub max: f32,
    /// Sum of the scores.
    pub sum: f64,
    /// Exponent of the first bin's lower edge.
    pub first_exponent: i32,
    /// Scores in each bin, from the first to the last that has any.
    pub counts: Vec<u64>,
    /// How many of the best candidates are in this matrix.
    pub candidates: u64,
}

/// `weights.json` of `quantize` and `mixed_quantize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightHistograms {
    /// One for each linear weight, in model order.
    pub tensors: Vec<WeightHistogram>,
}

/// How the weights of one matrix are spread before and after quantization, in the same bins, and how far they are apart.
///
/// There are [`Self::BINS`] bins, equally wide, from −r to r, where r is [`Self::RANGE`]. In units of the root mean square
/// they are those of every matrix, so that counts of matrices can be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightHistogram {
    /// The weight's name.
    pub tensor: String,
    /// r, in the weights' own unit: [`Self::RANGE`] times the root mean square of the original weights.
    pub range: f32,
    /// The model's weights W.
    pub original: WeightCounts,
    /// What the checkpoint stands for, Ŵ: weights of codes, and those that stay in 16 bit as they are.
    pub quantized: WeightCounts,
    /// Σ(W − Ŵ)² / ΣW² over the matrix; 0 where all of W is 0.
    pub relative_error: f64,
}

impl WeightHistogram {
    /// Bins between −r and r; an even number, so that 0 is an edge.
    pub const BINS: usize = 64;
    /// r in units of the root mean square of the original weights.
    pub const RANGE: f64 = 4.0;
    /// The width of a bin in that unit.
    pub const BIN_WIDTH: f64 = 2.0 * Self::RANGE / Self::BINS as f64;
}

/// Weights in each bin and beyond; together they are all weights of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightCounts {
    /// Those less than −r.
    pub below: u64,
    /// Those in bin i, which is [−r + i·w, −r + (i + 1)·w) for the bins' width w; all of them in bin BINS/2 where r is 0.
    pub counts: Vec<u64>,
    /// Those that are r or more.
    pub above: u64,
}

impl WeightCounts {
    /// How many weights were counted.
    pub fn total(&self) -> u64 {
        self.below + self.counts.iter().sum::<u64>() + self.above
    }
}
