//! GPTQ (arXiv 2210.17323) on one matrix, with outliers that stay in 16 bit (arXiv 2504.07389).
//!
//! Columns are quantized from left to right; the error of each is spread over the columns right of it by the factor U of
//! the inverse Hessian: err = (w − ŵ)/U_ii, w_j −= err·U_ij. A segment of `block_size` columns is done as one fused pass
//! over independent rows: on the host in vector registers ([`tile`]), on a GPU by a kernel ([`device`]) that does the
//! same operations in the same order. The rest of the matrix is then updated by one product.
//!
//! An outlier is not quantized: it keeps its current, error-compensated value and passes no error on.

mod device;
mod segment;
mod tile;

use super::cuda;
use super::error::QuantError;
use super::factor::copied;
use super::matrix::{MatrixSpec, QuantizedMatrix, Shape};
use super::{Factor, MatrixMask, dequantize_on, rtn};
pub(super) use segment::{Segment, runs, segments};
use std::ops::Range;
use tch::{Device, Kind, TchError, Tensor};
pub(super) use tile::{ROWS, Tile, compensate as compensate_columns};

/// GPTQ's parameters for one matrix.
#[derive(Debug, Clone, Copy)]
pub struct GptqSettings {
    /// How grids are laid and found.
    pub spec: MatrixSpec,
    /// Columns between two updates of the rest; it changes nothing but roundings.
    pub block_size: usize,
    /// Whether groups are of columns that are neighbours in the weight, and their grids found before the loop (the code's
    /// `static_groups`); otherwise they are of columns that follow each other in the loop, and a grid is found when the
    /// group's turn comes.
    pub static_groups: bool,
}

/// What the column loop goes by.
#[derive(Debug)]
struct Loop {
    spec: MatrixSpec,
    block_size: usize,
    /// Whether there are groups, and their grids are found before the loop.
    has_static_groups: bool,
    /// The group of each column, in the loop's order, where those of static groups do not follow each other.
    group_of: Option<Vec<u16>>,
}

/// Quantizes `weight` [rows, cols], called `tensor`, against the `factor` of its inputs' statistics. Also gives the
/// weights that the result stands for, f32 [rows, cols] on the factor's device: bit by bit those of
/// [`QuantizedMatrix::dequantize`].
///
/// The factor and the work are on `factor.upper`'s device, in f32.
pub fn quantize(
    tensor: &str,
    weight: &Tensor,
    factor: &Factor,
    settings: GptqSettings,
    mask: MatrixMask,
) -> Result<(QuantizedMatrix, Tensor), QuantError> {
    let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
    let device = factor.upper.device();
    let rest = sorted(weight, factor).map_err(torch)?;
    let mask = match &factor.order {
        Some(order) => order.sort_mask(&mask),
        None => mask,
    };
    let [rows, cols] = <[i64; 2]>::try_from(rest.size()).expect("a linear weight has two dimensions");
    let shape = Shape { rows: rows as usize, cols: cols as usize };
    let by = Loop::new(settings, factor, shape.cols);
    let (mut result, weights) = if device.is_cuda() && cuda::fits(device, by.spec.group_cols(shape.cols)) {
        device::quantize(tensor, rest, shape, factor, &by, mask)?
    } else {
        let result = on_host(tensor, rest, shape, factor, &by, mask)?;
        let weights = dequantize_on(&result, device).map_err(torch)?;
        (result, weights)
    };
    let Some(order) = &factor.order else { return Ok((result, weights)) };
    order.restore_matrix(&mut result);
    Ok((result, order.restore(&weights, 1).map_err(torch)?))
}

/// A copy of `weight` that no one else has: f32, on the factor's device, columns in the factor's order.
pub(super) fn sorted(weight: &Tensor, factor: &Factor) -> Result<Tensor, TchError> {
    let weight = weight.f_to_device(factor.upper.device())?;
    match &factor.order {
        Some(order) => order.sort(&weight, 1)?.f_to_kind(Kind::Float),
        None => copied(&weight.f_to_kind(Kind::Float)?),
    }
}

/// The column loop on the host, the updates of the rest where `rest` is.
fn on_host(
    tensor: &str,
    mut rest: Tensor,
    shape: Shape,
    factor: &Factor,
    by: &Loop,
    mask: MatrixMask,
) -> Result<QuantizedMatrix, QuantError> {
    let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
    let original = download(&rest).map_err(torch)?;
    rtn::check_finite(tensor, &original, shape)?;

    let mut result = QuantizedMatrix::zeroed(shape, by.spec, mask);
    if by.spec.group_size.is_none() {
        let QuantizedMatrix { levels, mask, .. } = &mut result;
        segment::find_grids(levels.grids_mut(), &original, shape.cols, mask);
    }
    drop(original);
    zero_dead_columns(&mut rest, &factor.dead).map_err(torch)?;
    if by.has_static_groups {
        // As they lie in the weight.
        let (weights, mask) = match &factor.order {
            Some(order) => (order.restore(&rest, 1).map_err(torch)?, order.restore_mask(&result.mask)),
            None => (rest.shallow_clone(), result.mask.clone()),
        };
        segment::find_grids(
            result.levels.grids_mut(),
            &download(&weights).map_err(torch)?,
            shape.cols,
            &mask,
        );
        result.levels.grids_mut().group_of.clone_from(&by.group_of);
    }
    for columns in by.segments(shape.cols) {
        let reach = if by.finds_grids() { by.spec.group_cols(shape.cols) } else { 0 };
        let segment = Segment::load(&rest, factor, columns, reach).map_err(torch)?;
        let errors = segment.quantize(&mut result, by);
        compensate(&mut rest, factor, segment.columns, &errors).map_err(torch)?;
    }
    Ok(result)
}

impl Loop {
    fn new(settings: GptqSettings, factor: &Factor, cols: usize) -> Loop {
        let GptqSettings { spec, block_size, static_groups } = settings;
        let group_cols = spec.group_cols(cols);
        let group = |column: usize| u16::try_from(column / group_cols).expect("at most 65536 groups");
        let has_static_groups = static_groups && spec.group_size.is_some();
        let order = factor.order.as_ref().filter(|_| has_static_groups);
        let group_of = order.map(|order| order.columns().map(group).collect());
        Loop { spec, block_size, has_static_groups, group_of }
    }

    /// Whether grids are found in the loop.
    fn finds_grids(&self) -> bool {
        self.spec.group_size.is_some() && !self.has_static_groups
    }

    /// Runs of columns between updates of the rest.
    fn segments(&self, cols: usize) -> Vec<Range<usize>> {
        let group_cols = if self.finds_grids() { self.spec.group_cols(cols) } else { cols };
        segments(cols, self.block_size, group_cols)
    }

    /// Splits a segment of a matrix of `cols` columns into runs of one group and at most `most` columns.
    fn runs(&self, columns: Range<usize>, cols: usize, most: usize) -> Vec<(usize, Range<usize>)> {
        let Some(group_of) = &self.group_of else {
            let group_cols = self.spec.group_cols(cols);
            return runs(columns, group_cols, most).map(|run| (run.start / group_cols, run)).collect();
        };
        let mut all: Vec<(usize, Range<usize>)> = Vec::new();
        for column in columns {
            let group = usize::from(group_of[column]);
            match all.last_mut() {
                Some((of_run, run)) if *of_run == group && run.len() < most => run.end = column + 1,
                _ => all.push((group, column..column + 1)),
            }
        }
        all
    }
}

/// Spreads the negated errors [rows, len] of a segment on the host over the columns behind it.
pub(super) fn compensate(
    rest: &mut Tensor,
    factor: &Factor,
    columns: Range<usize>,
    negated_errors: &[f32],
) -> Result<(), TchError> {
    let (start, end, cols) = (columns.start as i64, columns.end as i64, rest.size()[1]);
    let errors =
        Tensor::f_from_slice(negated_errors)?.f_reshape([-1, end - start])?.f_to_device(rest.device())?;
    update(rest, &factor.upper, start, end..cols, &errors)
}

/// `rest[:, columns] += negated_errors · U[start.., columns]`, as many rows of U as there are errors in a row.
fn update(
    rest: &mut Tensor,
    upper: &Tensor,
    start: i64,
    columns: Range<i64>,
    negated_errors: &Tensor,
) -> Result<(), TchError> {
    let (first, count) = (columns.start, columns.end - columns.start);
    if count > 0 {
        let upper = upper.f_narrow(0, start, negated_errors.size()[1])?.f_narrow(1, first, count)?;
        let _ = rest.f_narrow(1, first, count)?.f_addmm_(negated_errors, &upper)?;
    }
    Ok(())
}

/// Weights of input features that were never active do not matter; zero is the cheapest level.
pub(super) fn zero_dead_columns(weight: &mut Tensor, dead: &[bool]) -> Result<(), TchError> {
    if dead.iter().any(|&d| d) {
        let dead = Tensor::f_from_slice(dead)?.f_to_device(weight.device())?;
        let _ = weight.f_masked_fill_(&dead.f_unsqueeze(0)?, 0.0)?;
    }
    Ok(())
}

/// A copy of a tensor's elements, row-major.
pub(super) fn download<T: tch::kind::Element + Default + Clone>(tensor: &Tensor) -> Result<Vec<T>, TchError> {
    let host = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![T::default(); host.numel()];
    host.f_copy_data(&mut values, host.numel())?;
    Ok(values)
}

#[cfg(test)]
mod tests;
