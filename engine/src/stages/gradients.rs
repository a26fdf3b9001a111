//! `gradients`: model and calibration set → Σ over sequences of a function of dL/dW, per linear weight.

mod sums;

use super::{Context, StageError};
use crate::Result;
use crate::data::Sequences;
use crate::model::grad::{Budget, head};
use crate::model::{Model, Rope};
use sums::Sums;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::GradientsParams;
use tch::Tensor;

/// Sums over all sequences, one at a time, with the sums kept in the progress folder now and then.
pub fn run(params: &GradientsParams, context: &mut Context<'_>) -> Result<()> {
    let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
    let model = context.model(context.input(role::MODEL)?, params.dtype)?;
    let rope = model.rope(sequences.longest() as i64)?;
    let total = sequences.len();
    let (mut sums, done) = match Sums::resume(&model.config, params.reduction, context, total)? {
        Some((sums, done)) => {
            context.mark_resumed();
            (sums, done)
        }
        None => (Sums::zeros(&model.config, params.reduction, context.device)?, 0),
    };
    context.report(done as u64, total as u64, "sequences");
    for i in done..total {
        let loss = add_sequence(&model, &rope, &sequences.tensor(i)?, &mut sums)?;
        if !loss.is_finite() {
            return Err(StageError::Loss { sequence: i, loss }.into());
        }
        context.report(i as u64 + 1, total as u64, "sequences");
        if i + 1 < total && context.checkpoint_due() {
            sums.save(context, i + 1)?;
            context.checkpoint_written();
        }
    }
    sums.write(context)
}

/// Adds one sequence's gradients to the sums; `ids` [1, t] → its loss.
fn add_sequence(model: &Model, rope: &Rope, ids: &Tensor, sums: &mut Sums) -> Result<f64> {
    let mut h = model.embedding.forward(ids)?.f_squeeze_dim(0)?; // [t, hidden]
    let ids = ids.f_squeeze_dim(0)?.f_to_device(h.device())?;
    let mut budget = Budget::default();
    let mut saved = Vec::with_capacity(model.blocks.len());
    for block in &model.blocks {
        let (next, kept) = block.forward_saving(&h, rope, &mut budget)?;
        saved.push(kept);
        h = next;
    }
    let (loss, mut gradient) = head::loss_gradient(&model.head, &h, &ids)?;
    for (layer, block) in model.blocks.iter().enumerate().rev() {
        let kept = saved.pop().expect("one entry was pushed per block");
        let mut add = |proj, d_out: &Tensor, input: &Tensor| sums.add(layer, proj, d_out, input);
        if let Some(next) = block.backward(kept, rope, &gradient, layer > 0, &mut add)? {
            gradient = next;
        }
    }
    Ok(loss)
}
