//! Drawing tokens such that neither batch nor order changes a draw.

mod device;

use super::kernel::floats;
use crate::Result;
use rayon::prelude::*;
use tacq_protocol::task::Decoding;
use tch::{Device, Tensor};

/// Second word of the generator's key: draws of other uses with the same seed would be others.
const USE: u32 = 0x7461_6371;

/// A number in 0 ≤ u < 1 that depends on seed, example and position alone.
///
/// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011) with the key (seed, [`USE`]) and the counter (position, example);
/// the first 53 bits of its output.
pub fn uniform(seed: u32, example: u64, position: u64) -> f64 {
    let counter = [position as u32, (position >> 32) as u32, example as u32, (example >> 32) as u32];
    let [a, b, ..] = philox(counter, [seed, USE]);
    let bits = (u64::from(a) << 32 | u64::from(b)) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let first = u64::from(counter[0]) * 0xD251_1F53;
        let second = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

/// The token at `u` of the nucleus (arXiv 1904.09751): p is the softmax of logits / temperature; the likeliest tokens
/// stay until their sum reaches `top_p`, the lower id first among equals, at least one; `u` picks one by its share, as
/// transformers' temperature and top-p processors with a multinomial draw do. `None` if a logit is NaN or all are −∞.
pub fn nucleus(logits: &[f32], temperature: f64, top_p: f64, u: f64) -> Option<u32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() || logits.iter().any(|x| x.is_nan()) {
        return None;
    }
    let weight = |x: f32| ((f64::from(x) - f64::from(max)) / temperature).exp();
    let total: f64 = logits.iter().map(|&x| weight(x)).sum();
    // Tokens below this share add up to less than 1 − top_p: they cannot be in the nucleus, and are not sorted.
    let least = (1.0 - top_p) / logits.len() as f64 * total;
    let weights = logits.iter().enumerate().map(|(id, &x)| (weight(x), id as u32));
    let mut kept: Vec<(f64, u32)> = weights.filter(|(w, _)| *w >= least).collect();
    kept.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut sum = 0.0;
    let enough = kept.iter().position(|(w, _)| {
        sum += w;
        sum >= top_p * total
    });
    kept.truncate(enough.map_or(kept.len(), |last| last + 1));
    let target = u * kept.iter().map(|(w, _)| w).sum::<f64>();
    let mut sum = 0.0;
    let found = kept.iter().find(|(w, _)| {
        sum += w;
        sum > target
    });
    // Rounding can leave the sum just short of a target near 1.
    found.or(kept.last()).map(|(_, id)| *id)
}

/// One token for each row of `logits` [n, vocab] f32, i64 \[n\] where the logits are; `draws` names each row's example and
/// position. A row whose logits are not finite has −1.
pub fn choose(decoding: &Decoding, logits: &Tensor, draws: &[(u64, u64)]) -> Result<Tensor> {
    match decoding {
        Decoding::Greedy => {
            let best = logits.f_argmax(-1, false)?;
            // NaN counts as the largest, so it is seen here.
            let value = logits.f_gather(1, &best.f_unsqueeze(1)?, false)?.f_squeeze_dim(1)?;
            Ok(best.f_masked_fill(&value.f_isfinite()?.f_logical_not()?, -1)?)
        }
        Decoding::Sample { temperature, top_p, seed } => {
            let (temperature, top_p, seed) = (temperature.to_f64(), top_p.to_f64(), seed.get());
            if logits.device() != Device::Cpu {
                let u: Vec<f64> =
                    draws.iter().map(|&(example, position)| uniform(seed, example, position)).collect();
                return device::nucleus(logits, temperature, top_p, &u);
            }
            let logits = logits.f_contiguous()?;
            let vocab = logits.size()[1] as usize;
            let pick = |(logits, (example, position)): (&[f32], &(u64, u64))| {
                nucleus(logits, temperature, top_p, uniform(seed, *example, *position)).map_or(-1, i64::from)
            };
            let tokens: Vec<i64> = floats::of(&logits).par_chunks_exact(vocab).zip(draws).map(pick).collect();
            Ok(Tensor::f_from_slice(&tokens)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 library.
    #[test]
    fn philox_is_the_published_generator() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let (counter, key) =
            ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(philox(counter, key), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    /// Shares of draws of three examples' positions.
    fn counts(logits: &[f32], temperature: f64, top_p: f64, n: u64) -> Vec<u64> {
        let mut counts = vec![0; logits.len()];
        for i in 0..n {
            let id = nucleus(logits, temperature, top_p, uniform(5, i % 3, i / 3)).unwrap();
            counts[id as usize] += 1;
        }
        counts
    }

    #[test]
    fn draws_have_the_softmax_distribution() {
        let logits = [0.3f32, -1.0, 2.0, 0.0, 1.5, -3.0, 0.7, 1.0];
        let (temperature, n) = (0.8, 60_000);
        let weights: Vec<f64> = logits.iter().map(|&x| (f64::from(x) / temperature).exp()).collect();
        let total: f64 = weights.iter().sum();
        let chi_square: f64 = counts(&logits, temperature, 1.0, n)
            .iter()
            .zip(&weights)
            .map(|(&count, w)| {
                let expected = w / total * n as f64;
                (count as f64 - expected).powi(2) / expected
            })
            .sum();
        // The 0.999 quantile of chi square with 7 degrees of freedom.
        assert!(chi_square < 24.3, "{chi_square}");
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_that_reaches_top_p() {
        // p = 0.5, 0.3, 0.15, 0.05
        let logits: Vec<f32> = [0.15f32, 0.5, 0.05, 0.3].iter().map(|p| p.ln()).collect();
        let kept = |top_p| {
            let counts = counts(&logits, 1.0, top_p, 4000);
            (0..4).filter(|&i| counts[i] > 0).collect::<Vec<_>>()
        };
        assert_eq!(kept(0.4), [1]);
        assert_eq!(kept(0.6), [1, 3]);
        assert_eq!(kept(0.79), [1, 3]);
        assert_eq!(kept(0.9), [0, 1, 3]);
        assert_eq!(kept(1.0), [0, 1, 2, 3]);
    }

    #[test]
    fn of_equals_the_lower_ids_stay() {
        assert_eq!(counts(&[1.0; 4], 1.0, 0.5, 400)[2..], [0, 0]);
        let decoding = Decoding::Greedy;
        let logits = Tensor::from_slice(&[1.0f32, 3.0, 3.0, 2.0]).view([1, 4]);
        assert!(choose(&decoding, &logits, &[(0, 0)]).unwrap().equal(&Tensor::from_slice(&[1_i64])));
    }

    #[test]
    fn what_is_no_number_is_not_chosen() {
        assert_eq!(nucleus(&[0.0, f32::NAN], 1.0, 0.9, 0.5), None);
        assert_eq!(nucleus(&[f32::INFINITY, 0.0], 1.0, 0.9, 0.5), None);
        let logits = Tensor::from_slice(&[1.0f32, f32::NAN, 3.0, 2.0]).view([2, 2]);
        let chosen = choose(&Decoding::Greedy, &logits, &[(0, 0); 2]).unwrap();
        assert!(chosen.equal(&Tensor::from_slice(&[-1_i64, 0])));
    }
}
