use crate::quant::Shape;
use crate::quant::levels::BadLevel;
use crate::tensorfile::TensorFileError;
use std::path::PathBuf;
use tacq_protocol::FailureKind;

/// What can be wrong with a packed checkpoint, beyond being a safetensors file.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file itself, or one of its tensors, is missing, truncated or of the wrong shape or type.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// A safetensors file of something else.
    #[error("{}: not a packed checkpoint: the header does not say format `tacq-checkpoint`", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version.
    #[error("{}: checkpoint version `{found}` is not known here (known: 1)", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A field of the header is missing or out of range.
    #[error("{}: the header's `{key}` is {found}, expected {expected}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The field.
        key: &'static str,
        /// What it says.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A tensor that no weight of the layout has.
    #[error("{}: tensor `{name}` belongs to no weight of the layout", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A weight that the layout does not have.
    #[error("{}: weight `{name}` is not in this checkpoint; it is one of another model", path.display())]
    NoSuchWeight {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
    },
    /// A weight of another shape than the model's.
    #[error(
        "{}: weight `{name}` is {}×{}, the model's is {}×{}; it is one of another model",
        path.display(), found.rows, found.cols, expected.0, expected.1
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
        /// Its shape in the checkpoint.
        found: Shape,
        /// Rows and columns in the model.
        expected: (usize, usize),
    },
    /// A number that no quantization writes.
    #[error(
        "{}: number {} of `{name}.{}` is {}, expected {}",
        path.display(), bad.position, bad.part, bad.found, bad.expected
    )]
    Level {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
        /// What it is.
        bad: BadLevel,
    },
    /// Scales of columns that are no positive numbers, or where there cannot be any.
    #[error("{}: `{name}.column_scales` must be positive, finite numbers, of a weight on grids", path.display())]
    ColumnScales {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
    },
    /// Columns of groups that there are not.
    #[error("{}: `{name}.group_of` names groups that `{name}` does not have", path.display())]
    GroupOf {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
    },
    /// An outlier beyond the matrix.
    #[error("{}: an outlier of `{name}` is at position {position}, but the matrix has {len} weights", path.display())]
    OutlierPosition {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
        /// Where.
        position: u64,
        /// Weights in the matrix.
        len: usize,
    },
    /// Positions and values of outliers do not pair up.
    #[error("{}: `{name}` has {positions} outlier positions and {values} outlier values", path.display())]
    OutlierCount {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
        /// Positions.
        positions: usize,
        /// Values.
        values: usize,
    },
    /// An outlier that is NaN or infinite.
    #[error("{}: outlier {nth} of `{name}` is not finite", path.display())]
    OutlierValue {
        /// The file.
        path: PathBuf,
        /// The weight.
        name: String,
        /// Which outlier.
        nth: usize,
    },
}

impl CheckpointError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            CheckpointError::File(e) => e.kind(),
            _ => FailureKind::InvalidInput,
        }
    }
}
