//! Root-mean-square norm (arXiv 1910.07467) over the last dimension, in f32 whatever the number format, and its
//! derivative. On a GPU each is one kernel in place of a dozen.

use crate::Result;
use crate::cuda::kernel::{Argument, BF16, Grid, Module};
use tch::{Kind, Tensor};

static KERNELS: Module = Module::new("model/norm.cu", || [BF16, include_str!("norm.cu")].concat());

/// Threads that work on a row.
const THREADS: u32 = 256;

/// weight · x / sqrt(mean(x²) + eps): x [.., n], weight \[n\] → [.., n].
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if let Some([forward, _]) = kernels(x, weight) {
        let x = x.f_contiguous()?;
        return launch(forward, &[&x, weight], &x, eps);
    }
    let wide = x.f_to_kind(Kind::Float)?;
    let mean_square = wide.f_square()?.f_mean_dim(-1, true, Kind::Float)?;
    let scale = mean_square.f_add_scalar(eps)?.f_rsqrt()?;
    Ok(wide.f_mul(&scale)?.f_to_kind(x.kind())?.f_mul(weight)?)
}

/// Gradient of [`rms_norm`] with respect to its input: x [t, n], d_out [t, n] → [t, n].
///
/// With n = x·s and s = 1/sqrt(mean(x²) + eps): dx = s · (w·dy − n · mean(w·dy·n)).
pub fn rms_norm_backward(x: &Tensor, weight: &Tensor, eps: f64, d_out: &Tensor) -> Result<Tensor> {
    if let Some([_, backward]) = kernels(x, weight).filter(|_| d_out.kind() == x.kind()) {
        let (x, d_out) = (x.f_contiguous()?, d_out.f_contiguous()?);
        return launch(backward, &[&x, weight, &d_out], &x, eps);
    }
    let wide = x.f_to_kind(Kind::Float)?;
    let scale = wide.f_square()?.f_mean_dim(-1, true, Kind::Float)?.f_add_scalar(eps)?.f_rsqrt()?; // [t, 1]
    let n = wide.f_mul(&scale)?;
    let d_n = d_out.f_to_kind(Kind::Float)?.f_mul(weight)?;
    let mean = d_n.f_mul(&n)?.f_mean_dim(-1, true, Kind::Float)?;
    Ok(d_n.f_sub(&n.f_mul(&mean)?)?.f_mul(&scale)?.f_to_kind(x.kind())?)
}

/// The names of the kernels, if they can be used.
fn kernels(x: &Tensor, weight: &Tensor) -> Option<[&'static str; 2]> {
    if !x.device().is_cuda() || weight.kind() != x.kind() || !weight.is_contiguous() || x.numel() == 0 {
        return None;
    }
    match x.kind() {
        Kind::Float => Some(["forward_float", "backward_float"]),
        Kind::BFloat16 => Some(["forward_bf16", "backward_bf16"]),
        _ => None,
    }
}

/// One block a row; the result is like `x`.
fn launch(kernel: &'static str, tensors: &[&Tensor], x: &Tensor, eps: f64) -> Result<Tensor> {
    let out = x.f_empty_like()?;
    let n = x.size().last().copied().unwrap_or(1);
    let mut arguments: Vec<_> = tensors.iter().map(|tensor| Argument::Tensor(tensor)).collect();
    arguments.extend([Argument::Int(n as i32), Argument::Float(eps as f32), Argument::Tensor(&out)]);
    let grid = Grid { blocks: x.numel() / n as usize, threads: THREADS, shared_bytes: 0 };
    // SAFETY: these are the kernels' parameters; all tensors are contiguous and as large as x, the weight as its rows.
    unsafe { KERNELS.launch(kernel, x.device(), grid, &arguments)? };
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// Means summed in another order; in bf16 that may round a result to its neighbour.
    const TOLERANCES: [(Kind, f64); 2] = [(Kind::Float, 1e-5), (Kind::BFloat16, 1e-2)];

    #[test]
    fn kernels_compute_what_libtorch_does() {
        let Some(device) = crate::cuda::test_device() else { return };
        tch::manual_seed(5);
        for (kind, tolerance) in TOLERANCES {
            for (rows, n) in [(1, 8), (7, 300), (64, 4096)] {
                let random = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu)).to_kind(kind);
                let (x, weight, d_out) = (random(&[rows, n]), random(&[n]), random(&[rows, n]));
                let place = |tensor: &Tensor| tensor.to_device(device);
                let close = |found: Tensor, expected: Tensor| {
                    let (found, expected) = (found.to_device(Device::Cpu), expected);
                    let norm = |t: &Tensor| t.to_kind(Kind::Double).norm().double_value(&[]);
                    let off = norm(&(&found - &expected)) / norm(&expected);
                    assert!(off < tolerance, "{kind:?} {rows} x {n}: {off}");
                };
                let found = rms_norm(&place(&x), &place(&weight), 1e-5).unwrap();
                close(found, rms_norm(&x, &weight, 1e-5).unwrap());
                let found = rms_norm_backward(&place(&x), &place(&weight), 1e-5, &place(&d_out)).unwrap();
                close(found, rms_norm_backward(&x, &weight, 1e-5, &d_out).unwrap());
            }
        }
    }
}
