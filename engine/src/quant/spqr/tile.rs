//! Sixteen rows of a segment: those whose statistics share a grid. Rows are in the lanes, as in GPTQ's tile.

use crate::quant::gptq::{self, compensate_columns};
use crate::quant::levels::{STATS_ROWS, StatsGrid};
use std::ops::Range;

/// Rows of a tile.
pub const ROWS: usize = STATS_ROWS;
// They are laid as GPTQ's.
const _: () = assert!(ROWS == gptq::ROWS);

/// One number per row.
pub type Lanes = [f32; ROWS];

/// As SpQR's code: a smaller scale is taken for this one when codes are chosen.
const LEAST_SCALE: f32 = 1e-9;

/// The statistics of a group in each row, and how they are kept.
#[derive(Debug, Clone, Copy)]
pub struct GroupStats {
    /// Scales: their grid and each row's code.
    pub scales: (StatsGrid, [u8; ROWS]),
    /// Zero points, likewise.
    pub zeros: (StatsGrid, [u8; ROWS]),
}

/// What a tile's groups are quantized with.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The largest code of a weight.
    pub max_code: f32,
    /// The largest code of a statistic.
    pub max_stats_code: u8,
    /// The (error/U_ii)² above which a weight stays in 16 bit; absent where none does.
    pub threshold: Option<f32>,
}

/// The working set of the inner loop.
pub struct Tile {
    /// Current weights of each column; an outlier's stays as it was when its column's turn came.
    pub weights: Vec<Lanes>,
    /// Codes of each finished column.
    pub codes: Vec<Lanes>,
    /// Errors of each finished column.
    pub errors: Vec<Lanes>,
    /// Bit r of entry c: row r's weight in column c is an outlier.
    pub outliers: Vec<u16>,
}

impl Tile {
    /// For segments of `len` columns, with `window` columns of weights.
    pub fn new(window: usize, len: usize) -> Tile {
        let zeros = [0.0; ROWS];
        Tile {
            weights: vec![zeros; window],
            codes: vec![zeros; len],
            errors: vec![zeros; len],
            outliers: vec![0; len],
        }
    }

    /// Finds the statistics of a group, whose columns are these, from the current weights; `diagonal` is U's part of them.
    /// Only the first `rows` lanes are rows.
    pub fn find_stats(&self, columns: Range<usize>, diagonal: &[f32], rule: Rule, rows: usize) -> GroupStats {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features.
            return unsafe { self.find_stats_avx2(columns, diagonal, rule, rows) };
        }
        self.find_stats_portably(columns, diagonal, rule, rows)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn find_stats_avx2(
        &self,
        columns: Range<usize>,
        diagonal: &[f32],
        rule: Rule,
        rows: usize,
    ) -> GroupStats {
        self.find_stats_portably(columns, diagonal, rule, rows)
    }

    #[inline(always)]
    fn find_stats_portably(
        &self,
        columns: Range<usize>,
        diagonal: &[f32],
        rule: Rule,
        rows: usize,
    ) -> GroupStats {
        let weights = &self.weights[columns];
        let (low, high) = match rule.threshold {
            Some(threshold) if weights.len() > 1 => {
                let likely = likely_outliers(weights, diagonal, rule.max_code, threshold);
                range_without(weights, &likely)
            }
            _ => range(weights, usize::MAX),
        };
        let (mut scales, mut zeros) = ([0.0; ROWS], [0.0; ROWS]);
        for row in 0..ROWS {
            (scales[row], zeros[row]) = grid(low[row], high[row], rule.max_code);
        }
        GroupStats {
            scales: StatsGrid::over(&scales, rows, rule.max_stats_code),
            zeros: StatsGrid::over(&zeros, rows, rule.max_stats_code),
        }
    }

    /// Quantizes `columns` with a group's statistics and compensates all columns of the segment right of each.
    /// `upper` is the segment's diagonal block of U, row-major.
    pub fn sweep(&mut self, columns: Range<usize>, upper: &[f32], stats: &GroupStats, rule: Rule) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features.
            return unsafe { self.sweep_avx2(columns, upper, stats, rule) };
        }
        self.sweep_with::<false>(columns, upper, stats, rule);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn sweep_avx2(&mut self, columns: Range<usize>, upper: &[f32], stats: &GroupStats, rule: Rule) {
        self.sweep_with::<true>(columns, upper, stats, rule);
    }

    /// The loop, written so that the compiler vectorizes it for its caller's processor.
    /// `FUSED`: multiply and add in one rounding (without hardware support that is a slow library call).
    #[inline(always)]
    fn sweep_with<const FUSED: bool>(
        &mut self,
        columns: Range<usize>,
        upper: &[f32],
        stats: &GroupStats,
        rule: Rule,
    ) {
        let len = self.codes.len();
        let threshold = rule.threshold.unwrap_or(f32::INFINITY);
        let value = |(grid, codes): &(StatsGrid, [u8; ROWS]), row: usize| grid.value(codes[row]);
        let scales: [f64; ROWS] = std::array::from_fn(|row| value(&stats.scales, row));
        let zeros: [f64; ROWS] = std::array::from_fn(|row| value(&stats.zeros, row));
        for i in columns {
            let factors = &upper[i * len..][..len]; // row i of U
            let mut codes = [0.0; ROWS];
            let mut errors = [0.0; ROWS];
            let mut outliers = 0;
            for row in 0..ROWS {
                let weight = self.weights[i][row];
                let level = weight / (scales[row] as f32).max(LEAST_SCALE) + zeros[row] as f32;
                codes[row] = level.round_ties_even().max(0.0).min(rule.max_code);
                let value = (scales[row] * (f64::from(codes[row]) - zeros[row])) as f32;
                errors[row] = (weight - value) / factors[i];
            }
            for row in 0..ROWS {
                if errors[row] * errors[row] > threshold {
                    outliers |= 1 << row;
                    (codes[row], errors[row]) = (0.0, 0.0);
                }
            }
            (self.codes[i], self.errors[i], self.outliers[i]) = (codes, errors, outliers);
            compensate_columns::<FUSED>(&mut self.weights[i + 1..len], &errors, &factors[i + 1..]);
        }
    }
}

/// Scale and zero point of a range; any number may be the zero point. A range of one value reaches to 0; that of 0 alone
/// has the scale 0, with which every code stands for 0.
#[inline(always)]
fn grid(low: f32, high: f32, max_code: f32) -> (f32, f32) {
    let (low, high) = if low == high { (low.min(0.0), high.max(0.0)) } else { (low, high) };
    let scale = (high - low) / max_code;
    (scale, if scale > 0.0 { -low / scale } else { 0.0 })
}

/// Least and largest weight of each row, column `without` left out.
#[inline(always)]
fn range(weights: &[Lanes], without: usize) -> (Lanes, Lanes) {
    let (mut low, mut high) = ([f32::INFINITY; ROWS], [f32::NEG_INFINITY; ROWS]);
    for (_, column) in weights.iter().enumerate().filter(|(i, _)| *i != without) {
        for row in 0..ROWS {
            low[row] = low[row].min(column[row]);
            high[row] = high[row].max(column[row]);
        }
    }
    (low, high)
}

/// Σ ((ŵ − w)/U_ii)² of each row on its grid over a range, column `without` left out.
#[inline(always)]
fn error(
    weights: &[Lanes],
    diagonal: &[f32],
    (low, high): (Lanes, Lanes),
    max_code: f32,
    without: usize,
) -> Lanes {
    let (mut scales, mut zeros, mut sums) = ([0.0; ROWS], [0.0; ROWS], [0.0; ROWS]);
    for row in 0..ROWS {
        (scales[row], zeros[row]) = grid(low[row], high[row], max_code);
    }
    for (i, column) in weights.iter().enumerate().filter(|(i, _)| *i != without) {
        let factor = 1.0 / diagonal[i];
        for row in 0..ROWS {
            let level = column[row] / scales[row].max(LEAST_SCALE) + zeros[row];
            let code = level.round_ties_even().max(0.0).min(max_code);
            let error = (scales[row] * (code - zeros[row]) - column[row]) * factor;
            sums[row] += error * error;
        }
    }
    sums
}

/// Which weights, left out of their group, would lower its error by more than the threshold: 1, else 0.
#[inline(always)]
fn likely_outliers(weights: &[Lanes], diagonal: &[f32], max_code: f32, threshold: f32) -> Vec<Lanes> {
    let with_all = error(weights, diagonal, range(weights, usize::MAX), max_code, usize::MAX);
    let likely = |without: usize| {
        let errors = error(weights, diagonal, range(weights, without), max_code, without);
        std::array::from_fn(|row| if with_all[row] - errors[row] > threshold { 1.0 } else { 0.0 })
    };
    (0..weights.len()).map(likely).collect()
}

/// The range of each row with its likely outliers replaced by the mean of the others.
#[inline(always)]
fn range_without(weights: &[Lanes], likely: &[Lanes]) -> (Lanes, Lanes) {
    let (mut sums, mut counts) = ([0.0; ROWS], [0.0; ROWS]);
    for (column, out) in weights.iter().zip(likely) {
        for row in 0..ROWS {
            sums[row] += column[row] * (1.0 - out[row]);
            counts[row] += 1.0 - out[row];
        }
    }
    let mean: Lanes = std::array::from_fn(|row| sums[row] / counts[row].max(1.0));
    let (mut low, mut high) = ([f32::INFINITY; ROWS], [f32::NEG_INFINITY; ROWS]);
    for (column, out) in weights.iter().zip(likely) {
        for row in 0..ROWS {
            let weight = column[row] * (1.0 - out[row]) + mean[row] * out[row];
            low[row] = low[row].min(weight);
            high[row] = high[row].max(weight);
        }
    }
    (low, high)
}
