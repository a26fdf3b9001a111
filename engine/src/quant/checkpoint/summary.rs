//! How large a checkpoint is: average bits and bytes.

use super::{Checkpoint, CheckpointError};
use crate::quant::Shape;
use tacq_protocol::artifact::{CheckpointSummary, counted::OUTLIER_BITS};

/// The size of a checkpoint. Its `avg_bits` is the paper's formula (arXiv 2504.07389, appendix A), b − b·r + 32·r, plus
/// what each method's own formula counts for its levels; `bytes` is the truth on disk.
pub fn summarize(checkpoint: &Checkpoint) -> Result<CheckpointSummary, CheckpointError> {
    let scheme = checkpoint.scheme();
    let tensors = &checkpoint.layout().tensors;
    let n_weights: u64 = tensors.iter().map(|t| t.rows * t.cols).sum();
    let n_outliers = checkpoint.n_outliers();
    let (mut of_codes, mut of_levels) = (0.0, 0.0);
    for tensor in tensors {
        let shape = Shape { rows: tensor.rows as usize, cols: tensor.cols as usize };
        of_codes += checkpoint.row_bits(&tensor.name, shape)? as f64 * tensor.rows as f64;
        of_levels += scheme.counted_bits(shape);
    }
    let n = (n_weights as f64).max(1.0);
    let (bits, ratio) = (of_codes / n, n_outliers as f64 / n);
    let avg_bits = bits - bits * ratio + f64::from(OUTLIER_BITS) * ratio + of_levels / n;
    Ok(CheckpointSummary { n_weights, n_outliers, avg_bits, bytes: checkpoint.file().len() })
}
