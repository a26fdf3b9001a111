//! `gradients`: model and calibration set → Σ over sequences of a function of dL/dW, per linear weight.

mod sums;

use super::{Context, StageError};
use crate::Result;
use crate::data::Sequences;
use crate::model::grad::{self, Budget};
use sums::Sums;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::GradientsParams;
use tch::Tensor;

/// Sums over all sequences, one at a time, with the sums kept in the progress folder now and then.
pub fn run(params: &GradientsParams, context: &mut Context<'_>) -> Result<()> {
    let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
    let model = context.model(context.input(role::MODEL)?, params.dtype)?;
    let rope = context.rope(&model, sequences.longest() as i64)?;
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
        let mut add = |layer, proj, d_out: &Tensor, input: &Tensor| sums.add(layer, proj, d_out, input);
        let loss = grad::sequence(&model, &rope, &sequences.tensor(i)?, Budget::default(), &mut add)?;
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
