//! Two methods on the same examples: how large the difference is, and whether chance would give it too.
//!
//! What is compared are differences example by example, so what is hard for both methods cancels. The interval is the
//! paired bootstrap's: both methods are scored on the same draws of examples. Right and wrong of one pair of
//! evaluations are tested by McNemar's exact test; everything else by flipping signs (Fisher's randomization test), of
//! which McNemar's test is the case of differences −1, 0 and 1.
//!
//! Several seeds are taken together example by example, as the mean of their differences. Examples stay what is drawn
//! and flipped: answers of several seeds to one question are not independent. So intervals and p-values say how far
//! other examples would agree, for the seeds at hand; how far other seeds would is the deviation in `summary.csv`.

use serde::{Deserialize, Serialize};
use tacq_protocol::stats::{SplitMix64, mean_interval};

/// Sign flips drawn where there are too many to try them all.
const FLIPS: usize = 9_999;

/// How a p-value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// McNemar's exact test, two-sided.
    Mcnemar,
    /// Signs of the differences flipped, two-sided: all ways, or [`FLIPS`] of them at random.
    SignFlip,
}

/// A mean difference and its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Mean of the differences.
    pub mean: f64,
    /// Its 95 % interval; absent for fewer than two examples.
    pub interval: Option<[f64; 2]>,
    /// Probability of a difference at least as large, either way, if the methods were exchangeable.
    pub p_value: f64,
    /// How it was found.
    pub test: Test,
}

/// Compares by differences, one an example; nothing of nothing. All must be finite.
pub fn compare(differences: &[f64]) -> Option<Comparison> {
    if differences.is_empty() {
        return None;
    }
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let (p_value, test) = match discordant(differences) {
        Some((wins, losses)) => (mcnemar(wins, losses), Test::Mcnemar),
        None => (sign_flip(differences), Test::SignFlip),
    };
    Some(Comparison { mean, interval: mean_interval(differences), p_value, test })
}

/// How often only the one and only the other is right, if that is all that the differences say.
fn discordant(differences: &[f64]) -> Option<(u64, u64)> {
    let mut counts = (0, 0);
    for &difference in differences {
        match difference {
            1.0 => counts.0 += 1,
            -1.0 => counts.1 += 1,
            0.0 => {}
            _ => return None,
        }
    }
    Some(counts)
}

/// McNemar's exact test, two-sided: the probability of a split at least as uneven in tosses of a fair coin
/// (McNemar 1947). Summed in logarithms, so that thousands of examples neither overflow nor vanish.
fn mcnemar(wins: u64, losses: u64) -> f64 {
    let (n, k) = (wins + losses, wins.min(losses));
    if wins == losses {
        return 1.0;
    }
    // log2 C(n, k), then the terms below it by their ratios: C(n, j − 1) / C(n, j) = j / (n − j + 1).
    let log2_choose: f64 = (1..=k).map(|i| ((n - k + i) as f64 / i as f64).log2()).sum();
    let (mut term, mut sum) = (1.0, 1.0);
    for j in (1..=k).rev() {
        term *= j as f64 / (n - j + 1) as f64;
        sum += term;
    }
    (2.0 * sum * (log2_choose - n as f64).exp2()).min(1.0)
}

/// Share of the ways to flip signs whose sum is at least as far from 0 as the one found.
fn sign_flip(differences: &[f64]) -> f64 {
    // Zeros have no sign.
    let values: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    // Flipped sums that are equal on paper differ in their last digits.
    let found = values.iter().sum::<f64>().abs() * (1.0 - 1e-9);
    let ways = u32::try_from(values.len()).ok().and_then(|n| 1_usize.checked_shl(n));
    if let Some(ways) = ways.filter(|ways| *ways <= FLIPS) {
        let as_far = (0..ways as u64).filter(|&bits| flipped(&values, || bits).abs() >= found).count();
        return as_far as f64 / ways as f64;
    }
    let mut random = SplitMix64::fixed();
    let as_far = (0..FLIPS).filter(|_| flipped(&values, || random.bits()).abs() >= found).count();
    // The way found is one of them: p is never 0, and the test keeps its level (Phipson and Smyth 2010).
    (as_far + 1) as f64 / (FLIPS + 1) as f64
}

/// The sum with the signs flipped where a bit is set; 64 bits at a time.
fn flipped(values: &[f64], mut bits: impl FnMut() -> u64) -> f64 {
    let mut sum = 0.0;
    for chunk in values.chunks(64) {
        let mut bits = bits();
        for value in chunk {
            sum += f64::from_bits(value.to_bits() ^ (bits << 63));
            bits >>= 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `wins` times 1, `losses` times −1, zeros up to `n`.
    fn outcomes(wins: usize, losses: usize, n: usize) -> Vec<f64> {
        (0..n)
            .map(|i| {
                if i < wins {
                    1.0
                } else if i < wins + losses {
                    -1.0
                } else {
                    0.0
                }
            })
            .collect()
    }

    #[test]
    fn mcnemar_has_the_values_of_the_binomial_table() {
        // 2 · (1 + 12 + 66) / 2^12.
        assert!((mcnemar(10, 2) - 158.0 / 4096.0).abs() < 1e-12);
        assert_eq!(mcnemar(10, 2), mcnemar(2, 10));
        // 2 · (1 + 6) / 2^6.
        assert!((mcnemar(5, 1) - 14.0 / 64.0).abs() < 1e-12);
        assert!((mcnemar(8, 0) - 2.0 / 256.0).abs() < 1e-15);
        assert_eq!((mcnemar(0, 0), mcnemar(7, 7), mcnemar(0, 1)), (1.0, 1.0, 1.0));
    }

    #[test]
    fn mcnemar_neither_overflows_nor_vanishes() {
        // The sums in whole numbers of any size, divided once.
        assert!((mcnemar(700, 800) - 0.010_559_255_466_711_5).abs() < 1e-12, "{}", mcnemar(700, 800));
        let tiny = mcnemar(400, 1100);
        assert!((tiny.log10() + 74.900_303_575).abs() < 1e-8, "{}", tiny.log10());
    }

    #[test]
    fn the_interval_covers_a_constructed_difference() {
        // 150 wins and 50 losses of 1000: 0.1, with a standard error of sqrt((0.2 − 0.01) / 1000) = 0.01378.
        let found = compare(&outcomes(150, 50, 1000)).unwrap();
        let [low, high] = found.interval.unwrap();
        assert_eq!((found.mean, found.test), (0.1, Test::Mcnemar));
        assert!((low - 0.073).abs() < 0.003 && (high - 0.127).abs() < 0.003, "{low} {high}");
        assert!(found.p_value < 1e-11, "{}", found.p_value);
    }

    #[test]
    fn pairing_sees_what_two_intervals_hide() {
        // Losses of windows differ by whole nats, those of one window by a hundredth.
        let hard = |i: i32| f64::from(i % 10);
        let differences: Vec<f64> =
            (0..100).map(|i| (hard(i) - 0.01 - f64::from(i % 3) * 1e-3) - hard(i)).collect();
        let found = compare(&differences).unwrap();
        let [low, high] = found.interval.unwrap();
        assert!(-0.0115 < low && high < -0.0105, "{low} {high}");
        assert_eq!((found.test, found.p_value), (Test::SignFlip, 1e-4));
    }

    #[test]
    fn few_examples_are_flipped_in_every_way() {
        let p = |differences: &[f64]| compare(differences).unwrap().p_value;
        assert_eq!(p(&[0.1, 0.2, 0.3, 0.4, 0.5]), 2.0 / 32.0);
        // 0.1 + 0.2 = 0.3 though not in binary: 8 of 8 ways are at least 0 from 0.
        assert_eq!(p(&[0.1, 0.2, -0.3]), 1.0);
        assert_eq!(p(&[0.5]), 1.0);
        assert_eq!(compare(&[0.5]).unwrap().interval, None);
        assert_eq!(compare(&[]), None);
    }

    #[test]
    fn flipping_all_signs_of_wins_and_losses_is_mcnemars_test() {
        let exact = sign_flip(&outcomes(10, 2, 40));
        assert!((exact - 158.0 / 4096.0).abs() < 1e-12, "{exact}");
        let drawn = sign_flip(&outcomes(30, 14, 100));
        assert!((drawn - mcnemar(30, 14)).abs() < 0.004, "{drawn} {}", mcnemar(30, 14));
    }

    #[test]
    fn methods_that_agree_do_not_differ() {
        let same = compare(&[0.0; 20]).unwrap();
        assert_eq!((same.mean, same.interval, same.p_value), (0.0, Some([0.0, 0.0]), 1.0));
    }
}
