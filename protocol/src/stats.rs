//! Uncertainty of scores: bootstrap intervals over examples, alike in artifacts and tables.
//!
//! The percentile bootstrap (Efron and Tibshirani, *An Introduction to the Bootstrap*, chapter 13): examples are drawn
//! with replacement, the statistic is taken of each draw, and the 2.5 % and 97.5 % quantiles are the interval. Draws
//! come from a fixed seed, so that equal values have equal intervals.

/// Draws of a bootstrap: the quantiles' own noise is then well below a tenth of the interval.
pub const RESAMPLES: usize = 2000;

/// The 95 % interval of the mean of `values`; none for fewer than two.
pub fn mean_interval(values: &[f64]) -> Option<[f64; 2]> {
    let means = bootstrap_means(values);
    Some([quantile(&means, 0.025)?, quantile(&means, 0.975)?])
}

/// Means of [`RESAMPLES`] draws of `values`, sorted; empty for fewer than two values.
pub fn bootstrap_means(values: &[f64]) -> Vec<f64> {
    if values.len() < 2 {
        return Vec::new();
    }
    let n = values.len();
    let mut random = SplitMix64::fixed();
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| (0..n).map(|_| values[random.below(n)]).sum::<f64>() / n as f64).collect();
    means.sort_by(f64::total_cmp);
    means
}

/// A quantile of sorted values, interpolated between neighbours; none if there are none.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let low = place.floor() as usize;
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64))
}

/// SplitMix64 (Steele, Lea and Flood 2014): the draws of intervals and tests, the same everywhere.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The one generator of this module and of the tests that go with it.
    pub fn fixed() -> Self {
        Self(0x7461_6371)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, by multiplication; its bias of n / 2^64 is nothing beside the bootstrap's noise.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_near_the_normal_one() {
        // 60 of 100: the normal approximation is 0.6 ± 1.96 · sqrt(0.24 / 100).
        let values: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i % 5 < 3))).collect();
        let [low, high] = mean_interval(&values).unwrap();
        assert!((low - 0.504).abs() < 0.015 && (high - 0.696).abs() < 0.015, "{low} {high}");
        assert_eq!(mean_interval(&values), Some([low, high]));
    }

    #[test]
    fn without_spread_there_is_none() {
        assert_eq!(mean_interval(&[1.0; 10]), Some([1.0, 1.0]));
        assert_eq!(mean_interval(&[1.0]), None);
        assert_eq!(quantile(&[1.0, 2.0], 0.25), Some(1.25));
    }
}
