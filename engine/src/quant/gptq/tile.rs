//! Sixteen rows of a segment, transposed so that a vector register holds one column of eight of them.
//!
//! Rows are independent, columns are not: with rows in the lanes, every operation of the column loop is a full vector
//! operation, and the rows of a tile hide each other's latency.

use std::ops::Range;

/// Rows of a tile.
pub const ROWS: usize = 16;

/// One number per row.
pub type Lanes = [f32; ROWS];

/// The working set of the inner loop; 128 columns of it fit the first-level cache.
pub struct Tile {
    /// Current weights of each column; an outlier's stays as it was when its column's turn came.
    pub weights: Vec<Lanes>,
    /// Codes of each finished column.
    pub codes: Vec<Lanes>,
    /// Errors of each finished column.
    pub errors: Vec<Lanes>,
    /// The rows' scales in the current group.
    pub scale: Lanes,
    /// The rows' zero points in the current group.
    pub zero: Lanes,
    /// Bit r of entry c: row r's weight in column c is an outlier.
    outliers: Vec<u16>,
}

impl Tile {
    /// For segments of `len` columns, with `window` columns of weights.
    pub fn new(window: usize, len: usize) -> Tile {
        let zeros = [0.0; ROWS];
        Tile {
            weights: vec![zeros; window],
            codes: vec![zeros; len],
            errors: vec![zeros; len],
            scale: [1.0; ROWS],
            zero: zeros,
            outliers: vec![0; len],
        }
    }

    /// Makes every row one of zero weights without outliers.
    pub fn clear(&mut self) {
        self.weights.fill([0.0; ROWS]);
        self.outliers.fill(0);
        (self.scale, self.zero) = ([1.0; ROWS], [0.0; ROWS]);
    }

    /// Exempts one weight.
    pub fn mark_outlier(&mut self, column: usize, row: usize) {
        self.outliers[column] |= 1 << row;
    }

    /// Quantizes `columns` with the current grids and compensates all columns of the segment right of each.
    /// `upper` is the segment's diagonal block of U, row-major.
    pub fn sweep(&mut self, columns: Range<usize>, upper: &[f32], max_code: f32) {
        self.dispatch::<false>(columns, upper, max_code);
    }

    /// [`Self::sweep`] for zero points that are no whole numbers: a weight goes to the nearest level all the same.
    pub fn sweep_to_nearest(&mut self, columns: Range<usize>, upper: &[f32], max_code: f32) {
        self.dispatch::<true>(columns, upper, max_code);
    }

    fn dispatch<const ANY_ZERO: bool>(&mut self, columns: Range<usize>, upper: &[f32], max_code: f32) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features.
            return unsafe { self.sweep_avx2::<ANY_ZERO>(columns, upper, max_code) };
        }
        self.sweep_with::<false, ANY_ZERO>(columns, upper, max_code);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn sweep_avx2<const ANY_ZERO: bool>(&mut self, columns: Range<usize>, upper: &[f32], max_code: f32) {
        self.sweep_with::<true, ANY_ZERO>(columns, upper, max_code);
    }

    /// The loop, written so that the compiler vectorizes it for its caller's processor.
    /// `FUSED`: multiply and add in one rounding (without hardware support that is a slow library call). `ANY_ZERO`: zero
    /// points may be any numbers; with whole ones only weights in the middle between two levels go elsewhere.
    #[inline(always)]
    fn sweep_with<const FUSED: bool, const ANY_ZERO: bool>(
        &mut self,
        columns: Range<usize>,
        upper: &[f32],
        max_code: f32,
    ) {
        let len = self.codes.len();
        for i in columns {
            let factors = &upper[i * len..][..len]; // row i of U
            let mut codes = [0.0; ROWS];
            let mut errors = [0.0; ROWS];
            for row in 0..ROWS {
                let weight = self.weights[i][row];
                let level = if ANY_ZERO {
                    (weight / self.scale[row] + self.zero[row]).round_ties_even()
                } else {
                    (weight / self.scale[row]).round_ties_even() + self.zero[row]
                };
                let level = level.max(0.0).min(max_code);
                codes[row] = level;
                errors[row] = (weight - self.scale[row] * (level - self.zero[row])) / factors[i];
            }
            if self.outliers[i] != 0 {
                for row in (0..ROWS).filter(|row| self.outliers[i] >> row & 1 == 1) {
                    (codes[row], errors[row]) = (0.0, 0.0);
                }
            }
            (self.codes[i], self.errors[i]) = (codes, errors);
            compensate::<FUSED>(&mut self.weights[i + 1..len], &errors, &factors[i + 1..]);
        }
    }
}

/// Spreads a column's errors over the columns right of it, whose factors these are.
#[inline(always)]
pub fn compensate<const FUSED: bool>(columns: &mut [Lanes], errors: &Lanes, factors: &[f32]) {
    for (column, &factor) in columns.iter_mut().zip(factors) {
        for (weight, &error) in column.iter_mut().zip(errors) {
            *weight = if FUSED { (-error).mul_add(factor, *weight) } else { *weight - error * factor };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    /// One rounding more per update, over 40 columns.
    const TOLERANCE: f32 = 1e-5;

    #[test]
    fn the_processors_loop_agrees_with_the_portable_one() {
        let (len, mut normal) = (40, Normal::new(5));
        let upper: Vec<f32> =
            (0..len * len).map(|at| if at / len == at % len { 1.0 } else { 0.05 }).collect();
        let mut fast = Tile::new(len, len);
        for column in &mut fast.weights {
            column.copy_from_slice(&normal.vector(ROWS, 1.0));
        }
        (fast.scale, fast.zero) = ([0.4; ROWS], [4.0; ROWS]);
        fast.mark_outlier(7, 3);
        let mut plain =
            Tile { weights: fast.weights.clone(), outliers: fast.outliers.clone(), ..Tile::new(0, len) };
        (plain.scale, plain.zero) = (fast.scale, fast.zero);
        fast.sweep(0..len, &upper, 7.0);
        plain.sweep_with::<false, false>(0..len, &upper, 7.0);
        assert_eq!(fast.codes, plain.codes);
        assert_eq!((fast.codes[7][3], fast.errors[7][3]), (0.0, 0.0));
        for (a, b) in fast.errors.iter().flatten().zip(plain.errors.iter().flatten()) {
            assert!((a - b).abs() < TOLERANCE, "{a} {b}");
        }
    }
}
