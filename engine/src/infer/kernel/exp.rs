//! e^x for f32, the same for every lane.

/// 1.5 · 2^23: adding it leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first with zeros at its end, so that n · HIGH is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Below, the result would not be a normal number; it is 0 then.
const SMALLEST: f32 = -87.0;
/// Above, the result would overflow; arguments are cut there.
const LARGEST: f32 = 88.0;

/// e^x within 2 units in the last place for x in −87 ..= 88, 0 below, e^88 above.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; e^r by the polynomial of Cephes' expf (Moshier 1992); times 2^n. `fused` (a constant) says whether a · b + c may be
/// rounded once: only where the processor has an instruction for it.
#[inline(always)]
pub fn exp(x: f32, fused: bool) -> f32 {
    let madd = |a: f32, b: f32, c: f32| if fused { a.mul_add(b, c) } else { a * b + c };
    let cut = if x > SMALLEST { x } else { SMALLEST };
    let cut = if cut < LARGEST { cut } else { LARGEST };
    let shifted = madd(cut, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = madd(n, -LN2_LOW, madd(n, -LN2_HIGH, cut));
    let mut p = 1.987_569_2e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        p = madd(p, r, coefficient);
    }
    let fraction = madd(p, r * r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let power = f32::from_bits(((exponent + 127) << 23) as u32);
    if x > SMALLEST { fraction * power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_exponential() {
        for i in -870_000..=880_000 {
            let x = i as f32 * 1e-4;
            let want = f64::from(x).exp();
            for got in [exp(x, true), exp(x, false)] {
                let relative = (f64::from(got) / want - 1.0).abs();
                assert!(x <= SMALLEST || relative < 2.0 * f64::from(f32::EPSILON), "{x}: {got}, {want}");
            }
        }
        assert_eq!([exp(f32::NEG_INFINITY, true), exp(-100.0, true)], [0.0, 0.0]);
        assert_eq!(exp(0.0, true), 1.0);
        assert!(exp(1e9, true).is_finite());
    }
}
