//! How large a checkpoint is: average bits and bytes.

use super::{Checkpoint, Shape};
use tacq_protocol::artifact::{CheckpointSummary, TensorShape};

/// Bits that an outlier counts: a 16-bit value and a 16-bit position.
const OUTLIER_BITS: f64 = 32.0;

/// The size of a checkpoint. Its `avg_bits` is the paper's formula (arXiv 2504.07389, appendix A), b − b·r + 32·r, plus
/// what each method's own formula counts for its levels; `bytes` is the truth on disk.
pub fn summarize(checkpoint: &Checkpoint) -> CheckpointSummary {
    let scheme = checkpoint.scheme();
    let tensors = &checkpoint.layout().tensors;
    let n_weights: u64 = tensors.iter().map(|t| t.rows * t.cols).sum();
    let n_outliers = checkpoint.n_outliers();
    let counted =
        |t: &TensorShape| scheme.counted_bits(Shape { rows: t.rows as usize, cols: t.cols as usize });
    let of_levels: f64 = tensors.iter().map(counted).sum();
    let (bits, n) = (f64::from(scheme.bits().get()), (n_weights as f64).max(1.0));
    let ratio = n_outliers as f64 / n;
    let avg_bits = bits - bits * ratio + OUTLIER_BITS * ratio + of_levels / n;
    CheckpointSummary { n_weights, n_outliers, avg_bits, bytes: checkpoint.file().len() }
}
