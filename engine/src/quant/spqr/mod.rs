//! SpQR (arXiv 2306.03078) on one matrix: GPTQ's column loop with grids of small groups that are quantized themselves, and
//! weights that would cost too much in 16 bit.
//!
//! A group's grid is found when its first column's turn comes, without the weights whose removal would lower the group's
//! error by more than a threshold (section 4.2; the paper's code calls it leave-one-out). In the column loop a weight
//! whose error exceeds the threshold stays in 16 bit and passes no error on. The threshold is relative to the mean of
//! var(w)/U_ii² over columns, as in the code; the paper gives an absolute one.
//!
//! What differs from the code: statistics are kept as base + step·code (see [`TwoLevel`]); groups of one value, and
//! statistics that are all equal in their sixteen rows, stay what they are, where the code puts both on a grid from −1 to
//! 1; outliers are bf16; and the Hessian is damped as GPTQ's, by a mean that counts features that were never active.

mod tile;

use super::error::QuantError;
use super::gptq::{self, Segment, download, runs, segments, zero_dead_columns};
use super::levels::{Levels, Stats, StatsGrid, TwoLevel, TwoLevelSpec};
use super::matrix::{QuantizedMatrix, Shape};
use super::{Factor, MatrixMask, dequantize_on, grid, rtn};
use half::{bf16, f16};
use rayon::prelude::*;
use std::ops::Range;
use tch::{Kind, TchError, Tensor};
use tile::{GroupStats, ROWS, Rule, Tile};

/// SpQR's parameters for one matrix.
#[derive(Debug, Clone, Copy)]
pub struct SpqrSettings {
    /// How grids are laid.
    pub spec: TwoLevelSpec,
    /// What a weight may cost, relative to the matrix's mean; without one no weight stays in 16 bit.
    pub outlier_threshold: Option<f64>,
    /// Columns between two updates of the rest; it changes nothing but roundings.
    pub block_size: usize,
}

/// Quantizes `weight` [rows, cols], called `tensor`, against the `factor` of its inputs' statistics. Also gives the weights
/// that the result stands for, f32 [rows, cols] on the factor's device: bit by bit those of
/// [`QuantizedMatrix::dequantize`].
pub fn quantize(
    tensor: &str,
    weight: &Tensor,
    factor: &Factor,
    settings: SpqrSettings,
) -> Result<(QuantizedMatrix, Tensor), QuantError> {
    let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
    let device = factor.upper.device();
    let mut rest = gptq::sorted(weight, factor).map_err(torch)?;
    let [rows, cols] = <[i64; 2]>::try_from(rest.size()).expect("a linear weight has two dimensions");
    let shape = Shape { rows: rows as usize, cols: cols as usize };
    rtn::check_finite(tensor, &download(&rest).map_err(torch)?, shape)?;
    zero_dead_columns(&mut rest, &factor.dead).map_err(torch)?;
    let threshold = threshold(&rest, factor, settings).map_err(torch)?;
    let mut work = Work::new(shape, settings.spec, threshold);
    let group_cols = settings.spec.group_cols(shape.cols);
    for columns in segments(shape.cols, settings.block_size, group_cols) {
        let segment = Segment::load(&rest, factor, columns, group_cols).map_err(torch)?;
        let errors = work.quantize(&segment);
        gptq::compensate(&mut rest, factor, segment.columns, &errors).map_err(torch)?;
    }
    let mut result = work.finish();
    if let Some(order) = &factor.order {
        order.restore_matrix(&mut result);
    }
    let weights = dequantize_on(&result, device).map_err(torch)?;
    Ok((result, weights))
}

/// What a weight may cost: the relative threshold times the mean over columns of var(w)/U_ii².
fn threshold(rest: &Tensor, factor: &Factor, settings: SpqrSettings) -> Result<Option<f32>, TchError> {
    let Some(relative) = settings.outlier_threshold else { return Ok(None) };
    let variance = rest.f_var_dim([0].as_slice(), rest.size()[0] > 1, false)?;
    let diagonal = factor.upper.f_diagonal(0, 0, 1)?;
    let mean = variance.f_div(&diagonal.f_square()?)?.f_mean(Kind::Float)?;
    Ok(Some((relative * mean.f_double_value(&[])?) as f32))
}

/// A matrix under way, in the order of the factor's columns.
struct Work {
    shape: Shape,
    levels: TwoLevel,
    rule: Rule,
    /// u8 [rows, cols]
    codes: Vec<u8>,
    /// Positions and values.
    outliers: Vec<(u64, bf16)>,
}

/// A tile's share of the result.
struct TileResult<'a> {
    rows: Range<usize>,
    codes: &'a mut [u8],
    scales: StatsPart<'a>,
    zeros: StatsPart<'a>,
    errors: &'a mut [f32],
}

/// The statistics of a tile's rows.
struct StatsPart<'a> {
    codes: &'a mut [u8],
    bases: &'a mut [f16],
    steps: &'a mut [f16],
}

impl StatsPart<'_> {
    fn set(&mut self, group: usize, groups: usize, (grid, codes): &(StatsGrid, [u8; ROWS])) {
        (self.bases[group], self.steps[group]) = (grid.base, grid.step);
        for (of_row, code) in self.codes.chunks_mut(groups).zip(codes) {
            of_row[group] = *code;
        }
    }
}

/// Splits statistics by tiles.
fn tiles(stats: &mut Stats) -> impl Iterator<Item = StatsPart<'_>> {
    let Stats { groups, codes, bases, steps } = stats;
    let grids = bases.chunks_mut(*groups).zip(steps.chunks_mut(*groups));
    codes.chunks_mut(ROWS * *groups).zip(grids).map(|(codes, (bases, steps))| StatsPart {
        codes,
        bases,
        steps,
    })
}

impl Work {
    fn new(shape: Shape, spec: TwoLevelSpec, threshold: Option<f32>) -> Self {
        let rule = Rule {
            max_code: f32::from(grid::max_code(spec.bits)),
            max_stats_code: grid::max_code(spec.stats_bits),
            threshold,
        };
        let levels = TwoLevel::zeroed(spec, shape);
        Self { shape, levels, rule, codes: vec![0; shape.len()], outliers: Vec::new() }
    }

    /// Quantizes a segment; the negated errors, [rows, len].
    fn quantize(&mut self, segment: &Segment) -> Vec<f32> {
        let Self { shape, levels, rule, codes, outliers } = self;
        let (len, cols) = (segment.columns.len(), shape.cols);
        let mut errors = vec![0.0; shape.rows * len];
        let group_cols = levels.spec.group_cols(cols);
        let parts: Vec<TileResult<'_>> = codes
            .chunks_mut(ROWS * cols)
            .zip(errors.chunks_mut(ROWS * len))
            .zip(tiles(&mut levels.scales).zip(tiles(&mut levels.zeros)))
            .enumerate()
            .map(|(nth, ((codes, errors), (scales, zeros)))| {
                let rows = nth * ROWS..shape.rows.min((nth + 1) * ROWS);
                TileResult { rows, codes, scales, zeros, errors }
            })
            .collect();
        let found: Vec<Vec<(u64, bf16)>> = parts
            .into_par_iter()
            .map_init(
                || Tile::new(segment.window, len),
                |tile, mut part| segment.quantize_tile(&mut part, tile, *rule, group_cols, cols),
            )
            .collect();
        outliers.extend(found.into_iter().flatten());
        errors
    }

    fn finish(mut self) -> QuantizedMatrix {
        self.outliers.par_sort_unstable_by_key(|(position, _)| *position);
        let positions = self.outliers.iter().map(|(position, _)| *position);
        let mask = MatrixMask::from_sorted(self.shape.rows, self.shape.cols, positions);
        QuantizedMatrix {
            shape: self.shape,
            codes: self.codes,
            levels: Levels::TwoLevel(self.levels),
            mask,
            outliers: self.outliers.into_iter().map(|(_, value)| value).collect(),
        }
    }
}

impl Segment {
    /// Quantizes the rows of a tile; its outliers.
    fn quantize_tile(
        &self,
        part: &mut TileResult<'_>,
        tile: &mut Tile,
        rule: Rule,
        group_cols: usize,
        cols: usize,
    ) -> Vec<(u64, bf16)> {
        let (first, len, groups) = (self.columns.start, self.columns.len(), cols.div_ceil(group_cols));
        tile.weights.fill([0.0; ROWS]);
        for (lane, row) in part.rows.clone().enumerate() {
            let weights = &self.weights[row * self.window..][..self.window];
            for (column, &weight) in tile.weights.iter_mut().zip(weights) {
                column[lane] = weight;
            }
        }
        let mut stats: Option<GroupStats> = None;
        for run in runs(self.columns.clone(), group_cols, usize::MAX) {
            let group = run.start / group_cols;
            let columns = run.start - first..run.end - first;
            if run.start == group * group_cols {
                let whole = columns.start..columns.start + group_cols.min(cols - run.start);
                let found = tile.find_stats(whole.clone(), &self.diagonal[whole], rule, part.rows.len());
                part.scales.set(group, groups, &found.scales);
                part.zeros.set(group, groups, &found.zeros);
                stats = Some(found);
            }
            let stats = stats.get_or_insert_with(|| part.stats(group, groups));
            tile.sweep(columns, &self.upper, stats, rule);
        }
        let mut outliers = Vec::new();
        for (lane, row) in part.rows.clone().enumerate() {
            let codes = &mut part.codes[lane * cols + first..][..len];
            for (code, column) in codes.iter_mut().zip(&tile.codes) {
                *code = column[lane] as u8; // a whole number in 0 ..= 255
            }
            for (error, column) in part.errors[lane * len..][..len].iter_mut().zip(&tile.errors) {
                *error = -column[lane];
            }
            let is_marked = |&i: &usize| tile.outliers[i] >> lane & 1 == 1;
            for i in (0..len).filter(is_marked) {
                let position = (row * cols + first + i) as u64;
                outliers.push((position, bf16::from_f32(tile.weights[i][lane])));
            }
        }
        outliers
    }
}

impl TileResult<'_> {
    /// The statistics that an earlier segment found for a group that reaches into this one.
    fn stats(&self, group: usize, groups: usize) -> GroupStats {
        let read = |part: &StatsPart<'_>| {
            let grid = StatsGrid { base: part.bases[group], step: part.steps[group] };
            let mut codes = [0; ROWS];
            codes.iter_mut().zip(part.codes.chunks(groups)).for_each(|(code, of_row)| *code = of_row[group]);
            (grid, codes)
        };
        GroupStats { scales: read(&self.scales), zeros: read(&self.zeros) }
    }
}

#[cfg(test)]
mod tests;
