//! Round to nearest: each weight to its grid's closest level, without calibration data.

use super::grid::Scratch;
use super::levels::Grids;
use super::mask::replace_outliers_by_mean;
use super::matrix::{MatrixSpec, QuantizedMatrix, Shape};
use super::{MatrixMask, QuantError};
use half::bf16;
use rayon::prelude::*;

/// Quantizes row-major `weights` of the matrix called `tensor`; outliers keep their value, rounded to bf16.
pub fn round_to_nearest(
    tensor: &str,
    weights: &[f32],
    shape: Shape,
    spec: MatrixSpec,
    mask: MatrixMask,
) -> Result<QuantizedMatrix, QuantError> {
    check_finite(tensor, weights, shape)?;
    let mut result = QuantizedMatrix::zeroed(shape, spec, mask);
    let (cols, groups) = (shape.cols, spec.groups(shape.cols));
    let (finder, group_cols) = (spec.finder(), spec.group_cols(shape.cols));
    let QuantizedMatrix { codes, levels, mask, .. } = &mut result;
    let Grids { scales, zeros, .. } = levels.grids_mut();
    codes
        .par_chunks_mut(cols)
        .zip(scales.par_chunks_mut(groups))
        .zip(zeros.par_chunks_mut(groups))
        .enumerate()
        .for_each_init(
            || (Vec::new(), Scratch::default()),
            |(values, scratch), (row, ((codes, scales), zeros))| {
                let weights = &weights[row * cols..][..cols];
                for group in 0..groups {
                    let columns = group * group_cols..cols.min((group + 1) * group_cols);
                    values.clear();
                    values.extend_from_slice(&weights[columns.clone()]);
                    replace_outliers_by_mean(values, columns.start, mask.row(row));
                    let grid = finder.find(values, scratch);
                    (scales[group], zeros[group]) = (grid.scale, grid.zero as u8);
                    for col in columns {
                        codes[col] = grid.code(weights[col], finder.max_code());
                    }
                }
                for &col in mask.row(row) {
                    codes[col as usize] = 0;
                }
            },
        );
    let positions = result.mask.positions(cols);
    result.outliers = positions.map(|at| bf16::from_f32(weights[at as usize])).collect();
    Ok(result)
}

/// Names the first weight that is NaN or infinite.
pub fn check_finite(tensor: &str, weights: &[f32], shape: Shape) -> Result<(), QuantError> {
    match weights.par_iter().position_first(|w| !w.is_finite()) {
        None => Ok(()),
        Some(at) => Err(QuantError::WeightNotFinite {
            tensor: tensor.to_owned(),
            row: at / shape.cols,
            col: at % shape.cols,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Normal, spec};

    /// A weight inside the range is at most half a level away, plus the rounding of `scale·(code − zero)`.
    const HALF_LEVEL: f32 = 0.5 + 1e-4;

    #[test]
    fn minmax_rounding_is_at_most_half_a_scale_off() {
        let shape = Shape { rows: 13, cols: 75 };
        let weights = Normal::new(3).vector(shape.len(), 0.1);
        for (bits, group) in [(1, None), (3, None), (8, None), (4, Some(16)), (3, Some(200))] {
            let spec = MatrixSpec { grid: tacq_protocol::stage::Grid::Minmax, ..spec(bits, group) };
            let result = round_to_nearest("w", &weights, shape, spec, MatrixMask::empty(13)).unwrap();
            let groups = spec.groups(shape.cols);
            for (at, (&exact, rounded)) in weights.iter().zip(result.dequantize()).enumerate() {
                let (row, col) = (at / shape.cols, at % shape.cols);
                let scale = result.levels.grids().scales[row * groups + col / spec.group_cols(shape.cols)];
                // A 16-bit scale is up to 2^-11 smaller, so the range may end that much earlier.
                let slack = if group.is_some() { 0.5 * 2f32.powi(bits as i32 - 10) } else { 0.0 };
                assert!(
                    (exact - rounded).abs() <= (HALF_LEVEL + slack) * scale,
                    "{bits} bit: {exact} {rounded}"
                );
            }
        }
    }

    #[test]
    fn outliers_keep_their_value_and_do_not_stretch_the_grid() {
        let shape = Shape { rows: 2, cols: 64 };
        let mut weights = Normal::new(4).vector(shape.len(), 0.1);
        let plain = weights.clone();
        weights[70] = 50.0;
        let mask = MatrixMask::from_sorted(2, 64, [70].into_iter());
        let masked = round_to_nearest("w", &weights, shape, spec(3, None), mask).unwrap();
        let uniform = round_to_nearest("w", &plain, shape, spec(3, None), MatrixMask::empty(2)).unwrap();
        assert_eq!(masked.dequantize()[70], 50.0);
        assert!(masked.levels.grids().scales[1] < 2.0 * uniform.levels.grids().scales[1]);
        assert_eq!(masked.codes[..64], uniform.codes[..64]);
    }

    #[test]
    fn a_weight_that_is_not_finite_is_named() {
        let shape = Shape { rows: 2, cols: 3 };
        let weights = [0.0, 1.0, 2.0, 3.0, f32::NAN, 5.0];
        let error = round_to_nearest("w", &weights, shape, spec(3, None), MatrixMask::empty(2)).unwrap_err();
        assert!(matches!(error, QuantError::WeightNotFinite { row: 1, col: 1, .. }), "{error}");
    }
}
