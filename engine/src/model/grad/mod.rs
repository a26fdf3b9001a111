//! Gradients of the loss with respect to the linear weights, block by block and by hand.
//!
//! One sequence at a time ([`sequence`]): [`Block::forward_saving`] runs a block and keeps the residual stream at its two
//! boundaries; [`head::loss_gradient`] differentiates the mean next-token cross-entropy; [`Block::backward`] goes
//! back through a block. What lies between the boundaries is kept only while it fits a fixed budget
//! ([`Budget`]) and is computed again otherwise, so memory does not grow with the model beyond that budget; the
//! operations are the same either way, and so are the bits of the result.
//!
//! On a GPU the same parts are used block by block instead: a [`Shelf`] keeps what is between the blocks.
//!
//! By hand, because only the gradients of the linear weights are wanted: none of norms, biases, embeddings and
//! output layer, none of the first block's input, and no second copy of a weight's gradient.

pub mod attention;
pub mod block;
pub mod head;
mod states;

pub use block::{Saved, WeightGradient};
pub use states::{Kept, Shelf};

use super::{Block, Model, Proj, Rope};
use crate::Result;
use tch::{Kind, Tensor};

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

/// dL/dW = d_outᵀ · input in f32. On a GPU the sums of a product in 16 bit are f32 as they are.
pub fn product(d_out: &Tensor, input: &Tensor) -> Result<Tensor> {
    let transposed = d_out.f_tr()?;
    if d_out.device().is_cuda() && d_out.kind() != Kind::Float {
        return Ok(transposed.f_mm_dtype(input, Kind::Float)?);
    }
    Ok(transposed.f_mm(input)?.f_to_kind(Kind::Float)?)
}

/// Differentiates one sequence's mean next-token cross-entropy: `ids` [1, t] → the loss.
///
/// `add` is given every linear weight's gradient, last block first, as block, projection and two factors:
/// dL/dW = d_outᵀ · input, with d_out [t, out] and input [t, in].
pub fn sequence(
    model: &Model,
    rope: &Rope,
    ids: &Tensor,
    mut budget: Budget,
    add: &mut dyn FnMut(usize, Proj, &Tensor, &Tensor) -> Result<()>,
) -> Result<f64> {
    let mut h = model.embedding.forward(ids)?.f_squeeze_dim(0)?; // [t, hidden]
    let ids = ids.f_squeeze_dim(0)?.f_to_device(h.device())?;
    let mut saved = Vec::with_capacity(model.blocks.len());
    for block in &model.blocks {
        let (next, kept) = block.forward_saving(&h, rope, &mut budget)?;
        saved.push(kept);
        h = next;
    }
    let (loss, mut gradient) = head::loss_gradient(&model.head, &h, &ids)?;
    for (layer, block) in model.blocks.iter().enumerate().rev() {
        let kept = saved.pop().expect("one entry was pushed per block");
        let mut add = |proj, d_out: &Tensor, input: &Tensor| add(layer, proj, d_out, input);
        if let Some(next) = block.backward(kept, rope, &gradient, layer > 0, &mut add)? {
            gradient = next;
        }
    }
    Ok(loss.f_double_value(&[])?)
}
