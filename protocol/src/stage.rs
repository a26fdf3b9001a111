//! The parameters of each stage kind.
//!
//! These structs are at once what the driver hashes into a stage key and what the engine is told, so nothing
//! that changes a result can be left out of its key. What must not change a result (device, threads, paths,
//! checkpoint interval) is in [`crate::Run`] instead. A field absent from the JSON is at its default; new
//! fields get `skip_serializing_if` at the value that means "as before", so that old keys stay valid.
//! A change that alters what a stage computes for equal parameters bumps that stage's version in
//! [`StageKind::version`], in the same commit, with a line in its log.

use crate::command::CommandParams;
use crate::task::{CalibrateParams, EvaluateParams};
use crate::units::{
    AvgBits, Bits, BlockSize, DType, Damp, GroupSize, OutlierRatio, SalienceWeight, Seed, SparseRatio,
    Threshold,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kinds of stages, in the order in which a trial passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Fix the contents of a model or data set.
    Download,
    /// Draw the calibration set.
    Calibrate,
    /// Quantize every linear weight at one bit width.
    Quantize,
    /// Sum a statistic of the loss gradient over the calibration set.
    Gradients,
    /// Rank weights by what their quantization would hurt.
    Saliency,
    /// Keep the first ones as a mask.
    Select,
    /// Quantize all but the masked weights.
    MixedQuantize,
    /// Score a checkpoint on a task.
    Evaluate,
    /// Run a command of the user's.
    Command,
}

impl StageKind {
    /// All kinds, in order.
    pub const ALL: [StageKind; 9] = [
        StageKind::Download,
        StageKind::Calibrate,
        StageKind::Quantize,
        StageKind::Gradients,
        StageKind::Saliency,
        StageKind::Select,
        StageKind::MixedQuantize,
        StageKind::Evaluate,
        StageKind::Command,
    ];

    /// Version of what the stage computes. Log of bumps:
    ///
    /// - all kinds: 1, first release.
    /// - calibrate 2: whole examples of a task beside windows of a text.
    /// - evaluate 2: tasks with answers, windows in batches, records as Parquet.
    /// - quantize 2, mixed_quantize 2: the factor of the inverse Hessian rounds otherwise; on GPUs also the statistics.
    /// - gradients 2: on GPUs, products of 16-bit factors are summed in f32.
    /// - evaluate 3: on GPUs and in bf16, other batches and other attention.
    pub fn version(self) -> u32 {
        match self {
            StageKind::Download | StageKind::Saliency | StageKind::Select | StageKind::Command => 1,
            StageKind::Calibrate | StageKind::Quantize | StageKind::Gradients | StageKind::MixedQuantize => 2,
            StageKind::Evaluate => 3,
        }
    }

    /// The name used in labels, paths and messages.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Download => "download",
            StageKind::Calibrate => "calibrate",
            StageKind::Quantize => "quantize",
            StageKind::Gradients => "gradients",
            StageKind::Saliency => "saliency",
            StageKind::Select => "select",
            StageKind::MixedQuantize => "mixed_quantize",
            StageKind::Evaluate => "evaluate",
            StageKind::Command => "command",
        }
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A stage kind with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "params", rename_all = "snake_case")]
pub enum StageParams {
    /// See [`DownloadParams`].
    Download(DownloadParams),
    /// See [`CalibrateParams`].
    Calibrate(CalibrateParams),
    /// See [`QuantizeParams`].
    Quantize(QuantizeParams),
    /// See [`GradientsParams`].
    Gradients(GradientsParams),
    /// See [`SaliencyParams`].
    Saliency(SaliencyParams),
    /// See [`SelectParams`].
    Select(SelectParams),
    /// [`QuantizeParams`] with a mask among the inputs.
    MixedQuantize(QuantizeParams),
    /// See [`EvaluateParams`].
    Evaluate(EvaluateParams),
    /// See [`CommandParams`].
    Command(CommandParams),
}

impl StageParams {
    /// The kind these are parameters of.
    pub fn kind(&self) -> StageKind {
        match self {
            StageParams::Download(_) => StageKind::Download,
            StageParams::Calibrate(_) => StageKind::Calibrate,
            StageParams::Quantize(_) => StageKind::Quantize,
            StageParams::Gradients(_) => StageKind::Gradients,
            StageParams::Saliency(_) => StageKind::Saliency,
            StageParams::Select(_) => StageKind::Select,
            StageParams::MixedQuantize(_) => StageKind::MixedQuantize,
            StageParams::Evaluate(_) => StageKind::Evaluate,
            StageParams::Command(_) => StageKind::Command,
        }
    }

    /// The number format of its computation, if it has one.
    pub fn dtype(&self) -> Option<DType> {
        match self {
            StageParams::Quantize(params) | StageParams::MixedQuantize(params) => params.dtype,
            StageParams::Gradients(params) => Some(params.dtype),
            StageParams::Evaluate(params) => Some(params.dtype),
            StageParams::Download(_)
            | StageParams::Calibrate(_)
            | StageParams::Saliency(_)
            | StageParams::Select(_)
            | StageParams::Command(_) => None,
        }
    }
}

/// Where a model or data set comes from, as far as it decides the contents. No inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DownloadParams {
    /// Files that are here already.
    Local(LocalFiles),
    /// Files of a repository of the Hugging Face hub.
    Hub(HubFiles),
    /// One file of the web.
    Url(UrlFile),
}

/// The contents of a model folder or data set: only the files that stages read, in path order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalFiles {
    /// Path inside the folder (or the file's name) and digest.
    pub files: Vec<FileDigest>,
}

/// Files of one commit of a repository, which fixes their contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubFiles {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// `org/name`.
    pub repo: String,
    /// The commit's full hash.
    pub commit: String,
    /// Paths in the repository, in path order.
    pub files: Vec<String>,
}

/// Sorts of repositories of the Hugging Face hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepoType {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

/// One file of the web with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlFile {
    /// SHA-256 of the contents, 64 hexadecimal digits. The address is not part of what it is.
    pub sha256: String,
    /// Name of the file in the artifact.
    pub name: String,
}

/// One file's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Relative path with `/` between parts.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// blake3 of the contents, 64 hexadecimal digits.
    pub blake3: String,
}

/// How integer codes are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Round to nearest.
    Rtn,
    /// GPTQ (arXiv 2210.17323): error-compensated rounding against the calibration Hessian.
    Gptq,
}

/// How a row's (or group's) range is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grid {
    /// The full range of the weights.
    Minmax,
    /// Shrunk ranges compared by Σ|ŵ − w|^2.4 (GPTQ's search).
    #[default]
    Mse,
}

/// Quantizes every linear weight; with an input `mask`, the masked weights stay in 16 bit.
/// Inputs: `model`; `calibration` or `gradients` as [`RoundingParams::needs`] says; `mask` for mixed precision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizeParams {
    /// Bits of each code.
    pub bits: Bits,
    /// Columns that share a grid; a whole row when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_size: Option<GroupSize>,
    /// How ranges are found; absent where codes stand for something else than grids of rows or groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// How codes are chosen, with the method's own parameters.
    pub rounding: RoundingParams,
    /// Number format of the forward passes that collect statistics (weights are always quantized in f32).
    /// Absent where none are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<DType>,
}

/// [`Rounding`] with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum RoundingParams {
    /// Round to nearest.
    Rtn,
    /// GPTQ.
    Gptq {
        /// Added to the Hessian's diagonal, as a share of its mean.
        damp: Damp,
        /// Columns between lazy updates.
        block_size: BlockSize,
        /// Recollect statistics after each of {k,v,q}, {o}, {up,gate}, {down} instead of once per block.
        true_sequential: bool,
        /// In which order columns are quantized.
        #[serde(default, skip_serializing_if = "Order::is_natural")]
        order: Order,
        /// Groups of neighbours in the weight, whatever the order, with grids found before any column is quantized.
        #[serde(default, skip_serializing_if = "is_false")]
        static_groups: bool,
    },
    /// SpQR (arXiv 2306.03078): GPTQ with small groups whose grids are quantized, and outliers by what they cost.
    Spqr {
        /// As in GPTQ.
        damp: Damp,
        /// As in GPTQ.
        block_size: BlockSize,
        /// As in GPTQ.
        true_sequential: bool,
        /// As in GPTQ.
        #[serde(default, skip_serializing_if = "Order::is_natural")]
        order: Order,
        /// Bits of a group's scale and of its zero point.
        stats_bits: Bits,
        /// A weight stays in 16 bit if (error/U_ii)² exceeds this times the mean over columns of var(w)/U_ii²; 0 for none.
        outlier_threshold: Threshold,
        /// The size to be met, by another threshold: the given one is where the search begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avg_bits: Option<AvgBits>,
    },
    /// SliM-LLM (arXiv 2405.14917): GPTQ in groups that have a bit more or less by their salience.
    SlimLlm {
        /// As in GPTQ.
        damp: Damp,
        /// As in GPTQ.
        true_sequential: bool,
        /// How many times a salient weight's error counts where ranges are found.
        salience_weight: SalienceWeight,
        /// The size to be met, by more groups with a bit more than with a bit less, or fewer. In balance when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avg_bits: Option<AvgBits>,
    },
    /// AWQ (arXiv 2306.00978): round to nearest after input features have been scaled by their activations.
    Awq {
        /// Whether ranges are cut off where that changes outputs less.
        clip: bool,
    },
    /// SqueezeLLM (arXiv 2306.07629): for each row values of its own, and a sparse part.
    Squeezellm {
        /// Share of all weights that stay in 16 bit for their magnitude.
        magnitude_ratio: SparseRatio,
        /// Share of each matrix that stays in 16 bit for its Fisher information.
        fisher_ratio: SparseRatio,
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

/// An order of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As the weight has them.
    #[default]
    Natural,
    /// By descending diagonal of the Hessian: GPTQ's act_order, also called desc_act.
    Activity,
}

impl Order {
    /// Whether it is the default.
    pub fn is_natural(&self) -> bool {
        *self == Order::Natural
    }
}

/// What a way of rounding reads beside the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A calibration set, which is passed through the model.
    Calibration,
    /// A sum of gradients.
    Gradients(Reduction),
}

impl RoundingParams {
    /// What it reads beside the model.
    pub fn needs(&self) -> Needs {
        match self {
            RoundingParams::Rtn => Needs::Nothing,
            RoundingParams::Gptq { .. }
            | RoundingParams::Spqr { .. }
            | RoundingParams::SlimLlm { .. }
            | RoundingParams::Awq { .. } => Needs::Calibration,
            RoundingParams::Squeezellm { .. } => Needs::Gradients(Reduction::Square),
        }
    }

    /// Its name in YAML and tables.
    pub fn name(&self) -> &'static str {
        match self {
            RoundingParams::Rtn => "rtn",
            RoundingParams::Gptq { .. } => "gptq",
            RoundingParams::Spqr { .. } => "spqr",
            RoundingParams::SlimLlm { .. } => "slim_llm",
            RoundingParams::Awq { .. } => "awq",
            RoundingParams::Squeezellm { .. } => "squeezellm",
        }
    }
}

/// What is summed over the calibration set, per linear weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Σ abs(dL/dW)
    Abs,
    /// Σ (dL/dW)²
    Square,
    /// Σ dL/dW
    Signed,
}

/// Σ over sequences of a function of dL/dW, L the mean next-token cross-entropy of one sequence.
/// Inputs: `model`, `calibration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientsParams {
    /// What is summed.
    pub reduction: Reduction,
    /// Number format of the passes; sums are f32.
    pub dtype: DType,
}

/// Saliency scores (arXiv 2504.07389, section 3 and table 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// abs(W) · Σabs(g) · abs(W − Ŵ)
    Tacq,
    /// abs(W)
    Weight,
    /// Σg²
    Fisher,
    /// Signed gradients summed before the absolute value: abs(W) · abs(Σg) · abs(W − Ŵ)
    Signed,
    /// Signed gradients summed, alone: abs(Σg), table 5's sample gradient
    SignedGrad,
    /// Σabs(g)
    AbsGrad,
    /// Magnitude-sharpened gradient: abs(W) · Σabs(g)
    Msg,
    /// Quantization-aware localization: Σabs(g) · abs(W − Ŵ)
    Qal,
    /// Uniform random numbers.
    Random,
}

impl Score {
    /// All scores.
    pub const ALL: [Score; 9] = [
        Score::Tacq,
        Score::Weight,
        Score::Fisher,
        Score::Signed,
        Score::SignedGrad,
        Score::AbsGrad,
        Score::Msg,
        Score::Qal,
        Score::Random,
    ];

    /// The gradient statistic it needs.
    pub fn reduction(self) -> Option<Reduction> {
        match self {
            Score::Tacq | Score::AbsGrad | Score::Msg | Score::Qal => Some(Reduction::Abs),
            Score::Fisher => Some(Reduction::Square),
            Score::Signed | Score::SignedGrad => Some(Reduction::Signed),
            Score::Weight | Score::Random => None,
        }
    }

    /// Whether it contrasts the weights with a uniform quantization.
    pub fn needs_uniform(self) -> bool {
        matches!(self, Score::Tacq | Score::Signed | Score::Qal)
    }

    /// The name used in YAML and tables.
    pub fn name(self) -> &'static str {
        match self {
            Score::Tacq => "tacq",
            Score::Weight => "weight",
            Score::Fisher => "fisher",
            Score::Signed => "signed",
            Score::SignedGrad => "signed_grad",
            Score::AbsGrad => "abs_grad",
            Score::Msg => "msg",
            Score::Qal => "qal",
            Score::Random => "random",
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Ranks all linear weights and keeps the top ones.
/// Inputs: `model`; `gradients` and `uniform` where the score needs them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaliencyParams {
    /// The score.
    pub score: Score,
    /// Share of the weights kept as sorted candidates; any smaller outlier ratio is a prefix of them.
    pub candidates: OutlierRatio,
    /// Seed of [`Score::Random`]; absent for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
}

/// Keeps the k = floor(outlier_ratio · number of linear weights) best candidates. Input: `saliency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectParams {
    /// Share of the linear weights.
    pub outlier_ratio: OutlierRatio,
}
