//! `gradients`: model and calibration set → Σ over sequences of a function of dL/dW, per linear weight.

mod blocks;
mod device;
mod lanes;
mod sums;

use super::Context;
use crate::Result;
use crate::data::Sequences;
use lanes::Lanes;
use sums::Sums;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::GradientsParams;

/// Sums over all sequences, in their order: on a GPU block by block, on the host sequence by sequence, which spares a
/// second forward pass.
pub fn run(params: &GradientsParams, context: &mut Context<'_>) -> Result<()> {
    if context.device.is_cuda() { blocks::run(params, None, context) } else { by_sequences(params, context) }
}

/// Sequences side by side, with the sums kept in the progress folder now and then.
fn by_sequences(params: &GradientsParams, context: &mut Context<'_>) -> Result<()> {
    let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
    let model = context.model(context.input(role::MODEL)?, params.dtype)?;
    let rope = context.rope(&model, sequences.longest() as i64)?;
    let total = sequences.len();
    let (sums, mut done) = match Sums::resume(&model.config, params.reduction, context, total)? {
        Some((sums, done)) => {
            context.mark_resumed();
            (sums, done)
        }
        None => (Sums::zeros(&model.config, params.reduction)?, 0),
    };
    context.report(done as u64, total as u64, "sequences");
    let mut lanes = Lanes::new(&model, &rope, context, total);
    while done < total {
        done += lanes.round(&sequences, done, &sums)?;
        context.report(done as u64, total as u64, "sequences");
        if done < total && context.checkpoint_due() {
            sums.save(context, done)?;
            context.checkpoint_written();
            context.go_on()?;
        }
    }
    sums.write(context)
}
