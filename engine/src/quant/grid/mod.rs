//! The uniform grid of a row or group of weights: a scale and a zero point.
//!
//! Asymmetric, as in GPTQ (arXiv 2210.17323) and TaCQ (arXiv 2504.07389): the range always holds zero, `ŵ = scale·(q −
//! zero)` with `q = clamp(round(w / scale) + zero, 0, 2^bits − 1)`, and `round` takes halves to the even neighbour.

pub(super) mod kernel;
pub(super) mod power;

use tacq_protocol::stage::Grid as GridKind;
use tacq_protocol::units::Bits;

/// Ranges that the MSE search compares: shrunk by 0 %, 1 %, … 79 %.
const SHRINK_STEPS: u32 = 80;
/// The search's shrink unit: one hundredth of the full range.
const SHRINK_UNIT: f64 = 100.0;

/// Scale and zero point shared by a row or a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Distance between neighbouring levels; finite and above zero.
    pub scale: f32,
    /// The code of the weight 0, a whole number in 0 ..= 2^bits − 1.
    pub zero: f32,
}

impl Grid {
    /// The grid over `[xmin, xmax]`; both must be finite, `xmin <= 0 <= xmax`, and not both zero.
    fn over(xmin: f32, xmax: f32, max_code: f32) -> Grid {
        // A range of subnormals divides to nothing; any scale above zero then quantizes it to zero.
        let scale = ((xmax - xmin) / max_code).max(f32::MIN_POSITIVE);
        Grid { scale, zero: (-xmin / scale).round_ties_even() }
    }

    /// The code of one weight.
    pub fn code(self, weight: f32, max_code: f32) -> u8 {
        // A clamped whole number in 0 ..= 255.
        ((weight / self.scale).round_ties_even() + self.zero).clamp(0.0, max_code) as u8
    }

    /// The weight a code stands for.
    pub fn value(self, code: u8) -> f32 {
        self.scale * (f32::from(code) - self.zero)
    }
}

/// How grids are found: bits, range search, and the precision that the scale is stored with.
#[derive(Debug, Clone, Copy)]
pub struct GridFinder {
    max_code: f32,
    kind: GridKind,
    half_scale: bool,
}

impl GridFinder {
    /// `half_scale`: scales are rounded to 16 bit, as those of groups are stored.
    pub fn new(bits: Bits, kind: GridKind, half_scale: bool) -> GridFinder {
        GridFinder { max_code: f32::from(max_code(bits)), kind, half_scale }
    }

    /// The largest code, as a number.
    pub fn max_code(self) -> f32 {
        self.max_code
    }

    /// Ranges that are compared.
    pub fn steps(self) -> i32 {
        match self.kind {
            GridKind::Minmax => 1,
            GridKind::Mse => SHRINK_STEPS as i32,
        }
    }

    /// Whether scales are rounded to 16 bit.
    pub fn stores_half_scales(self) -> bool {
        self.half_scale
    }

    /// The grid of finite `weights`, whatever `scratch` was used for before.
    pub fn find(self, weights: &[f32], scratch: &mut Scratch) -> Grid {
        let (xmin, xmax) = weights.iter().fold((0.0f32, 0.0f32), |(low, high), &w| (low.min(w), high.max(w)));
        let (xmin, xmax) = if xmin == 0.0 && xmax == 0.0 { (-1.0, 1.0) } else { (xmin, xmax) };
        let grid = match self.kind {
            GridKind::Minmax => Grid::over(xmin, xmax, self.max_code),
            GridKind::Mse => self.search(weights, xmin, xmax, scratch),
        };
        if self.half_scale { Grid { scale: round_scale_to_half(grid.scale), ..grid } } else { grid }
    }

    /// GPTQ's search: of the range shrunk step by step, the one of least Σ|ŵ − w|^2.4, the first one among equals.
    fn search(self, weights: &[f32], xmin: f32, xmax: f32, scratch: &mut Scratch) -> Grid {
        let Scratch { padded, likely } = scratch;
        kernel::pad(weights, padded);
        let mut best = (f32::INFINITY, 0, Grid::over(xmin, xmax, self.max_code));
        // Rows of a matrix are alike: with the last row's step first, most others are soon seen to be worse.
        let others = (0..SHRINK_STEPS).filter(|step| step != likely);
        for step in std::iter::once(*likely).chain(others) {
            let share = (1.0 - f64::from(step) / SHRINK_UNIT) as f32;
            let grid = Grid::over(share * xmin, share * xmax, self.max_code);
            // An error sum only grows, so one that already exceeds the best cannot win.
            let error = kernel::error_sum(padded, grid, self.max_code, best.0);
            if error < best.0 || (error == best.0 && step < best.1) {
                best = (error, step, grid);
            }
        }
        *likely = best.1;
        best.2
    }
}

/// Working space of a search, kept between calls.
#[derive(Debug, Default)]
pub struct Scratch {
    padded: Vec<f32>,
    /// The step that won last.
    likely: u32,
}

/// The largest code of a bit width: 2^bits − 1.
pub fn max_code(bits: Bits) -> u8 {
    largest_code(bits.get())
}

/// [`max_code`] of 1 to 8 bits.
pub fn largest_code(bits: u8) -> u8 {
    u8::MAX >> (8 - bits)
}

/// The nearest positive, finite 16-bit float.
fn round_scale_to_half(scale: f32) -> f32 {
    let half = half::f16::from_f32(scale);
    let half = if half == half::f16::ZERO { half::f16::MIN_POSITIVE_SUBNORMAL } else { half };
    half.min(half::f16::MAX).to_f32()
}

#[cfg(test)]
mod tests;
