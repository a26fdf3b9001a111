//! Attention to parts of what a token sees, joined afterwards.
//!
//! softmax over two sets of keys is the mean of softmax over each, weighted by the sum of exponentials over each: so each
//! part keeps the logarithm of its sum beside its output (arXiv 2312.07104 calls it cascade attention).

use crate::Result;
use tch::{Kind, Tensor};

/// What attention to some keys gives.
#[derive(Debug)]
pub struct Part {
    /// [.., dim]
    pub out: Tensor,
    /// The logarithm of the sum of exponentials, f32 without the last dimension; absent where nobody asked for it.
    pub log_sum: Option<Tensor>,
}

/// q [b, h, n, d], k and v [b, h, m, d], bias [b, 1, n, m] of their kind → out [b, h, n, d], log_sum [b, h, n].
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<&Tensor>, with_sum: bool) -> Result<Part> {
    let (b, h, n, d) = q.size4()?;
    // The kernel wants heads as wide as most models have them.
    if q.device().is_cuda() && d % 8 == 0 {
        let bias = bias.map(|bias| bias.f_expand([b, h, n, k.size()[2]], false)).transpose()?;
        let (out, log_sum, ..) = Tensor::f_internal_scaled_dot_product_efficient_attention(
            q,
            k,
            v,
            bias.as_ref(),
            with_sum,
            0.0,
            false,
            None,
        )?;
        // It has a few more than there are queries.
        let log_sum = with_sum.then(|| log_sum.f_narrow(2, 0, n)).transpose()?;
        return Ok(Part { out, log_sum });
    }
    if !with_sum {
        let out = Tensor::f_scaled_dot_product_attention(q, k, v, bias, 0.0, false, None, false)?;
        return Ok(Part { out, log_sum: None });
    }
    let wide = |x: &Tensor| x.f_to_kind(Kind::Float);
    let mut scores = wide(q)?.f_matmul(&wide(k)?.f_transpose(2, 3)?)?.f_mul_scalar((d as f64).powf(-0.5))?;
    if let Some(bias) = bias {
        scores = scores.f_add(&wide(bias)?)?;
    }
    let log_sum = scores.f_logsumexp([-1].as_slice(), true)?;
    let out = scores.f_sub(&log_sum)?.f_exp()?.f_matmul(&wide(v)?)?.f_to_kind(q.kind())?;
    Ok(Part { out, log_sum: Some(log_sum.f_squeeze_dim(3)?) })
}

/// Tokens q [n, heads, d] → all keys k and values v [1, kv heads, m, d]: out [n, heads, d], log_sum [n, heads, 1].
pub fn attend_to_shared(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Part> {
    let ((n, heads, d), kv_heads) = (q.size3()?, k.size()[1]);
    let group = heads / kv_heads;
    // All tokens and the query heads of a key head are queries of one long sequence.
    let folded =
        q.f_view([n, kv_heads, group, d])?.f_permute([1, 0, 2, 3])?.f_reshape([1, kv_heads, n * group, d])?;
    let part = attend(&folded, k, v, None, true)?;
    let unfold = |x: &Tensor, width: i64| {
        x.f_reshape([kv_heads, n, group, width])?.f_permute([1, 0, 2, 3])?.f_reshape([n, heads, width])
    };
    let log_sum = part.log_sum.map(|log_sum| unfold(&log_sum, 1)).transpose()?;
    Ok(Part { out: unfold(&part.out, d)?, log_sum })
}

/// The whole of two parts that have weights [.., 1].
pub fn join(a: Part, b: Part) -> Result<Tensor> {
    let (Some(sum_a), Some(sum_b)) = (&a.log_sum, &b.log_sum) else {
        unreachable!("both were asked to weigh")
    };
    // a's share: exp(a) / (exp(a) + exp(b)).
    let share = sum_a.f_sub(sum_b)?.f_sigmoid()?;
    let wide = |x: &Tensor| x.f_to_kind(Kind::Float);
    Ok(wide(&b.out)?.f_lerp_tensor(&wide(&a.out)?, &share)?.f_to_kind(a.out.kind())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn parts_are_joined_to_the_whole() {
        let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
        tch::manual_seed(11);
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::BFloat16, 1e-2)] {
            let random = |size: &[i64]| Tensor::randn(size, (kind, device));
            let (n, heads, kv_heads, d, shared, own) = (37, 6, 2, 16, 75, 24);
            let q = random(&[n, heads, d]);
            let [k, v] = [(); 2].map(|()| random(&[1, kv_heads, shared + own, d]));
            let parts = [(0, shared), (shared, own)].map(|(first, len)| {
                let part = |x: &Tensor| x.narrow(2, first, len);
                attend_to_shared(&q, &part(&k), &part(&v)).unwrap()
            });
            let [a, b] = parts;
            let found = join(a, b).unwrap();
            let wide = |x: &Tensor| x.to_kind(Kind::Float);
            let heads_first = wide(&q).transpose(0, 1).unsqueeze(0);
            let expected = Tensor::scaled_dot_product_attention::<Tensor>(
                &heads_first,
                &wide(&k),
                &wide(&v),
                None,
                0.0,
                false,
                None,
                true,
            );
            let expected = expected.squeeze_dim(0).transpose(0, 1);
            let off = ((wide(&found) - &expected).norm() / expected.norm()).double_value(&[]);
            assert!(off < tolerance, "{kind:?}: {off}");
        }
    }
}
