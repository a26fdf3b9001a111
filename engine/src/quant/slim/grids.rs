//! The grid of a row's group.

use crate::quant::gptq::Segment;
use crate::quant::grid::power::power_2_4;
use crate::quant::grid::{Grid, kernel, largest_code as max_code};
use half::f16;

/// Ranges are compared from 10 % narrower to 10 % wider, in so many steps to either side.
const STEPS: u32 = 50;
const STRETCH: f64 = 0.1;

/// A weight is salient if its salience is so many standard deviations above its group's mean.
const SALIENT_DEVIATIONS: f64 = 2.0;

/// Finds grids of one group of columns.
pub struct Finder {
    width: u8,
    /// Beyond 1, how much the salient weights' errors count, and from which salience on a weight is one.
    salient: Option<(f32, f32)>,
    /// \[columns\] 1/U_ii²
    factors: Vec<f32>,
}

/// Working space of a search.
#[derive(Default)]
pub struct Scratch {
    padded: Vec<f32>,
}

impl Finder {
    /// For codes of `width` bits and the weights of `segment`, which is the group in all rows.
    pub fn new(width: u8, salience_weight: f64, segment: &Segment) -> Finder {
        let factors: Vec<f32> = segment.diagonal.iter().map(|u| 1.0 / (u * u)).collect();
        let more = salience_weight - 1.0;
        let salient = (more != 0.0).then(|| (more as f32, least_salient(&segment.weights, &factors)));
        Finder { width, salient, factors }
    }

    /// The largest code, as a number.
    pub fn max_code(&self) -> f32 {
        f32::from(max_code(self.width))
    }

    /// The grid of one row's weights, its scale and zero point such as 16 bits can hold.
    pub fn find(&self, weights: &[f32], scratch: &mut Scratch) -> Grid {
        if self.width == 1 {
            return binary(weights);
        }
        let (low, high) = weights.iter().fold((0.0f32, 0.0f32), |(low, high), &w| (low.min(w), high.max(w)));
        let (low, high) = if low == 0.0 && high == 0.0 { (-1.0, 1.0) } else { (low, high) };
        kernel::pad(weights, &mut scratch.padded);
        let max_code = self.max_code();
        let mut best = (f32::INFINITY, Grid { scale: 1.0, zero: 0.0 });
        for stretch in stretches() {
            let scale = stretch * (high - low) / max_code;
            let zero = (-stretch * low / scale).round_ties_even();
            let grid = Grid { scale: rounded(scale), zero };
            // A sum above the least may end early, but not if some of it is taken back.
            let limit = if self.salient.is_some_and(|(more, _)| more < 0.0) { f32::INFINITY } else { best.0 };
            let mut error = kernel::error_sum(&scratch.padded, grid, max_code, limit);
            if let Some((more, least)) = self.salient {
                error += more * self.salient_error(weights, grid, least);
            }
            if error < best.0 {
                best = (error, grid);
            }
        }
        best.1
    }

    /// Σ|ŵ − w|^2.4 over the salient weights.
    fn salient_error(&self, weights: &[f32], grid: Grid, least: f32) -> f32 {
        let max_code = self.max_code();
        let salient = weights.iter().zip(&self.factors).filter(|(w, factor)| **w * **w * **factor >= least);
        salient.map(|(&w, _)| power_2_4((grid.value(grid.code(w, max_code)) - w).abs())).sum()
    }
}

/// The full range, then wider ones, then narrower ones, as the paper's code has them: the first of equals wins.
fn stretches() -> impl Iterator<Item = f32> {
    let step = |n: u32| STRETCH * f64::from(n) / f64::from(STEPS);
    let wider = (0..=STEPS).map(move |n| (1.0 + step(n)) as f32);
    wider.chain((1..=STEPS).map(move |n| (1.0 - step(n)) as f32))
}

/// The least salience that stands out of the group's, over all rows; infinite where none does.
fn least_salient(weights: &[f32], factors: &[f32]) -> f32 {
    let salience = |(i, w): (usize, &f32)| f64::from(w * w * factors[i % factors.len()]);
    let all = || weights.iter().enumerate().map(salience);
    let n = weights.len() as f64;
    let mean = all().sum::<f64>() / n;
    let deviation = (all().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    let stands_out = |s: &f64| (s - mean).abs() > SALIENT_DEVIATIONS * deviation;
    all().filter(stands_out).fold(f64::INFINITY, f64::min) as f32
}

/// Two levels, the mean less and plus the mean magnitude.
fn binary(weights: &[f32]) -> Grid {
    let n = weights.len() as f64;
    let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
    let step = weights.iter().map(|&w| f64::from(w.abs())).sum::<f64>() / n;
    let scale = rounded((2.0 * step) as f32);
    Grid { scale, zero: f16::from_f64((step - mean) / f64::from(scale)).to_f32() }
}

/// The nearest positive, finite 16-bit number.
fn rounded(scale: f32) -> f32 {
    f16::from_f32(scale).clamp(f16::MIN_POSITIVE_SUBNORMAL, f16::MAX).to_f32()
}
