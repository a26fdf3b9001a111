//! Sixteen weights at a time; the operations and the order of sums of [`avx2`], and so the same bits.

use super::super::power::{EXPONENT_OFFSET, FIFTH_POWERS, MANTISSA};
use super::{Grid, LANES, STRIDE, avx2};
use std::arch::x86_64::*;

/// See [`super::error_sum`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub fn error_sum(weights: &[f32], grid: Grid, max_code: f32, limit: f32) -> f32 {
    let levels = Levels {
        scale: _mm512_set1_ps(grid.scale),
        zero: _mm512_set1_ps(grid.zero),
        max_code: _mm512_set1_ps(max_code),
    };
    let mut sums = _mm512_setzero_ps();
    let mut total = 0.0;
    for stride in weights.chunks(STRIDE) {
        for step in stride.chunks_exact(LANES) {
            // SAFETY: `step` holds LANES = 16 floats.
            let weight = unsafe { _mm512_loadu_ps(step.as_ptr()) };
            sums = _mm512_add_ps(sums, power_2_4(levels.distance(weight)));
        }
        total = avx2::horizontal_sum(_mm256_add_ps(lower(sums), upper(sums)));
        if total > limit {
            break;
        }
    }
    total
}

#[target_feature(enable = "avx512f")]
fn lower(v: __m512) -> __m256 {
    _mm512_castps512_ps256(v)
}

#[target_feature(enable = "avx512f")]
fn upper(v: __m512) -> __m256 {
    _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v)))
}

struct Levels {
    scale: __m512,
    zero: __m512,
    max_code: __m512,
}

impl Levels {
    /// |ŵ − w|
    #[target_feature(enable = "avx512f")]
    fn distance(&self, weight: __m512) -> __m512 {
        const NEAREST_EVEN: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        let steps = _mm512_roundscale_ps::<NEAREST_EVEN>(_mm512_div_ps(weight, self.scale));
        let code = _mm512_add_ps(steps, self.zero);
        let code = _mm512_min_ps(_mm512_max_ps(code, _mm512_setzero_ps()), self.max_code);
        _mm512_abs_ps(_mm512_fmsub_ps(self.scale, _mm512_sub_ps(code, self.zero), weight))
    }
}

/// The vector form of `power::power_2_4`.
#[target_feature(enable = "avx512f,avx512bw")]
fn power_2_4(x: __m512) -> __m512 {
    let bits = _mm512_castps_si512(x);
    let exponent = _mm512_srli_epi32::<23>(bits);
    let twelve = _mm512_add_epi32(_mm512_slli_epi32::<3>(exponent), _mm512_slli_epi32::<2>(exponent));
    let dividend = _mm512_add_epi32(twelve, _mm512_set1_epi32(1));
    // Division by 5 as ·52429 >> 18, exact for 16-bit dividends; the upper halves of the lanes are zero.
    let quotient = _mm512_srli_epi32::<2>(_mm512_mulhi_epu16(dividend, _mm512_set1_epi32(52_429)));
    let five_quotient = _mm512_add_epi32(_mm512_slli_epi32::<2>(quotient), quotient);
    let remainder = _mm512_sub_epi32(dividend, five_quotient);
    // SAFETY: eight floats are read from an array of eight.
    let powers = _mm512_castps256_ps512(unsafe { _mm256_loadu_ps(FIFTH_POWERS.as_ptr()) });
    // Remainders are below 5: of the table's upper half, which is undefined, nothing is taken.
    let fifth = _mm512_permutexvar_ps(remainder, powers);
    let field = _mm512_sub_epi32(quotient, _mm512_set1_epi32(EXPONENT_OFFSET));
    let field = _mm512_min_epi32(_mm512_max_epi32(field, _mm512_setzero_si512()), _mm512_set1_epi32(255));
    let power_of_two = _mm512_castsi512_ps(_mm512_slli_epi32::<23>(field));
    let fraction = _mm512_and_si512(bits, _mm512_set1_epi32(0x007f_ffff));
    let m = _mm512_castsi512_ps(_mm512_or_si512(fraction, _mm512_set1_epi32(0x3f80_0000)));
    let [c0, c1, c2, c3, c4, c5] = MANTISSA;
    let mut mantissa = _mm512_set1_ps(c5);
    for coefficient in [c4, c3, c2, c1, c0] {
        mantissa = _mm512_fmadd_ps(mantissa, m, _mm512_set1_ps(coefficient));
    }
    _mm512_mul_ps(_mm512_mul_ps(mantissa, fifth), power_of_two)
}
