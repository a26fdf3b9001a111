//! How large a checkpoint is: average bits and bytes.

use super::Checkpoint;
use tacq_protocol::artifact::CheckpointSummary;

/// Bits that a group's grid counts in the average: a 16-bit scale and a 16-bit zero point.
const GROUP_BITS: f64 = 32.0;
/// Bits that an outlier counts: a 16-bit value and a 16-bit position.
const OUTLIER_BITS: f64 = 32.0;

/// The size of a checkpoint. Its `avg_bits` is the paper's formula (arXiv 2504.07389, appendix A), which counts no grids
/// of rows; `bytes` is the truth on disk.
pub fn summarize(checkpoint: &Checkpoint) -> CheckpointSummary {
    let spec = checkpoint.spec();
    let tensors = &checkpoint.layout().tensors;
    let n_weights: u64 = tensors.iter().map(|t| t.rows * t.cols).sum();
    let n_outliers = checkpoint.n_outliers();
    let groups: u64 = match spec.group_size {
        None => 0,
        Some(_) => tensors.iter().map(|t| t.rows * spec.groups(t.cols as usize) as u64).sum(),
    };
    let (bits, n) = (f64::from(spec.bits.get()), (n_weights as f64).max(1.0));
    let ratio = n_outliers as f64 / n;
    let avg_bits = bits - bits * ratio + OUTLIER_BITS * ratio + GROUP_BITS * groups as f64 / n;
    CheckpointSummary { n_weights, n_outliers, avg_bits, bytes: checkpoint.file().len() }
}
