//! Eight weights at a time.

use super::super::power::{EXPONENT_OFFSET, FIFTH_POWERS, MANTISSA};
use super::{Grid, LANES, STRIDE};
use std::arch::x86_64::*;

/// See [`super::error_sum`].
#[target_feature(enable = "avx2,fma")]
pub fn error_sum(weights: &[f32], grid: Grid, max_code: f32, limit: f32) -> f32 {
    let levels = Levels {
        scale: _mm256_set1_ps(grid.scale),
        zero: _mm256_set1_ps(grid.zero),
        max_code: _mm256_set1_ps(max_code),
    };
    let mut sums = [_mm256_setzero_ps(); 2];
    let mut total = 0.0;
    for stride in weights.chunks(STRIDE) {
        for step in stride.chunks_exact(LANES) {
            for (half, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `step` holds LANES = 16 floats, of which this reads eight from 0 or 8.
                let weight = unsafe { _mm256_loadu_ps(step.as_ptr().add(8 * half)) };
                *sum = _mm256_add_ps(*sum, power_2_4(levels.distance(weight)));
            }
        }
        total = horizontal_sum(_mm256_add_ps(sums[0], sums[1]));
        if total > limit {
            break;
        }
    }
    total
}

struct Levels {
    scale: __m256,
    zero: __m256,
    max_code: __m256,
}

impl Levels {
    /// |ŵ − w|
    #[target_feature(enable = "avx2,fma")]
    fn distance(&self, weight: __m256) -> __m256 {
        const NEAREST_EVEN: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        let steps = _mm256_round_ps::<NEAREST_EVEN>(_mm256_div_ps(weight, self.scale));
        let code = _mm256_add_ps(steps, self.zero);
        let code = _mm256_min_ps(_mm256_max_ps(code, _mm256_setzero_ps()), self.max_code);
        let error = _mm256_fmsub_ps(self.scale, _mm256_sub_ps(code, self.zero), weight);
        _mm256_andnot_ps(_mm256_set1_ps(-0.0), error)
    }
}

/// The vector form of `power::power_2_4`.
#[target_feature(enable = "avx2,fma")]
fn power_2_4(x: __m256) -> __m256 {
    let bits = _mm256_castps_si256(x);
    let exponent = _mm256_srli_epi32::<23>(bits);
    let twelve = _mm256_add_epi32(_mm256_slli_epi32::<3>(exponent), _mm256_slli_epi32::<2>(exponent));
    let dividend = _mm256_add_epi32(twelve, _mm256_set1_epi32(1));
    // Division by 5 as ·52429 >> 18, exact for 16-bit dividends; the upper halves of the lanes are zero.
    let quotient = _mm256_srli_epi32::<2>(_mm256_mulhi_epu16(dividend, _mm256_set1_epi32(52_429)));
    let five_quotient = _mm256_add_epi32(_mm256_slli_epi32::<2>(quotient), quotient);
    let remainder = _mm256_sub_epi32(dividend, five_quotient);
    let fifth = _mm256_permutevar8x32_ps(_mm256_setr_ps_array(&FIFTH_POWERS), remainder);
    let field = _mm256_sub_epi32(quotient, _mm256_set1_epi32(EXPONENT_OFFSET));
    let field = _mm256_min_epi32(_mm256_max_epi32(field, _mm256_setzero_si256()), _mm256_set1_epi32(255));
    let power_of_two = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(field));
    let fraction = _mm256_and_si256(bits, _mm256_set1_epi32(0x007f_ffff));
    let m = _mm256_castsi256_ps(_mm256_or_si256(fraction, _mm256_set1_epi32(0x3f80_0000)));
    let [c0, c1, c2, c3, c4, c5] = MANTISSA;
    let mut mantissa = _mm256_set1_ps(c5);
    for coefficient in [c4, c3, c2, c1, c0] {
        mantissa = _mm256_fmadd_ps(mantissa, m, _mm256_set1_ps(coefficient));
    }
    _mm256_mul_ps(_mm256_mul_ps(mantissa, fifth), power_of_two)
}

#[target_feature(enable = "avx2,fma")]
fn _mm256_setr_ps_array(values: &[f32; 8]) -> __m256 {
    // SAFETY: eight floats are read from an array of eight.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

/// Adds the lanes pairwise; monotone in every lane, so a growing sum never shrinks.
#[target_feature(enable = "avx2,fma")]
pub fn horizontal_sum(v: __m256) -> f32 {
    let halves = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
    _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
}
