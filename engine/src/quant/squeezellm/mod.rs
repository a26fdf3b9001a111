//! SqueezeLLM (arXiv 2306.07629): for each row a list of values, by k-means that the Fisher information weighs, and a sparse
//! part in 16 bit.
//!
//! The paper clusters with scikit-learn's heuristic; here the least cost is found exactly (see [`kmeans`]). Its Fisher
//! information is Σg² over calibration sequences (section 4.1). Sparse are the weights of large magnitude over the model
//! and the most sensitive ones of each matrix (section 4.2); where the paper says only "thresholds", they are found as its
//! code does (see [`outliers`]). Its code leaves out one sensitive weight a matrix, that at the threshold itself.

pub mod kmeans;
pub mod outliers;
mod quartiles;

use super::error::QuantError;
use super::levels::{Levels, Table, TableSpec};
use super::matrix::{QuantizedMatrix, Shape};
use super::{MatrixMask, rtn};
use half::{bf16, f16};
use kmeans::{KMeans, Point};
use rayon::prelude::*;
use tacq_protocol::units::Bits;

/// Quantizes row-major `weights` of the matrix called `tensor`, whose Fisher information is `fisher`; what the mask names
/// keeps its value, rounded to bf16, and does not count in the clusters.
pub fn quantize(
    tensor: &str,
    weights: &[f32],
    fisher: &[f32],
    shape: Shape,
    bits: Bits,
    mask: MatrixMask,
) -> Result<QuantizedMatrix, QuantError> {
    rtn::check_finite(tensor, weights, shape)?;
    check_fisher(tensor, fisher, shape)?;
    let (spec, cols) = (TableSpec { bits }, shape.cols);
    let mut codes = vec![0; shape.len()];
    let mut values = vec![f16::ZERO; shape.rows * spec.values()];
    codes.par_chunks_mut(cols).zip(values.par_chunks_mut(spec.values())).enumerate().for_each_init(
        Work::default,
        |work, (row, (codes, values))| {
            let columns = row * cols..(row + 1) * cols;
            let (weights, outliers) = (&weights[columns.clone()], mask.row(row));
            work.collect(weights, &fisher[columns], outliers);
            work.find_values(values);
            for (code, &weight) in codes.iter_mut().zip(weights) {
                *code = nearest(&work.middles, weight);
            }
            for &col in outliers {
                codes[col as usize] = 0;
            }
        },
    );
    let outliers = mask.positions(cols).map(|at| bf16::from_f32(weights[at as usize])).collect();
    Ok(QuantizedMatrix { shape, codes, levels: Levels::Table(Table { spec, values }), mask, outliers })
}

/// Working space of one thread.
#[derive(Default)]
struct Work {
    kmeans: KMeans,
    points: Vec<Point>,
    centres: Vec<f64>,
    /// Between neighbouring values.
    middles: Vec<f32>,
}

impl Work {
    /// The row's points, ascending, each value once; outliers left out. Where nothing is sensitive, all count the same.
    fn collect(&mut self, weights: &[f32], fisher: &[f32], outliers: &[u32]) {
        let Self { points, .. } = self;
        points.clear();
        let mut outliers = outliers.iter().peekable();
        for (col, (&value, &weight)) in weights.iter().zip(fisher).enumerate() {
            if outliers.next_if(|&&outlier| outlier as usize == col).is_none() {
                points.push(Point { value, weight: f64::from(weight) });
            }
        }
        if points.iter().all(|point| point.weight == 0.0) {
            points.iter_mut().for_each(|point| point.weight = 1.0);
        }
        points.retain(|point| point.weight > 0.0);
        points.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
        points.dedup_by(|next, first| {
            let same = next.value == first.value;
            if same {
                first.weight += next.weight;
            }
            same
        });
    }

    /// The row's values, ascending; the last is repeated where there are fewer. Sets the middles between them.
    fn find_values(&mut self, values: &mut [f16]) {
        let Self { kmeans, points, centres, middles } = self;
        match points.is_empty() {
            true => *centres = vec![0.0],
            false => kmeans.centres(points, values.len(), centres),
        }
        let last = *centres.last().expect("there is at least one");
        for (value, centre) in values.iter_mut().zip(centres.iter().chain(std::iter::repeat(&last))) {
            *value = f16::from_f64(*centre).clamp(f16::MIN, f16::MAX);
        }
        middles.clear();
        // Exact: both have 11 bits.
        middles.extend(values.windows(2).map(|pair| (pair[0].to_f32() + pair[1].to_f32()) / 2.0));
    }
}

/// The code of the value nearest to a weight, the lower one in the middle.
fn nearest(middles: &[f32], weight: f32) -> u8 {
    middles.partition_point(|&middle| middle < weight) as u8
}

/// Names the first Fisher information that is not a number from 0 up.
fn check_fisher(tensor: &str, fisher: &[f32], shape: Shape) -> Result<(), QuantError> {
    match fisher.par_iter().position_first(|f| !(f.is_finite() && *f >= 0.0)) {
        None => Ok(()),
        Some(at) => Err(QuantError::Fisher {
            tensor: tensor.to_owned(),
            row: at / shape.cols,
            col: at % shape.cols,
            found: fisher[at],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    fn bits(bits: u64) -> Bits {
        Bits::new(bits).unwrap()
    }

    fn cost(weights: &[f32], fisher: &[f32], found: &[f32]) -> f64 {
        let terms = weights.iter().zip(found).zip(fisher);
        terms.map(|((w, q), f)| f64::from(*f) * f64::from(w - q).powi(2)).sum()
    }

    #[test]
    fn the_weighted_error_is_that_of_the_centres() {
        let shape = Shape { rows: 5, cols: 300 };
        let mut normal = Normal::new(6);
        let weights = normal.vector(shape.len(), 0.05);
        let fisher: Vec<f32> = (0..shape.len()).map(|_| (2.0 * normal.draw()).exp() as f32).collect();
        let outliers = [0, 7, 299, 300, 1499];
        let mask = MatrixMask::from_sorted(5, 300, outliers.into_iter());
        for width in [1, 2, 3, 8] {
            let found = quantize("w", &weights, &fisher, shape, bits(width), mask.clone()).unwrap();
            let dequantized = found.dequantize();
            for (nth, at) in outliers.into_iter().enumerate() {
                assert_eq!(dequantized[at as usize], bf16::from_f32(weights[at as usize]).to_f32());
                assert_eq!(found.outliers[nth].to_f32(), dequantized[at as usize]);
            }
            let mut fisher = fisher.clone();
            outliers.iter().for_each(|&at| fisher[at as usize] = 0.0);
            let mut best = 0.0;
            for row in 0..5 {
                let mut points: Vec<Point> = (row * 300..(row + 1) * 300)
                    .filter(|at| !outliers.contains(&(*at as u64)))
                    .map(|at| Point { value: weights[at], weight: f64::from(fisher[at]) })
                    .collect();
                points.sort_by(|a, b| a.value.total_cmp(&b.value));
                let mut centres = Vec::new();
                KMeans::default().centres(&points, 1 << width, &mut centres);
                let nearest = |v: f64| centres.iter().map(|c| (v - c).powi(2)).fold(f64::INFINITY, f64::min);
                best += points.iter().map(|p| p.weight * nearest(f64::from(p.value))).sum::<f64>();
            }
            // Centres are rounded to 11 bits, which moves each weight's by at most 2⁻¹¹ of the largest weight.
            let rounding: f64 = fisher.iter().map(|f| f64::from(*f) * (0.25 * 2f64.powi(-11)).powi(2)).sum();
            let error = cost(&weights, &fisher, &dequantized);
            let most = (best.sqrt() + rounding.sqrt()).powi(2);
            assert!(error >= best * (1.0 - 1e-9) && error <= most, "{width}: {error} {best} {most}");
        }
    }

    #[test]
    fn a_row_that_nothing_depends_on_is_clustered_all_the_same() {
        let shape = Shape { rows: 2, cols: 4 };
        let weights = [1.0, 1.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0];
        let mask = MatrixMask::from_sorted(2, 4, [4, 5, 6, 7].into_iter());
        let found = quantize("w", &weights, &[0.0; 8], shape, bits(1), mask).unwrap();
        assert_eq!(found.dequantize(), weights);
    }

    #[test]
    fn fisher_information_that_is_none_is_named() {
        let shape = Shape { rows: 1, cols: 2 };
        for wrong in [f32::NAN, f32::INFINITY, -1.0] {
            let error =
                quantize("w", &[1.0, 2.0], &[1.0, wrong], shape, bits(2), MatrixMask::empty(1)).unwrap_err();
            assert!(matches!(error, QuantError::Fisher { row: 0, col: 1, .. }), "{error}");
        }
    }
}
