//! GPTQ as its definition reads: f64, column by column, no blocks, dense loops.

use super::Case;

pub struct Reference<'a> {
    case: &'a Case,
    weights: Vec<f64>,
    positions: &'a [u64],
    /// Where each column lies in the weight.
    pub natural: Vec<usize>,
    upper: Vec<f64>,
    dead: Vec<bool>,
}

pub struct Outcome {
    pub codes: Vec<u8>,
    pub values: Vec<f64>,
    cols: usize,
}

impl<'a> Reference<'a> {
    pub fn new(x: &[f32], weights: &[f32], positions: &'a [u64], case: &'a Case) -> Reference<'a> {
        let n = case.cols;
        let mut h = vec![0.0f64; n * n];
        for token in x.chunks(n) {
            for i in 0..n {
                for j in 0..n {
                    h[i * n + j] += 2.0 * f64::from(token[i]) * f64::from(token[j]);
                }
            }
        }
        let dead: Vec<bool> = (0..n).map(|i| h[i * n + i] == 0.0).collect();
        for i in (0..n).filter(|&i| dead[i]) {
            h[i * n + i] = 1.0;
        }
        let damp = 0.01 * (0..n).map(|i| h[i * n + i]).sum::<f64>() / n as f64;
        for i in 0..n {
            h[i * n + i] += damp;
        }
        let lower = cholesky(&inverse(&h, n), n);
        let upper = (0..n * n).map(|at| lower[at % n * n + at / n]).collect();
        let weights = weights.iter().map(|&w| f64::from(w)).collect();
        Reference { case, weights, positions, natural: (0..n).collect(), upper, dead }
    }

    pub fn quantize(&self) -> Outcome {
        let (rows, n) = (self.case.rows, self.case.cols);
        let group = self.case.group.map_or(n, |g| g as usize);
        let max_code = f64::from((1u32 << self.case.bits) - 1);
        let mut codes = vec![0; rows * n];
        let mut values = vec![0.0; rows * n];
        for row in 0..rows {
            let is_outlier = |col: usize| self.positions.binary_search(&((row * n + col) as u64)).is_ok();
            let mut w = self.weights[row * n..][..n].to_vec();
            let mut grid = self.grid(&(0..n).map(|col| (w[col], is_outlier(col))).collect::<Vec<_>>());
            for col in (0..n).filter(|&col| self.dead[col]) {
                w[col] = 0.0;
            }
            let before = w.clone();
            for i in 0..n {
                if self.case.group.is_some() && (i % group == 0 || self.case.static_groups) {
                    let of_group: Vec<(f64, bool)> = if self.case.static_groups {
                        let mut columns: Vec<usize> = (0..n)
                            .filter(|&col| self.natural[col] / group == self.natural[i] / group)
                            .collect();
                        columns.sort_by_key(|&col| self.natural[col]);
                        columns.into_iter().map(|col| (before[col], is_outlier(col))).collect()
                    } else {
                        (i..n.min(i + group)).map(|col| (w[col], is_outlier(col))).collect()
                    };
                    let (scale, zero) = self.grid(&of_group);
                    grid = (f64::from(half::f16::from_f64(scale).to_f32()), zero);
                }
                let at = row * n + i;
                if is_outlier(i) {
                    values[at] = w[i];
                    continue;
                }
                let (scale, zero) = grid;
                let code = ((w[i] / scale).round_ties_even() + zero).clamp(0.0, max_code);
                (codes[at], values[at]) = (code as u8, scale * (code - zero));
                let error = (w[i] - values[at]) / self.upper[i * n + i];
                let factors = &self.upper[i * n..][..n];
                for (w, factor) in w.iter_mut().zip(factors).skip(i + 1) {
                    *w -= error * factor;
                }
            }
        }
        Outcome { codes, values, cols: n }
    }

    /// Scale and zero point of weights, of which some are outliers.
    fn grid(&self, weights: &[(f64, bool)]) -> (f64, f64) {
        let max_code = f64::from((1u32 << self.case.bits) - 1);
        let others: Vec<f64> =
            weights.iter().filter(|(_, is_outlier)| !is_outlier).map(|(w, _)| *w).collect();
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        let replaced: Vec<f64> =
            weights.iter().map(|&(w, is_outlier)| if is_outlier { mean } else { w }).collect();
        let xmin = replaced.iter().fold(0.0f64, |a, &w| a.min(w));
        let xmax = replaced.iter().fold(0.0f64, |a, &w| a.max(w));
        let (xmin, xmax) = if xmin == 0.0 && xmax == 0.0 { (-1.0, 1.0) } else { (xmin, xmax) };
        let mut best = (f64::INFINITY, 0.0, 0.0);
        for i in 0..80 {
            let p = 1.0 - f64::from(i) / 100.0;
            let scale = p * (xmax - xmin) / max_code;
            let zero = (-p * xmin / scale).round_ties_even();
            let error = replaced.iter().fold(0.0, |sum, &w| {
                let code = ((w / scale).round_ties_even() + zero).clamp(0.0, max_code);
                sum + (scale * (code - zero) - w).abs().powf(2.4)
            });
            if error < best.0 {
                best = (error, scale, zero);
            }
        }
        (best.1, best.2)
    }
}

impl Outcome {
    /// ‖XWᵀ − XŴᵀ‖ (Frobenius).
    pub fn output_error(&self, x: &[f32], weights: &[f32], values: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (w, v) in weights.chunks(self.cols).zip(values.chunks(self.cols)) {
            let d: Vec<f64> = w.iter().zip(v).map(|(&w, &v)| f64::from(w) - v).collect();
            for token in x.chunks(self.cols) {
                let y: f64 = token.iter().zip(&d).map(|(&x, &d)| f64::from(x) * d).sum();
                sum += y * y;
            }
        }
        sum.sqrt()
    }
}

/// Lower L with L·Lᵀ = a.
fn cholesky(a: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            l[i * n + j] =
                if i == j { (a[i * n + i] - dot).sqrt() } else { (a[i * n + j] - dot) / l[j * n + j] };
        }
    }
    l
}

/// a⁻¹ by Gauss and Jordan; a is positive definite, so no pivot vanishes.
fn inverse(a: &[f64], n: usize) -> Vec<f64> {
    let mut a = a.to_vec();
    let mut b: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
    for i in 0..n {
        let pivot = a[i * n + i];
        for j in 0..n {
            a[i * n + j] /= pivot;
            b[i * n + j] /= pivot;
        }
        for row in (0..n).filter(|&row| row != i) {
            let factor = a[row * n + i];
            for j in 0..n {
                a[row * n + j] -= factor * a[i * n + j];
                b[row * n + j] -= factor * b[i * n + j];
            }
        }
    }
    b
}
