//! SliM-LLM (arXiv 2405.14917): groups of columns get one bit more or less by their salience, in balance, and GPTQ
//! quantizes each group at its own width.
//!
//! *Allocation* (section 3.2): groups are ranked by Σ w²/U_ii²; of the n least and n most salient, the first get a bit less
//! and the others one more. n is the one with which the layer's outputs, taken as logits, change least: the mean over
//! tokens of the Kullback-Leibler divergence, with weights rounded to nearest. As in the paper's code it is that of the
//! quantized from the original, where the paper has them the other way round, over all calibration tokens. Unlike there
//! n = 0 is tried too, so that the result is never worse than uniform widths; salience is that of the damped Hessian with
//! which weights are quantized, of the weights as they are; and probabilities are not cut off at 10⁻⁶.
//!
//! *Quantizer* (section 3.3): of ranges 10 % narrower to 10 % wider, each row's group takes that of least Σ|ŵ − w|^2.4,
//! where weights whose salience stands out of their group count `salience_weight` times; 1, the code's default, makes all
//! equal. One bit is the mean and a step to either side of it.

mod allocate;
mod grids;

pub use allocate::{Allocation, allocate};

use super::error::QuantError;
use super::gptq::{self, ROWS, Segment, Tile, download, segments, zero_dead_columns};
use super::levels::{Levels, Mixed, MixedSpec};
use super::matrix::{QuantizedMatrix, Shape};
use super::{Factor, MatrixMask, dequantize_on, rtn};
use grids::{Finder, Scratch};
use half::f16;
use rayon::prelude::*;
use tch::Tensor;

/// SliM-LLM's parameters for one matrix.
#[derive(Debug, Clone, Copy)]
pub struct SlimSettings {
    /// How grids are laid.
    pub spec: MixedSpec,
    /// How many times a salient weight's error counts.
    pub salience_weight: f64,
}

/// Quantizes `weight` [rows, cols], called `tensor`, with these widths for its groups. Also gives the weights that the
/// result stands for, as [`gptq::quantize`] does.
pub fn quantize(
    tensor: &str,
    weight: &Tensor,
    factor: &Factor,
    settings: SlimSettings,
    widths: Vec<u8>,
) -> Result<(QuantizedMatrix, Tensor), QuantError> {
    let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
    let mut rest = gptq::sorted(weight, factor).map_err(torch)?;
    let [rows, cols] = <[i64; 2]>::try_from(rest.size()).expect("a linear weight has two dimensions");
    let shape = Shape { rows: rows as usize, cols: cols as usize };
    rtn::check_finite(tensor, &download(&rest).map_err(torch)?, shape)?;
    zero_dead_columns(&mut rest, &factor.dead).map_err(torch)?;
    let group_cols = settings.spec.group_cols(shape.cols);
    let mut codes = vec![0; shape.len()];
    let mut levels = Mixed::zeroed(settings.spec, shape, widths);
    // A segment is a group.
    for columns in segments(shape.cols, group_cols, group_cols) {
        let segment = Segment::load(&rest, factor, columns, group_cols).map_err(torch)?;
        let errors = quantize_group(&segment, shape, settings, &mut codes, &mut levels);
        gptq::compensate(&mut rest, factor, segment.columns, &errors).map_err(torch)?;
    }
    let mask = MatrixMask::empty(shape.rows);
    let result = QuantizedMatrix { shape, codes, levels: Levels::Mixed(levels), mask, outliers: Vec::new() };
    let weights = dequantize_on(&result, rest.device()).map_err(torch)?;
    Ok((result, weights))
}

/// Quantizes one group in all rows; the negated errors, [rows, columns].
fn quantize_group(
    segment: &Segment,
    shape: Shape,
    settings: SlimSettings,
    codes: &mut [u8],
    levels: &mut Mixed,
) -> Vec<f32> {
    let (first, len, groups) = (segment.columns.start, segment.columns.len(), levels.widths.len());
    let group = first / settings.spec.group_cols(shape.cols);
    let width = levels.widths[group];
    let finder = Finder::new(width, settings.salience_weight, segment);
    let mut errors = vec![0.0; shape.rows * len];
    let parts = codes
        .par_chunks_mut(ROWS * shape.cols)
        .zip(errors.par_chunks_mut(ROWS * len))
        .zip(levels.scales.par_chunks_mut(ROWS * groups).zip(levels.zeros.par_chunks_mut(ROWS * groups)));
    parts.enumerate().for_each_init(
        || (Tile::new(len, len), Scratch::default()),
        |(tile, scratch), (nth, ((codes, errors), (scales, zeros)))| {
            tile.clear();
            let rows = shape.rows.min((nth + 1) * ROWS) - nth * ROWS;
            for lane in 0..rows {
                let weights = &segment.weights[(nth * ROWS + lane) * segment.window..][..len];
                let grid = finder.find(weights, scratch);
                // Grids are those that are stored.
                let stored = [grid.scale, grid.zero].map(|v| f16::from_f32(v).clamp(f16::MIN, f16::MAX));
                [scales[lane * groups + group], zeros[lane * groups + group]] = stored;
                [tile.scale[lane], tile.zero[lane]] = stored.map(f16::to_f32);
                for (column, &weight) in tile.weights.iter_mut().zip(weights) {
                    column[lane] = weight;
                }
            }
            tile.sweep_to_nearest(0..len, &segment.upper, finder.max_code());
            for lane in 0..rows {
                let codes = &mut codes[lane * shape.cols + first..][..len];
                let errors = &mut errors[lane * len..][..len];
                for (i, (code, error)) in codes.iter_mut().zip(errors).enumerate() {
                    *code = tile.codes[i][lane] as u8; // a whole number in 0 ..= 255
                    *error = -tile.errors[i][lane];
                }
            }
        },
    );
    errors
}

#[cfg(test)]
mod tests;
