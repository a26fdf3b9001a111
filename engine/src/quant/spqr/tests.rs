//! SpQR against a plain f64 implementation of what the paper's code computes, column by column on the whole matrix.

use super::*;
use crate::quant::Hessian;
use crate::quant::testing::Normal;
use tacq_protocol::units::{Bits, GroupSize};
use tch::Device;

/// Share of codes and outliers that must be those of f64: roundings flip only what lies at a boundary, and what follows
/// in its row.
const EQUAL: f64 = 0.99;

struct Plain {
    rows: usize,
    cols: usize,
    weights: Vec<f64>,
    upper: Vec<f64>,
    spec: TwoLevelSpec,
    threshold: f64,
    codes: Vec<u8>,
    values: Vec<f64>,
    is_outlier: Vec<bool>,
}

impl Plain {
    fn grid(low: f64, high: f64, levels: f64) -> (f64, f64) {
        let (low, high) = if low == high { (low.min(0.0), high.max(0.0)) } else { (low, high) };
        let scale = (high - low) / levels;
        (scale, if scale > 0.0 { -low / scale } else { 0.0 })
    }

    fn range(values: &[f64]) -> (f64, f64) {
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
    }

    fn error(&self, values: &[(usize, f64)], levels: f64) -> f64 {
        let (low, high) = Self::range(&values.iter().map(|(_, v)| *v).collect::<Vec<_>>());
        let (scale, zero) = Self::grid(low, high, levels);
        let one = |(col, v): &(usize, f64)| {
            let code = (v / scale.max(1e-9) + zero).round_ties_even().clamp(0.0, levels);
            ((scale * (code - zero) - v) / self.upper[col * self.cols + col]).powi(2)
        };
        values.iter().map(one).sum()
    }

    /// Scale and zero point of each row of a group of columns.
    fn statistics(&self, group: Range<usize>) -> Vec<[f64; 2]> {
        let levels = f64::from(grid::max_code(self.spec.bits));
        let mut of_rows: Vec<[f64; 2]> = (0..self.rows)
            .map(|row| {
                let all: Vec<(usize, f64)> =
                    group.clone().map(|col| (col, self.weights[row * self.cols + col])).collect();
                let with_all = self.error(&all, levels);
                let is_likely = |out: &usize| {
                    let others: Vec<_> = all.iter().filter(|(col, _)| col != out).copied().collect();
                    !others.is_empty() && with_all - self.error(&others, levels) > self.threshold
                };
                let others: Vec<f64> =
                    all.iter().filter(|(col, _)| !is_likely(col)).map(|(_, v)| *v).collect();
                let mean = others.iter().sum::<f64>() / (others.len() as f64).max(1.0);
                let replaced = all.iter().map(|(col, v)| if is_likely(col) { mean } else { *v });
                let (low, high) = Self::range(&replaced.collect::<Vec<_>>());
                let (scale, zero) = Self::grid(low, high, levels);
                [scale, zero]
            })
            .collect();
        let most = f64::from(grid::max_code(self.spec.stats_bits));
        for tile in of_rows.chunks_mut(16) {
            for nth in 0..2 {
                let (low, high) = Self::range(&tile.iter().map(|stats| stats[nth]).collect::<Vec<_>>());
                let half = |v: f64| half::f16::from_f32(v as f32).to_f64();
                let (base, step) = (half(low), half((high - low) / most));
                for stats in tile.iter_mut() {
                    let code = ((stats[nth] - base) / step).round_ties_even().clamp(0.0, most);
                    stats[nth] = if step == 0.0 { base } else { base + step * code };
                }
            }
        }
        of_rows
    }

    fn run(&mut self) {
        let (levels, group_cols) =
            (f64::from(grid::max_code(self.spec.bits)), self.spec.group_cols(self.cols));
        let mut statistics = Vec::new();
        for col in 0..self.cols {
            if col % group_cols == 0 {
                statistics = self.statistics(col..self.cols.min(col + group_cols));
            }
            for (row, &[scale, zero]) in statistics.iter().enumerate() {
                let at = row * self.cols + col;
                let weight = self.weights[at];
                let code = (weight / scale.max(1e-9) + zero).round_ties_even().clamp(0.0, levels);
                let mut error = (weight - scale * (code - zero)) / self.upper[col * self.cols + col];
                if error * error > self.threshold {
                    (self.is_outlier[at], self.values[at], error) = (true, weight, 0.0);
                } else {
                    (self.codes[at], self.values[at]) = (code as u8, scale * (code - zero));
                }
                for later in col + 1..self.cols {
                    self.weights[row * self.cols + later] -= error * self.upper[col * self.cols + later];
                }
            }
        }
    }
}

fn factor(cols: usize, by_activity: bool, normal: &mut Normal) -> Factor {
    let tokens = 4 * cols;
    let inputs: Vec<f32> = (0..tokens)
        .flat_map(|_| {
            let common = normal.draw();
            let mut one =
                |col: usize| ((0.2 + (col % 7) as f64 / 3.0) * (normal.draw() + 0.7 * common)) as f32;
            (0..cols).map(&mut one).collect::<Vec<_>>()
        })
        .collect();
    let mut hessian = Hessian::new(cols as i64, Device::Cpu).unwrap();
    hessian.add(&Tensor::from_slice(&inputs).view([1, tokens as i64, cols as i64])).unwrap();
    let (hessian, damp) = (hessian.finish().unwrap(), "1".parse().unwrap());
    match by_activity {
        true => Factor::by_activity("w", hessian, damp).unwrap(),
        false => Factor::new("w", hessian, damp).unwrap(),
    }
}

fn spec(bits: u64, group: u64, stats_bits: u64) -> TwoLevelSpec {
    TwoLevelSpec {
        bits: Bits::new(bits).unwrap(),
        group_size: GroupSize::new(group).unwrap(),
        stats_bits: Bits::new(stats_bits).unwrap(),
    }
}

#[test]
fn codes_and_outliers_are_those_of_plain_f64() {
    for (rows, cols, bits, group, block, relative, by_activity) in [
        (48, 160, 2, 16, 128, Some(0.2), false),
        (35, 100, 3, 16, 64, Some(1.0), true),
        (20, 90, 2, 24, 32, Some(0.1), false),
        (16, 96, 1, 16, 128, None, false),
        (33, 64, 8, 40, 16, Some(0.5), true),
    ] {
        let mut normal = Normal::new(rows as u64);
        let factor = factor(cols, by_activity, &mut normal);
        let mut weights = normal.vector(rows * cols, 0.05);
        (0..rows * cols).step_by(53).for_each(|at| weights[at] *= 5.0);
        let spec = spec(bits, group, 3);
        let weight = Tensor::from_slice(&weights).view([rows as i64, cols as i64]);
        let settings = SpqrSettings { spec, outlier_threshold: relative, block_size: block };
        let (result, stands_for) = quantize("w", &weight, &factor, settings).unwrap();
        let case = format!("{rows} x {cols}, {bits} bits");
        let dequantized = result.dequantize();
        assert_eq!(Vec::<f32>::try_from(stands_for.reshape([-1])).unwrap(), dequantized, "{case}");
        assert_eq!(result.mask.is_empty(), relative.is_none() || bits == 8, "{case}");

        // The plain version knows one order only: that of the factor.
        let sorted = gptq::sorted(&weight, &factor).unwrap();
        let wide = |t: &Tensor| Vec::<f64>::try_from(t.to_kind(Kind::Double).reshape([-1])).unwrap();
        let threshold = threshold(&sorted, &factor, settings).unwrap().map_or(f64::INFINITY, f64::from);
        let n = rows * cols;
        let mut plain = Plain {
            rows,
            cols,
            weights: wide(&sorted),
            upper: wide(&factor.upper),
            spec,
            threshold,
            codes: vec![0; n],
            values: vec![0.0; n],
            is_outlier: vec![false; n],
        };
        plain.run();
        let found = Tensor::from_slice(&dequantized).view([rows as i64, cols as i64]);
        let found =
            factor.order.as_ref().map_or(found.shallow_clone(), |order| order.sort(&found, 1).unwrap());
        let found = wide(&found);
        let mut marks = vec![0.0f32; n];
        result.mask.positions(cols).for_each(|at| marks[at as usize] = 1.0);
        let marks = Tensor::from_slice(&marks).view([rows as i64, cols as i64]);
        let marks =
            factor.order.as_ref().map_or(marks.shallow_clone(), |order| order.sort(&marks, 1).unwrap());
        let same_marks =
            wide(&marks).iter().zip(&plain.is_outlier).filter(|(a, b)| (**a == 1.0) == **b).count();
        assert!(same_marks as f64 >= EQUAL * n as f64, "{case}: {same_marks} of {n} outliers");
        // bf16 keeps 8 bits of an outlier.
        let is_close = |(a, b): &(&f64, &f64)| (**a - **b).abs() <= 0.004 * b.abs() + 1e-6;
        let same = found.iter().zip(&plain.values).filter(is_close).count();
        assert!(same as f64 >= EQUAL * n as f64, "{case}: {same} of {n} values");
    }
}

#[test]
fn the_block_size_changes_nothing_but_roundings() {
    let mut normal = Normal::new(4);
    let factor = factor(128, false, &mut normal);
    let weight = Tensor::from_slice(&normal.vector(32 * 128, 0.05)).view([32, 128]);
    let with = |block_size| {
        let settings = SpqrSettings { spec: spec(3, 16, 3), outlier_threshold: Some(0.3), block_size };
        quantize("w", &weight, &factor, settings).unwrap().0
    };
    let (one, many) = (with(128), with(16));
    let same = one.codes.iter().zip(&many.codes).filter(|(a, b)| a == b).count();
    assert!(same as f64 >= EQUAL * one.codes.len() as f64, "{same}");
}

#[test]
fn a_lower_threshold_keeps_more_weights() {
    let mut normal = Normal::new(5);
    let factor = factor(64, false, &mut normal);
    let weight = Tensor::from_slice(&normal.vector(48 * 64, 0.05)).view([48, 64]);
    let kept = [None, Some(10.0), Some(0.5), Some(0.05)].map(|outlier_threshold| {
        let settings = SpqrSettings { spec: spec(2, 16, 3), outlier_threshold, block_size: 128 };
        quantize("w", &weight, &factor, settings).unwrap().0.mask.len()
    });
    assert_eq!(kept[0], 0);
    assert!(kept.is_sorted() && kept[3] > kept[2], "{kept:?}");
}

/// Features that were never active are quantized last, all zero: whatever the statistics, zero is what they come to.
#[test]
fn groups_of_zeros_and_of_one_value_stay_what_they_are() {
    let mut normal = Normal::new(6);
    let mut factor = factor(64, false, &mut normal);
    factor.dead[32..48].fill(true);
    let mut weights = normal.vector(48 * 64, 0.05);
    (0..48).for_each(|row| weights[row * 64..][16..32].fill(0.25));
    let weight = Tensor::from_slice(&weights).view([48, 64]);
    let upper = Tensor::eye(64, (Kind::Float, Device::Cpu));
    let factor = Factor { upper, ..factor };
    for bits in [1, 2, 3] {
        let settings = SpqrSettings { spec: spec(bits, 16, 3), outlier_threshold: None, block_size: 128 };
        let found = quantize("w", &weight, &factor, settings).unwrap().0.dequantize();
        for row in found.chunks(64) {
            assert!(row[16..32].iter().all(|w| (w - 0.25).abs() < 1e-3), "{:?}", &row[16..32]);
            assert!(row[32..48].iter().all(|w| *w == 0.0), "{:?}", &row[32..48]);
        }
    }
}

#[test]
fn equal_statistics_stay_what_they_are() {
    let (grid, codes) = StatsGrid::over(&[0.25; 16], 16, 7);
    assert!(codes.iter().all(|code| *code == 0));
    assert_eq!(grid.value(0), 0.25);
    let mut some = [0.0; 16];
    some.iter_mut().enumerate().for_each(|(i, s)| *s = i as f32);
    // Lanes that are no rows do not count.
    let (grid, codes) = StatsGrid::over(&some, 8, 7);
    assert_eq!((grid.value(0), grid.value(7)), (0.0, 7.0));
    assert_eq!(codes[..8], [0, 1, 2, 3, 4, 5, 6, 7]);
}
