use super::*;
use crate::quant::testing::Normal;

/// How much worse (relative, in f64) the chosen range may be than the best of the 80: f32 sums tie within this.
const CHOICE_SLACK: f64 = 1e-5;

fn bits(n: u64) -> Bits {
    Bits::new(n).unwrap()
}

/// The whole search in f64, as the definition reads: error of each of the 80 candidate ranges.
fn brute_force(weights: &[f32], n_bits: u64) -> Vec<(f64, f64, f64)> {
    let max_code = f64::from(2u32.pow(n_bits as u32) - 1);
    let xmin = weights.iter().fold(0.0f64, |a, &w| a.min(w.into()));
    let xmax = weights.iter().fold(0.0f64, |a, &w| a.max(w.into()));
    (0..80)
        .map(|i| {
            let p = 1.0 - f64::from(i) / 100.0;
            let scale = (p * xmax - p * xmin) / max_code;
            let zero = (-p * xmin / scale).round_ties_even();
            let error = weights
                .iter()
                .map(|&w| {
                    let w = f64::from(w);
                    let q = ((w / scale).round_ties_even() + zero).clamp(0.0, max_code);
                    (scale * (q - zero) - w).abs().powf(2.4)
                })
                .sum();
            (error, scale, zero)
        })
        .collect()
}

#[test]
fn the_search_finds_the_best_of_the_shrunk_ranges() {
    let mut normal = Normal::new(1);
    for n_bits in [2, 3, 4, 8] {
        for len in [1, 31, 128, 576] {
            let mut weights = normal.vector(len, 0.05);
            weights[len / 2] *= 8.0;
            let chosen =
                GridFinder::new(bits(n_bits), GridKind::Mse, false).find(&weights, &mut Scratch::default());
            let all = brute_force(&weights, n_bits);
            let best = all.iter().map(|c| c.0).fold(f64::INFINITY, f64::min);
            let (error, ..) = all
                .iter()
                .find(|(_, scale, zero)| {
                    (scale / f64::from(chosen.scale) - 1.0).abs() < 1e-5 && *zero == f64::from(chosen.zero)
                })
                .expect("the chosen grid is one of the candidates");
            assert!(*error <= best * (1.0 + CHOICE_SLACK), "{n_bits} bit, {len}: {error} against {best}");
        }
    }
}

#[test]
fn minmax_covers_the_range_and_zero() {
    let grid = GridFinder::new(bits(2), GridKind::Minmax, false).find(&[0.5, 1.5], &mut Scratch::default());
    assert_eq!(grid, Grid { scale: 0.5, zero: 0.0 });
    assert_eq!((grid.code(0.74, 3.0), grid.code(0.75, 3.0), grid.code(9.0, 3.0)), (1, 2, 3));
}

#[test]
fn halves_round_to_even() {
    let grid = Grid { scale: 1.0, zero: 0.0 };
    let codes: Vec<u8> = [0.5, 1.5, 2.5, 3.5].iter().map(|&w| grid.code(w, 15.0)).collect();
    assert_eq!(codes, [0, 2, 2, 4]);
}

#[test]
fn a_row_of_zeros_stays_zero() {
    for kind in [GridKind::Minmax, GridKind::Mse] {
        for n_bits in 1..=8 {
            let finder = GridFinder::new(bits(n_bits), kind, false);
            let grid = finder.find(&[0.0; 9], &mut Scratch::default());
            assert_eq!(grid.value(grid.code(0.0, finder.max_code())), 0.0);
        }
    }
}

#[test]
fn half_precision_scales_are_positive_and_finite() {
    for (scale, expected) in [(1e-12, half::f16::MIN_POSITIVE_SUBNORMAL), (1e9, half::f16::MAX)] {
        assert_eq!(round_scale_to_half(scale), expected.to_f32());
    }
    let grid =
        GridFinder::new(bits(4), GridKind::Mse, true).find(&[0.1, -0.7, 0.33], &mut Scratch::default());
    assert_eq!(half::f16::from_f32(grid.scale).to_f32(), grid.scale);
}

#[test]
fn tiny_and_huge_rows_get_a_usable_grid() {
    for magnitude in [1e-40f32, 1e-20, 1e10] {
        let finder = GridFinder::new(bits(3), GridKind::Mse, false);
        let grid = finder.find(&[magnitude, -magnitude / 3.0, 0.0], &mut Scratch::default());
        assert!(grid.scale > 0.0 && grid.scale.is_finite() && (0.0..=7.0).contains(&grid.zero), "{grid:?}");
    }
}
