use crate::tensorfile::TensorFileError;
use std::path::PathBuf;
use tacq_protocol::FailureKind;

/// Why weights cannot be ranked or a mask cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SaliencyError {
    /// A file of a mask or of candidates is missing, truncated or of the wrong shape or type.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// A score is NaN.
    #[error(
        "the {score} score of {tensor} is NaN at row {row}, column {col}; the gradients or weights are damaged"
    )]
    ScoreNotFinite {
        /// Which score.
        score: &'static str,
        /// The weight.
        tensor: String,
        /// Output feature.
        row: usize,
        /// Input feature.
        col: usize,
    },
    /// A mask or candidates of another model.
    #[error("{} is of another model: its weights are {found}, this model's are {expected}", path.display())]
    Layout {
        /// The artifact.
        path: PathBuf,
        /// What its layout says.
        found: String,
        /// The model's.
        expected: String,
    },
    /// layout.json is not what `saliency` writes.
    #[error("{}: not a layout of weights: {reason}", path.display())]
    LayoutFile {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        reason: String,
    },
    /// Indices that are out of order or out of range.
    #[error("{}: index {nth} is {found}, expected {expected}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Which entry.
        nth: usize,
        /// What it is.
        found: i64,
        /// What is allowed.
        expected: String,
    },
    /// More weights are asked for than were ranked.
    #[error(
        "outlier_ratio {ratio} keeps {wanted} weights, but only the best {ranked} were ranked; raise `candidates`"
    )]
    TooFewCandidates {
        /// The ratio.
        ratio: String,
        /// Weights that it keeps.
        wanted: u64,
        /// Weights ranked.
        ranked: u64,
    },
    /// A ratio so small that it keeps nothing.
    #[error(
        "outlier_ratio {ratio} of {weights} weights is less than one weight; raise the ratio or use uniform quantization"
    )]
    NothingKept {
        /// The ratio.
        ratio: String,
        /// Weights of the model.
        weights: u64,
    },
}

impl SaliencyError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            SaliencyError::File(e) => e.kind(),
            SaliencyError::ScoreNotFinite { .. } => FailureKind::Numerics,
            _ => FailureKind::InvalidInput,
        }
    }
}
