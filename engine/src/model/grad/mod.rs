//! Gradients of the loss with respect to the linear weights, block by block and by hand.
//!
//! One sequence at a time: [`Block::forward_saving`] runs a block and keeps the residual stream at its two
//! boundaries; [`head::loss_gradient`] differentiates the mean next-token cross-entropy; [`Block::backward`] goes
//! back through a block. What lies between the boundaries is kept only while it fits a fixed budget
//! ([`Budget`]) and is computed again otherwise, so memory does not grow with the model beyond that budget; the
//! operations are the same either way, and so are the bits of the result.
//!
//! By hand, because only the gradients of the linear weights are wanted: none of norms, biases, embeddings and
//! output layer, none of the first block's input, and no second copy of a weight's gradient.

pub mod attention;
pub mod block;
pub mod head;

pub use block::{Saved, WeightGradient};

use super::Block;

/// Bytes of host or device memory that may be used to avoid computing activations again.
const BUDGET_BYTES: i64 = 512 << 20;

/// Decides which blocks keep their activations.
#[derive(Debug)]
pub struct Budget {
    left: i64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BUDGET_BYTES }
    }
}

impl Budget {
    /// A budget of this many bytes.
    pub fn of(bytes: i64) -> Self {
        Self { left: bytes }
    }

    /// Takes what a block's activations for `length` tokens need; false if they do not fit.
    fn take(&mut self, block: &Block, length: i64) -> bool {
        let bytes = block.activation_bytes(length);
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }
}
