//! `select`: candidates → mask, the best floor(ratio · weights) of them in ascending order.

use super::Context;
use crate::Result;
use crate::saliency::{Mask, SaliencyError, read_best, read_layout};
use tacq_protocol::artifact::role;
use tacq_protocol::stage::SelectParams;

/// Keeps a prefix of the candidates.
pub fn run(params: &SelectParams, context: &mut Context<'_>) -> Result<()> {
    let folder = context.input(role::SALIENCY)?;
    let layout = read_layout(folder)?;
    let weights = layout.tensors.iter().map(|t| t.rows * t.cols).sum();
    let ratio = params.outlier_ratio;
    let wanted = ratio.count_of(weights);
    if wanted == 0 {
        return Err(SaliencyError::NothingKept { ratio: ratio.to_string(), weights }.into());
    }
    let best = read_best(folder, wanted, weights)?;
    if best.ranked < wanted {
        let (ratio, ranked) = (ratio.to_string(), best.ranked);
        return Err(SaliencyError::TooFewCandidates { ratio, wanted, ranked }.into());
    }
    Ok(Mask::write(context.output(), &layout, &best.indices)?)
}
