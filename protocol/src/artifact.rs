//! Names of what lies inside an artifact, and the small JSON files that both programs read.

mod histogram;

pub use histogram::{ScoreHistogram, ScoreHistograms, WeightCounts, WeightHistogram, WeightHistograms};

use crate::stage::FileDigest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Roles of a stage's inputs; the keys of [`crate::Request::inputs`].
pub mod role {
    /// A model folder as published: config.json, safetensors, tokenizer.json.
    pub const MODEL: &str = "model";
    /// Data: the split that is drawn from or evaluated on.
    pub const DATASET: &str = "dataset";
    /// Data: solved examples that prompts begin with.
    pub const FEW_SHOT: &str = "few_shot";
    /// Data: Spider's database schemas, tables.json.
    pub const TABLES: &str = "tables";
    /// Data: Spider's SQLite databases, each named `DB_ID.sqlite`.
    pub const DATABASES: &str = "databases";
    /// Data: the files that a command of the user's lies in or reads.
    pub const FILES: &str = "files";
    /// Data: files of a model folder that no other stage reads, but a command may.
    pub const MODEL_FILES: &str = "model_files";
    /// The roles that are data: lists of files, [`crate::Request::data`], instead of folders.
    pub const DATA: [&str; 6] = [DATASET, FEW_SHOT, TABLES, DATABASES, FILES, MODEL_FILES];
    /// Artifact of `calibrate`.
    pub const CALIBRATION: &str = "calibration";
    /// Artifact of `quantize`, contrasted with the weights by `saliency`.
    pub const UNIFORM: &str = "uniform";
    /// Artifact of `gradients`.
    pub const GRADIENTS: &str = "gradients";
    /// Artifact of `saliency`.
    pub const SALIENCY: &str = "saliency";
    /// Artifact of `select`.
    pub const MASK: &str = "mask";
    /// Artifact of `quantize` or `mixed_quantize`, to be evaluated.
    pub const CHECKPOINT: &str = "checkpoint";
}

/// File names inside artifacts.
pub mod file {
    /// In every artifact: what it is; written by the driver.
    pub const MANIFEST: &str = "manifest.json";
    /// `download`: a [`super::Files`].
    pub const FILES: &str = "files.json";
    /// `download` from the hub or the web: folder of the files, under the names of [`super::Files`].
    pub const FILES_DIR: &str = "files";
    /// `calibrate`: tensors `ids` \[total\] i32 and `offsets` [n + 1] i64.
    pub const SEQUENCES: &str = "sequences.safetensors";
    /// `quantize`, `mixed_quantize`: packed codes, scales, zeros, sparse outliers.
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// `quantize`, `mixed_quantize`: a [`super::CheckpointSummary`].
    pub const CHECKPOINT_SUMMARY: &str = "checkpoint.json";
    /// `quantize`, `mixed_quantize`: a [`super::WeightHistograms`]; artifacts of earlier versions do not have it.
    pub const WEIGHT_HISTOGRAMS: &str = "weights.json";
    /// `gradients`: one f32 tensor per linear weight, under the weight's name.
    pub const GRADIENTS: &str = "gradients.safetensors";
    /// `saliency`: tensors `index` \[k\] i64 and `score` \[k\] f32, best first.
    pub const CANDIDATES: &str = "candidates.safetensors";
    /// `saliency`, `select`: a [`super::WeightLayout`].
    pub const LAYOUT: &str = "layout.json";
    /// `saliency`: a [`super::ScoreHistograms`].
    pub const SCORE_HISTOGRAMS: &str = "histograms.json";
    /// `select`: tensor `index` \[k\] i64, ascending.
    pub const MASK: &str = "mask.safetensors";
    /// `evaluate`, and `command` where it has metrics: a [`super::Metrics`].
    pub const METRICS: &str = "metrics.json";
    /// `evaluate`: one row per example, in order; see [`super::Record`].
    pub const RECORDS: &str = "records.parquet";
    /// `evaluate`, in the progress folder: finished records as JSON lines, in the order in which they were finished.
    pub const RECORDS_LOG: &str = "records.jsonl";
}

/// Names of metrics, the keys of [`Metrics::metrics`].
pub mod metric {
    /// exp of the mean of the records' values; lower is better.
    pub const PERPLEXITY: &str = "perplexity";
    /// Share of questions whose most likely choice is the right one.
    pub const ACCURACY: &str = "accuracy";
    /// Share of answers that are the wanted text.
    pub const EXACT_MATCH: &str = "exact_match";
    /// Share of queries with the wanted query's result.
    pub const EXECUTION_ACCURACY: &str = "execution_accuracy";

    /// Whether it is a share of right answers: the mean of the records' values, from 0 to 1.
    pub fn is_share(name: &str) -> bool {
        [ACCURACY, EXACT_MATCH, EXECUTION_ACCURACY].contains(&name)
    }
}

/// What a `download` stage fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The files, in path order.
    pub files: Vec<FileDigest>,
}

/// The linear weights in model order; a global index counts through them row by row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightLayout {
    /// Name and shape of each linear weight.
    pub tensors: Vec<TensorShape>,
}

/// One tensor of a [`WeightLayout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorShape {
    /// The checkpoint's name, such as `model.layers.0.mlp.up_proj.weight`.
    pub name: String,
    /// Output features.
    pub rows: u64,
    /// Input features.
    pub cols: u64,
}

/// What counts in [`CheckpointSummary::avg_bits`] beside the bits of codes.
pub mod counted {
    /// Bits of an outlier, in place of a code's: a 16-bit value and a 16-bit position (arXiv 2504.07389, appendix A).
    pub const OUTLIER_BITS: u32 = 32;
    /// Bits of a group's grid: a 16-bit scale and a 16-bit zero point (arXiv 2504.07389, appendix A).
    pub const GROUP_BITS: u32 = 32;
    /// Rows whose groups share the grid that their scales are on, and that of their zero points (arXiv 2306.03078).
    pub const STATS_ROWS: u32 = 16;
    /// Bits of such a grid: base and step.
    pub const STATS_GRID_BITS: u32 = 32;
}

/// Size of a quantized checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSummary {
    /// Linear weights.
    pub n_weights: u64,
    /// Of these, kept in 16 bit.
    pub n_outliers: u64,
    /// The paper's formula (arXiv 2504.07389, appendix A): b − b·r + 32·r, plus scales and zeros of groups.
    pub avg_bits: f64,
    /// Bytes of the packed checkpoint file: the linear weights, compressed, and nothing else.
    pub bytes: u64,
}

/// What an evaluation measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Value by metric name.
    pub metrics: BTreeMap<String, f64>,
    /// Examples (windows, questions) it rests on.
    pub n_examples: u64,
    /// 95 % bootstrap interval by metric name; see [`crate::stats`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, [f64; 2]>,
}

/// One example of an evaluation; the fields are the columns of `records.parquet`, in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its place among the examples scored, from 0.
    pub index: u64,
    /// What the data set calls it: `abstract_algebra/75`.
    pub id: String,
    /// Subject, database or another part of the data set that scores are also wanted for; may be empty.
    pub group: String,
    /// First 16 hexadecimal digits of the blake3 of the prompt's token ids (little-endian u32).
    pub prompt_hash: String,
    /// The prompt as text. Left out of the log of finished records: it can be made again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// The text that was generated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// The answer found in it, or the choice.
    pub prediction: String,
    /// The answer that was wanted.
    pub gold: String,
    /// Whether they are the same; absent where there is no right and wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
    /// What the metric is the mean of: 1 or 0, or the window's mean cross-entropy in nats.
    pub value: f64,
    /// Log-probabilities of the choices, in nats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<f64>,
    /// Tokens generated, or predicted in a window.
    pub n_tokens: u64,
    /// Why an answer does not count, such as an SQL error; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Values of `architectures` in a model's config.json that the engine has.
pub const SUPPORTED_ARCHITECTURES: [&str; 2] = ["LlamaForCausalLM", "Qwen2ForCausalLM"];
