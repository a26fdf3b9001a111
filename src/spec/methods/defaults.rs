//! What parameters of methods are where the file does not say.

use tacq_protocol::units::{Bits, BlockSize, Damp, GroupSize, SalienceWeight, SparseRatio, Threshold};

/// GPTQ's damping (arXiv 2210.17323, section 3.3).
pub fn damp() -> Damp {
    "0.01".parse().expect("in range")
}

/// Columns between lazy updates (arXiv 2210.17323, section 3.3).
pub fn block_size() -> BlockSize {
    BlockSize::new(128).expect("in range")
}

/// SpQR's threshold, for results near the 16-bit model's, in its code's own example.
pub fn outlier_threshold() -> Threshold {
    "0.2".parse().expect("in range")
}

/// Columns of SpQR's groups (arXiv 2306.03078, section 4.3).
pub fn spqr_group_size() -> GroupSize {
    GroupSize::new(16).expect("in range")
}

/// Bits of SpQR's statistics (arXiv 2306.03078, section 4.3).
pub fn stats_bits() -> Bits {
    Bits::new(3).expect("in range")
}

/// SpQR's damping in its code's own example.
pub fn spqr_damp() -> Damp {
    "1".parse().expect("in range")
}

/// SqueezeLLM's sparse part for magnitude, as arXiv 2504.07389 compares with it: 0.5 % with the sensitive weights.
pub fn magnitude_ratio() -> SparseRatio {
    "0.0045".parse().expect("in range")
}

/// SqueezeLLM's sparse part for sensitivity (arXiv 2306.07629, section 4.2).
pub fn fisher_ratio() -> SparseRatio {
    "0.0005".parse().expect("in range")
}

/// Columns of SliM-LLM's groups (arXiv 2405.14917, section 4).
pub fn slim_group_size() -> GroupSize {
    GroupSize::new(128).expect("in range")
}

/// SliM-LLM's code weighs all errors alike.
pub fn salience_weight() -> SalienceWeight {
    "1".parse().expect("in range")
}

/// Columns of AWQ's groups (arXiv 2306.00978, section 5.1).
pub fn awq_group_size() -> GroupSize {
    GroupSize::new(128).expect("in range")
}
