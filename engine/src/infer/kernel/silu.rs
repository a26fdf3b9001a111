//! silu(gate) · up, in place.

use super::exp::exp;
use super::has_avx2;
use rayon::prelude::*;

/// Numbers of a task.
const CHUNK: usize = 1 << 14;

/// gate ← gate / (1 + e^−gate) · up
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    let avx2 = has_avx2();
    gate.par_chunks_mut(CHUNK).zip(up.par_chunks(CHUNK)).for_each(|(gate, up)| {
        #[cfg(target_arch = "x86_64")]
        if avx2 {
            // SAFETY: the processor has both features.
            return unsafe { with_avx2(gate, up) };
        }
        let _ = avx2;
        plain(gate, up, false);
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2(gate: &mut [f32], up: &[f32]) {
    plain(gate, up, true);
}

#[inline(always)]
fn plain(gate: &mut [f32], up: &[f32], fused: bool) {
    let up = &up[..gate.len()];
    for i in 0..gate.len() {
        gate[i] = gate[i] / (1.0 + exp(-gate[i], fused)) * up[i];
    }
}

#[cfg(test)]
mod tests {
    use super::silu_mul;

    #[test]
    fn is_silu_times_up() {
        let gate: Vec<f32> = (-1000..1000).map(|i| i as f32 / 10.0).collect();
        let up: Vec<f32> = (0..2000).map(|i| 1.0 + i as f32 / 1000.0).collect();
        let mut got = gate.clone();
        silu_mul(&mut got, &up);
        for ((got, g), u) in got.iter().zip(&gate).zip(&up) {
            let want = f64::from(*g) / (1.0 + f64::from(-*g).exp()) * f64::from(*u);
            assert!((f64::from(*got) - want).abs() <= 1e-6 * want.abs().max(1e-30), "{g}: {got}, {want}");
        }
    }
}
