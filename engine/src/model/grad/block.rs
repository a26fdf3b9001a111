//! Backward through one decoder block.

use super::Budget;
use super::attention::Heads;
use crate::Result;
use crate::model::norm::rms_norm_backward;
use crate::model::{Block, Proj, Rope};
use tch::Tensor;

/// Receives a projection's gradient as its two factors: dL/dW = d_outᵀ · input, d_out [t, out], input [t, in].
pub type WeightGradient<'a> = dyn FnMut(Proj, &Tensor, &Tensor) -> Result<()> + 'a;

/// What is kept of a block's forward pass over one sequence.
#[derive(Debug)]
pub struct Saved {
    /// The residual stream before the block [t, hidden].
    h: Tensor,
    /// The residual stream between attention and MLP [t, hidden].
    h_mid: Tensor,
    /// What is between, if the budget allowed it.
    attention: Option<AttentionPart>,
    mlp: Option<MlpPart>,
}

/// Intermediate results of the attention half.
#[derive(Debug)]
struct AttentionPart {
    heads: Heads,
    /// Input of o [t, heads · d].
    context: Tensor,
}

/// Intermediate results of the MLP half, [t, intermediate] each.
#[derive(Debug)]
struct MlpPart {
    gate: Tensor,
    up: Tensor,
}

impl Block {
    /// Bytes that a block's intermediate results for `length` tokens need.
    pub(super) fn activation_bytes(&self, length: i64) -> i64 {
        let width = |proj: Proj| self.linear(proj).weight.size()[0];
        let columns =
            2 * width(Proj::Q) + width(Proj::K) + width(Proj::V) + width(Proj::Gate) + width(Proj::Up);
        length * columns * self.attn_norm_weight.kind().elt_size_in_bytes() as i64
    }

    /// The block over one sequence, h [t, hidden] → h' [t, hidden], with what [`Self::backward`] needs.
    pub fn forward_saving(&self, h: &Tensor, rope: &Rope, budget: &mut Budget) -> Result<(Tensor, Saved)> {
        let keep = budget.take(self, h.size()[0]);
        let mut saved = self.saved(h, rope)?;
        let mlp = saved.mlp.as_ref().expect("all of it was just kept");
        let out = self.add_linear(&saved.h_mid, Proj::Down, &mlp.gate.f_silu()?.f_mul_(&mlp.up)?)?;
        if !keep {
            (saved.attention, saved.mlp) = (None, None);
        }
        Ok((out, saved))
    }

    /// What [`Self::backward`] needs of a sequence, all of it: h [t, hidden] is the residual stream before the block. The
    /// same as [`Self::forward_saving`] gives, without the block's output.
    pub fn saved(&self, h: &Tensor, rope: &Rope) -> Result<Saved> {
        let attention = self.attention_part(h, rope)?;
        let h_mid = self.add_linear(h, Proj::O, &attention.context)?;
        let mlp = self.mlp_part(&self.mlp_norm(&h_mid)?)?;
        Ok(Saved { h: h.shallow_clone(), h_mid, attention: Some(attention), mlp: Some(mlp) })
    }

    /// Hands every projection's gradient to `weight_gradient`; d_out [t, hidden] → gradient of the block's input
    /// [t, hidden], or `None` unless `input_gradient` is wanted.
    pub fn backward(
        &self,
        saved: Saved,
        rope: &Rope,
        d_out: &Tensor,
        input_gradient: bool,
        weight_gradient: &mut WeightGradient<'_>,
    ) -> Result<Option<Tensor>> {
        let Saved { h, h_mid, attention, mlp } = saved;
        let d_mid = self.backward_mlp(&h_mid, mlp, d_out, weight_gradient)?;
        let x = self.attn_norm(&h)?;
        let AttentionPart { heads, context } = match attention {
            Some(part) => part,
            None => self.attention_part(&h, rope)?,
        };
        weight_gradient(Proj::O, &d_mid, &context)?;
        let d_context = d_mid.f_mm(&self.linear(Proj::O).weight)?;
        let d_qkv = self.backward_heads(&heads, rope, &d_context)?;
        let [q, k, v] = [Proj::Q, Proj::K, Proj::V];
        for (proj, d) in [q, k, v].into_iter().zip(&d_qkv) {
            weight_gradient(proj, d, &x)?;
        }
        if !input_gradient {
            return Ok(None);
        }
        let mut d_x = d_qkv[0].f_mm(&self.linear(q).weight)?;
        let _ = d_x.f_addmm_(&d_qkv[1], &self.linear(k).weight)?;
        let _ = d_x.f_addmm_(&d_qkv[2], &self.linear(v).weight)?;
        let d_h = rms_norm_backward(&h, &self.attn_norm_weight, self.geometry.eps, &d_x)?;
        Ok(Some(d_mid.f_add(&d_h)?))
    }

    /// Backward through the MLP half: gradient of the residual stream between the halves.
    fn backward_mlp(
        &self,
        h_mid: &Tensor,
        part: Option<MlpPart>,
        d_out: &Tensor,
        weight_gradient: &mut WeightGradient<'_>,
    ) -> Result<Tensor> {
        let y = self.mlp_norm(h_mid)?;
        let MlpPart { gate, up } = match part {
            Some(part) => part,
            None => self.mlp_part(&y)?,
        };
        let silu = gate.f_silu()?;
        weight_gradient(Proj::Down, d_out, &silu.f_mul(&up)?)?;
        let d_activation = d_out.f_mm(&self.linear(Proj::Down).weight)?;
        let d_up = silu.f_mul(&d_activation)?;
        let d_gate = gate.f_silu_backward(&up.f_mul(&d_activation)?)?;
        weight_gradient(Proj::Gate, &d_gate, &y)?;
        weight_gradient(Proj::Up, &d_up, &y)?;
        let mut d_y = d_gate.f_mm(&self.linear(Proj::Gate).weight)?;
        let _ = d_y.f_addmm_(&d_up, &self.linear(Proj::Up).weight)?;
        let d_h = rms_norm_backward(h_mid, &self.mlp_norm_weight, self.geometry.eps, &d_y)?;
        Ok(d_out.f_add(&d_h)?)
    }

    fn attention_part(&self, h: &Tensor, rope: &Rope) -> Result<AttentionPart> {
        let x = self.attn_norm(h)?;
        let g = self.geometry;
        let t = h.size()[0];
        // [t, n · d] → [n, t, d]
        let project = |proj: Proj, n: i64| -> Result<Tensor> {
            Ok(self.linear(proj).forward(&x)?.f_view([t, n, g.head_dim])?.f_transpose(0, 1)?)
        };
        let q = rope.apply(&project(Proj::Q, g.heads)?)?.f_mul_scalar(scale(g.head_dim))?;
        let heads = Heads {
            q: q.f_reshape([g.kv_heads, g.heads / g.kv_heads, t, g.head_dim])?.f_contiguous()?,
            k: rope.apply(&project(Proj::K, g.kv_heads)?)?.f_contiguous()?,
            v: project(Proj::V, g.kv_heads)?.f_contiguous()?,
        };
        let context = heads.forward()?.f_permute([2, 0, 1, 3])?.f_reshape([t, g.heads * g.head_dim])?;
        Ok(AttentionPart { heads, context })
    }

    /// Gradient of attention's output [t, heads · d] → gradients of the outputs of q, k and v.
    fn backward_heads(&self, heads: &Heads, rope: &Rope, d_context: &Tensor) -> Result<[Tensor; 3]> {
        let g = self.geometry;
        let t = d_context.size()[0];
        let group = g.heads / g.kv_heads;
        let d = d_context.f_view([t, g.kv_heads, group, g.head_dim])?.f_permute([1, 2, 0, 3])?;
        let d = heads.backward(&d.f_contiguous()?)?;
        let join = |x: Tensor, n: i64| x.f_transpose(0, 1)?.f_reshape([t, n * g.head_dim]);
        let d_q = d.q.f_view([g.heads, t, g.head_dim])?.f_mul_scalar(scale(g.head_dim))?;
        Ok([
            join(rope.apply_transposed(&d_q)?, g.heads)?,
            join(rope.apply_transposed(&d.k)?, g.kv_heads)?,
            join(d.v, g.kv_heads)?,
        ])
    }

    fn mlp_part(&self, y: &Tensor) -> Result<MlpPart> {
        Ok(MlpPart { gate: self.linear(Proj::Gate).forward(y)?, up: self.linear(Proj::Up).forward(y)? })
    }

    /// h + projection(x), in one product where there is no bias.
    fn add_linear(&self, h: &Tensor, proj: Proj, x: &Tensor) -> Result<Tensor> {
        let linear = self.linear(proj);
        let out = h.f_addmm(x, &linear.weight.f_tr()?)?;
        Ok(match &linear.bias {
            Some(bias) => out.f_add(bias)?,
            None => out,
        })
    }
}

fn scale(head_dim: i64) -> f64 {
    1.0 / (head_dim as f64).sqrt()
}
