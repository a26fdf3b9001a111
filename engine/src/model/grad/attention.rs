//! Causal attention and its derivative, in blocks of queries.
//!
//! Written out rather than left to `scaled_dot_product_attention`: products of fixed order repeat bit by bit; the keys
//! after a block of queries are never touched; and the heads that share keys need no copies of them. In 16 bit on a GPU
//! libtorch has a fused kernel (FlashAttention-2, arXiv 2307.08691) that takes half the time, and repeats bit by bit when
//! told to. Shapes: h = key heads, g = query heads per key head, r = queries
//! of a block, n = keys up to the block's end, d = head_dim.

use crate::{Result, device};
use tch::{Kind, Tensor};

/// Queries computed at a time on the host, where their scores stay in the cache.
const HOST_ROWS: i64 = 128;
/// The same on a GPU, where few launches matter more than scores computed in vain.
const DEVICE_ROWS: i64 = 512;

/// Heads of one sequence, positions rotated.
#[derive(Debug)]
pub struct Heads {
    /// Queries [h, g, t, d], times 1/√d.
    pub q: Tensor,
    /// Keys [h, t, d].
    pub k: Tensor,
    /// Values [h, t, d].
    pub v: Tensor,
}

impl Heads {
    /// Queries of a block.
    fn rows(&self) -> i64 {
        if self.q.device().is_cuda() { DEVICE_ROWS } else { HOST_ROWS }
    }

    /// Whether libtorch's kernel is used.
    fn is_fused(&self) -> bool {
        self.q.device().is_cuda() && self.q.kind() != Kind::Float
    }

    /// softmax(q·kᵀ)·v with the future masked: [h, g, t, d].
    pub fn forward(&self) -> Result<Tensor> {
        if self.is_fused() {
            return fused(&self.q, &self.k, &self.v);
        }
        let (_, g, t, d) = self.q.size4()?;
        let blocks = (0..t).step_by(self.rows() as usize).map(|start| {
            let (_, p) = self.probabilities(start)?;
            let out = p.f_to_kind(self.v.kind())?.f_bmm(&self.v.f_narrow(1, 0, p.size()[2])?)?;
            Ok(out.f_view([-1, g, out.size()[1] / g, d])?)
        });
        Ok(Tensor::f_cat(&blocks.collect::<Result<Vec<_>>>()?, 2)?)
    }

    /// Gradients (dq, dk, dv) for the gradient of [`Self::forward`]'s output.
    pub fn backward(&self, d_out: &Tensor) -> Result<Heads> {
        if self.is_fused() {
            return self.backward_fused(d_out);
        }
        let (h, g, t, d) = self.q.size4()?;
        let d_k = self.k.f_zeros_like()?;
        let d_v = self.v.f_zeros_like()?;
        let mut d_q = Vec::new();
        let kind = self.q.kind();
        for start in (0..t).step_by(self.rows() as usize) {
            let (q, p) = self.probabilities(start)?; // [h, g·r, d], [h, g·r, n] f32
            let (rows, n) = (q.size()[1] / g, p.size()[2]);
            let d_o = d_out.f_narrow(2, start, rows)?.f_reshape([h, g * rows, d])?;
            let low = p.f_to_kind(kind)?;
            let _ = d_v.f_narrow(1, 0, n)?.f_baddbmm_(&low.f_transpose(1, 2)?, &d_o)?;
            let d_p = d_o.f_bmm(&self.v.f_narrow(1, 0, n)?.f_transpose(1, 2)?)?.f_to_kind(Kind::Float)?;
            let d_s = Tensor::f_internal_softmax_backward_data(&d_p, &p, -1, Kind::Float)?.f_to_kind(kind)?;
            d_q.push(d_s.f_bmm(&self.k.f_narrow(1, 0, n)?)?.f_view([h, g, rows, d])?);
            let _ = d_k.f_narrow(1, 0, n)?.f_baddbmm_(&d_s.f_transpose(1, 2)?, &q)?;
        }
        Ok(Heads { q: Tensor::f_cat(&d_q, 2)?, k: d_k, v: d_v })
    }

    /// [`Self::backward`] by libtorch, which computes the forward pass again.
    fn backward_fused(&self, d_out: &Tensor) -> Result<Heads> {
        let gradients = device::with_repeatable_kernels(|| {
            tch::with_grad(|| -> Result<Vec<Tensor>> {
                let leaf = |x: &Tensor| x.f_detach()?.f_set_requires_grad(true);
                let leaves = [leaf(&self.q)?, leaf(&self.k)?, leaf(&self.v)?];
                let out = fused(&leaves[0], &leaves[1], &leaves[2])?;
                // The sum's derivative is 1, so what attention is handed is d_out itself.
                let sum = out.f_mul(d_out)?.f_sum(Kind::Float)?;
                Ok(Tensor::f_run_backward(&[sum], &leaves, false, false)?)
            })
        })?;
        let [q, k, v] = <[Tensor; 3]>::try_from(gradients).expect("each leaf has a gradient");
        Ok(Heads { q, k, v })
    }

    /// A block's queries [h, g·r, d] and attention probabilities [h, g·r, n], f32.
    fn probabilities(&self, start: i64) -> Result<(Tensor, Tensor)> {
        let (h, g, t, d) = self.q.size4()?;
        let rows = self.rows().min(t - start);
        let n = start + rows;
        let q = self.q.f_narrow(2, start, rows)?.f_reshape([h, g * rows, d])?;
        let scores = q.f_bmm(&self.k.f_narrow(1, 0, n)?.f_transpose(1, 2)?)?;
        // Only the last square of scores reaches into the future.
        let future =
            Tensor::f_full([rows, rows], f64::NEG_INFINITY, (scores.kind(), scores.device()))?.f_triu(1)?;
        let _ = scores.f_view([h, g, rows, n])?.f_narrow(3, start, rows)?.f_add_(&future)?;
        Ok((q, scores.f_softmax(-1, Kind::Float)?))
    }
}

/// libtorch's causal attention of q [h, g, t, d], scaled already, with k and v [h, t, d]: [h, g, t, d].
fn fused(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (h, g, t, d) = q.size4()?;
    let q = q.f_reshape([1, h * g, t, d])?;
    let (k, v) = (k.f_unsqueeze(0)?, v.f_unsqueeze(0)?);
    let out =
        Tensor::f_scaled_dot_product_attention::<Tensor>(&q, &k, &v, None, 0.0, true, Some(1.0), g > 1)?;
    Ok(out.f_reshape([h, g, t, d])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_fused_kernel_computes_the_same_and_repeats() {
        let Some(device) = crate::cuda::test_device() else { return };
        let _no_grad = tch::no_grad_guard();
        tch::manual_seed(4);
        let random = |size: &[i64]| Tensor::randn(size, (Kind::BFloat16, device)) * 0.3;
        let (h, g, t, d) = (2, 4, 1500, 64);
        let heads = Heads { q: random(&[h, g, t, d]), k: random(&[h, t, d]), v: random(&[h, t, d]) };
        let wide = |x: &Tensor| x.to_kind(Kind::Float);
        let exact = Heads { q: wide(&heads.q), k: wide(&heads.k), v: wide(&heads.v) };
        let d_out = random(&[h, g, t, d]);
        let off = |a: &Tensor, b: &Tensor| ((wide(a) - b).norm() / b.norm()).double_value(&[]);
        assert!(off(&heads.forward().unwrap(), &exact.forward().unwrap()) < BF16_ERROR);
        let (found, expected) = (heads.backward(&d_out).unwrap(), exact.backward(&wide(&d_out)).unwrap());
        for (found, expected) in [(&found.q, &expected.q), (&found.k, &expected.k), (&found.v, &expected.v)] {
            assert!(off(found, expected) < BF16_ERROR, "{}", off(found, expected));
        }
        for _ in 0..5 {
            let again = heads.backward(&d_out).unwrap();
            assert!(again.q.equal(&found.q) && again.k.equal(&found.k) && again.v.equal(&found.v));
        }
    }

    /// Relative error of results in bf16, of which a rounding is 2⁻⁹.
    const BF16_ERROR: f64 = 1e-2;

    #[test]
    fn attention_and_its_derivative_are_those_of_autograd() {
        // Longer than two blocks of queries, and no multiple of one.
        let (h, g, t, d) = (2, 3, 2 * HOST_ROWS + 45, 8);
        tch::manual_seed(3);
        let random = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        let leaf = |size: &[i64]| random(size).set_requires_grad(true);
        let (q, k, v) = (leaf(&[h, g, t, d]), leaf(&[h, t, d]), leaf(&[h, t, d]));
        let future = Tensor::full([t, t], f64::NEG_INFINITY, (Kind::Float, Device::Cpu)).triu(1);
        let (k1, v1) = (k.unsqueeze(1), v.unsqueeze(1));
        let reference = (q.matmul(&k1.transpose(2, 3)) + future).softmax(-1, Kind::Float).matmul(&v1);
        let d_out = random(&[h, g, t, d]);
        let expected =
            Tensor::run_backward(&[(&reference * &d_out).sum(Kind::Float)], &[&q, &k, &v], false, false);

        let _no_grad = tch::no_grad_guard();
        let heads = Heads { q: q.detach(), k: k.detach(), v: v.detach() };
        let close = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-4, 1e-5, false);
        assert!(close(&heads.forward().unwrap(), &reference.detach()));
        let got = heads.backward(&d_out).unwrap();
        assert!(close(&got.q, &expected[0]) && close(&got.k, &expected[1]) && close(&got.v, &expected[2]));
    }
}
