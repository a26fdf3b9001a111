//! The loss and its gradient with respect to the last hidden states.

use crate::Result;
use crate::model::Head;
use crate::model::norm::rms_norm_backward;
use tch::{Kind, Tensor};

/// Mean cross-entropy of predicting each token from those before it, and its gradient: `h` [t, hidden] after the
/// last block, `ids` \[t\] → (loss, a scalar f64 tensor for which nothing has waited yet; dL/dh [t, hidden]).
///
/// Logits of a few rows at a time are turned into their own gradient in place; those of a whole sequence never
/// exist together.
pub fn loss_gradient(head: &Head, h: &Tensor, ids: &Tensor) -> Result<(Tensor, Tensor)> {
    let predictions = h.size()[0] - 1;
    let rows = head.chunk_rows();
    let normed = head.normed(h)?;
    // The last position predicts nothing: its gradient stays zero.
    let d_normed = normed.f_zeros_like()?;
    let mut loss = Tensor::f_zeros([], (Kind::Double, h.device()))?;
    for start in (0..predictions).step_by(rows as usize) {
        let n = rows.min(predictions - start);
        let targets = ids.f_narrow(0, start + 1, n)?.f_unsqueeze(1)?; // [n, 1]
        let logits = normed.f_narrow(0, start, n)?.f_linear::<Tensor>(&head.weight, None)?;
        let mut p = logits.f_softmax(-1, Kind::Float)?; // [n, vocab]
        loss = loss.f_sub_(&p.f_gather(1, &targets, false)?.f_log()?.f_sum(Kind::Double)?)?;
        // d(cross-entropy)/d(logits) = p − onehot(target)
        let minus_one = Tensor::f_full([n, 1], -1.0, (Kind::Float, p.device()))?;
        let _ = p.f_scatter_add_(1, &targets, &minus_one)?;
        let chunk = p.f_to_kind(head.weight.kind())?.f_mm(&head.weight)?;
        d_normed.f_narrow(0, start, n)?.f_copy_(&chunk)?;
    }
    let d_normed = d_normed.f_div_scalar(predictions as f64)?;
    let d_h = rms_norm_backward(h, &head.norm, head.eps, &d_normed)?;
    Ok((loss.f_div_scalar(predictions as f64)?, d_h))
}
