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

/// Quantizes `weight` [rows, cols], called `tensor`, against the `factor` of its inputs' statistics. Also gives the
/// weights that the result stands for, f32 [rows, cols] on the factor's device: bit by bit those of
/// [`QuantizedMatrix::dequantize`].
///
/// The factor and the work are on `factor.upper`'s device, in f32. `block_size`: columns between two updates of the
/// rest; it changes nothing but roundings.
pub fn quantize(
    tensor: &str,
    weight: &Tensor,
    factor: &Factor,
    spec: MatrixSpec,
    block_size: usize,
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
    let (mut result, weights) = if device.is_cuda() && cuda::fits(device, spec.group_cols(shape.cols)) {
        device::quantize(tensor, rest, shape, factor, spec, block_size, mask)?
    } else {
        let result = on_host(tensor, rest, shape, factor, spec, block_size, mask)?;
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
    spec: MatrixSpec,
    block_size: usize,
    mask: MatrixMask,
) -> Result<QuantizedMatrix, QuantError> {
    let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
    let original = download(&rest).map_err(torch)?;
    rtn::check_finite(tensor, &original, shape)?;

    let mut result = QuantizedMatrix::zeroed(shape, spec, mask);
    if spec.group_size.is_none() {
        segment::find_row_grids(&mut result, &original);
    }
    drop(original);
    zero_dead_columns(&mut rest, &factor.dead).map_err(torch)?;
    let group_cols = spec.group_cols(shape.cols);
    // A row's grid is found already.
    let reach = if spec.group_size.is_some() { group_cols } else { 0 };
    for columns in segments(shape.cols, block_size, group_cols) {
        let segment = Segment::load(&rest, factor, columns, reach).map_err(torch)?;
        let errors = segment.quantize(&mut result);
        compensate(&mut rest, factor, segment.columns, &errors).map_err(torch)?;
    }
    Ok(result)
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
