//! Σ|ŵ − w|^2.4 over a row: the inner loop of the grid search.

use super::Grid;
use super::power::power_2_4;

/// Weights per step of the loop; rows are padded to a multiple of it.
const LANES: usize = 16;
/// Weights between two looks at whether the sum is already too large.
const STRIDE: usize = 64;

/// Copies `weights` to `padded`, with zeros up to a multiple of the loop's step: the weight 0 is a level of every grid,
/// so they add nothing to an error.
pub fn pad(weights: &[f32], padded: &mut Vec<f32>) {
    padded.clear();
    padded.extend_from_slice(weights);
    padded.resize(weights.len().next_multiple_of(LANES), 0.0);
}

/// The error of quantizing `weights` (see [`pad`]) with `grid`; some value above `limit` once the sum exceeds it.
pub fn error_sum(weights: &[f32], grid: Grid, max_code: f32, limit: f32) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has both features, and what they include.
        return unsafe { avx512::error_sum(weights, grid, max_code, limit) };
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both features.
        return unsafe { avx2::error_sum(weights, grid, max_code, limit) };
    }
    portable(weights, grid, max_code, limit)
}

/// [`error_sum`] for every processor.
pub fn portable(weights: &[f32], grid: Grid, max_code: f32, limit: f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let mut total = 0.0;
    for stride in weights.chunks(STRIDE) {
        for step in stride.chunks_exact(LANES) {
            for (sum, &weight) in sums.iter_mut().zip(step) {
                let code = ((weight / grid.scale).round_ties_even() + grid.zero).clamp(0.0, max_code);
                *sum += power_2_4((grid.scale * (code - grid.zero) - weight).abs());
            }
        }
        total = sums.iter().sum();
        if total > limit {
            break;
        }
    }
    total
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sum the same terms, rounded to f32, in different orders.
    const RELATIVE_DIFFERENCE: f32 = 1e-5;

    #[test]
    fn the_processors_kernel_agrees_with_the_portable_one() {
        for len in [16, 48, 128, 1536] {
            let weights: Vec<f32> = (0..len).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.4).collect();
            for grid in [Grid { scale: 0.15, zero: 3.0 }, Grid { scale: 0.05, zero: 2.0 }] {
                let fast = error_sum(&weights, grid, 7.0, f32::INFINITY);
                let plain = portable(&weights, grid, 7.0, f32::INFINITY);
                assert!((fast - plain).abs() <= RELATIVE_DIFFERENCE * plain, "{len}: {fast} and {plain}");
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn wider_registers_change_no_bit() {
        if !(is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl")) {
            eprintln!("skipped: the processor has no AVX-512");
            return;
        }
        for len in [16, 48, 128, 1536] {
            let weights: Vec<f32> = (0..len).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.4).collect();
            for (scale, zero) in [(0.15, 3.0), (0.05, 2.0), (1e-3, 0.0), (3e4, 7.0)] {
                let grid = Grid { scale, zero };
                for limit in [f32::INFINITY, 0.01] {
                    // SAFETY: the processor has both features, and what they include.
                    let sums = unsafe {
                        [
                            avx2::error_sum(&weights, grid, 7.0, limit),
                            avx512::error_sum(&weights, grid, 7.0, limit),
                        ]
                    };
                    assert_eq!(sums[0].to_bits(), sums[1].to_bits(), "{len} {grid:?} {limit}");
                }
            }
        }
    }

    #[test]
    fn a_hopeless_sum_stops_above_the_limit() {
        let weights = vec![0.9f32; 1024];
        let grid = Grid { scale: 0.01, zero: 0.0 };
        let full = error_sum(&weights, grid, 7.0, f32::INFINITY);
        let stopped = error_sum(&weights, grid, 7.0, full / 4.0);
        assert!(stopped > full / 4.0 && stopped < full);
    }

    #[test]
    fn padding_adds_no_error() {
        let mut padded = Vec::new();
        pad(&[0.3; 17], &mut padded);
        assert_eq!(padded.len(), 32);
        let grid = Grid { scale: 0.25, zero: 1.0 };
        let all = portable(&padded, grid, 7.0, f32::INFINITY);
        let seventeen = 17.0 * power_2_4(0.05);
        assert!((all - seventeen).abs() <= RELATIVE_DIFFERENCE * seventeen);
    }
}
