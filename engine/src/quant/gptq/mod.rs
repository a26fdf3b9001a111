//! GPTQ (arXiv 2210.17323) on one matrix, with outliers that stay in 16 bit (arXiv 2504.07389).
//!
//! Columns are quantized from left to right; the error of each is spread over the columns right of it by the factor U of
//! the inverse Hessian: err = (w − ŵ)/U_ii, w_j −= err·U_ij. A segment of `block_size` columns is done as one fused pass
//! over independent rows ([`tile`]), on the host, whatever the device: it needs 128 columns of the matrix at a time and
//! is a small part of the work. The rest of the matrix is then updated by one product on the device.
//!
//! An outlier is not quantized: it keeps its current, error-compensated value and passes no error on.

mod segment;
mod tile;

use super::error::QuantError;
use super::factor::copied;
use super::matrix::{MatrixSpec, QuantizedMatrix, Shape};
use super::{Factor, MatrixMask, rtn};
use segment::{Segment, segments};
use tch::{Device, Kind, TchError, Tensor};

/// Quantizes `weight` [rows, cols], called `tensor`, against the `factor` of its inputs' statistics.
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
) -> Result<QuantizedMatrix, QuantError> {
    let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
    let device = factor.upper.device();
    let mut rest =
        weight.f_to_device(device).and_then(|w| copied(&w.f_to_kind(Kind::Float)?)).map_err(torch)?;
    let [rows, cols] = <[i64; 2]>::try_from(rest.size()).expect("a linear weight has two dimensions");
    let shape = Shape { rows: rows as usize, cols: cols as usize };
    let original = download(&rest).map_err(torch)?;
    rtn::check_finite(tensor, &original, shape)?;

    let mut result = QuantizedMatrix::zeroed(shape, spec, mask);
    if spec.group_size.is_none() {
        segment::find_row_grids(&mut result, &original);
    }
    drop(original);
    zero_dead_columns(&mut rest, &factor.dead).map_err(torch)?;
    for columns in segments(shape.cols, block_size, spec.group_cols(shape.cols)) {
        let (start, len) = (columns.start as i64, columns.len() as i64);
        // A group may reach beyond its first segment; its grid is found from all its columns.
        let reach = (cols - start).min(len.max(spec.group_cols(shape.cols) as i64));
        let window = if spec.group_size.is_some() { reach } else { len };
        let step = || -> Result<Segment, TchError> {
            let upper = factor.upper.f_narrow(0, start, len)?.f_narrow(1, start, len)?;
            Ok(Segment {
                columns: columns.clone(),
                window: window as usize,
                weights: download(&rest.f_narrow(1, start, window)?)?,
                upper: download(&upper)?,
            })
        };
        let negated_errors = step().map_err(torch)?.quantize(&mut result);
        update_rest(&mut rest, factor, start, len, &negated_errors).map_err(torch)?;
    }
    Ok(result)
}

/// `rest[:, end..] −= errors · U[start..end, end..]`
fn update_rest(
    rest: &mut Tensor,
    factor: &Factor,
    start: i64,
    len: i64,
    negated_errors: &[f32],
) -> Result<(), TchError> {
    let (end, cols) = (start + len, rest.size()[1]);
    if end == cols {
        return Ok(());
    }
    let errors = Tensor::f_from_slice(negated_errors)?.f_reshape([-1, len])?.f_to_device(rest.device())?;
    let upper = factor.upper.f_narrow(0, start, len)?.f_narrow(1, end, cols - end)?;
    let _ = rest.f_narrow(1, end, cols - end)?.f_addmm_(&errors, &upper)?;
    Ok(())
}

/// Weights of input features that were never active do not matter; zero is the cheapest level.
fn zero_dead_columns(weight: &mut Tensor, dead: &[bool]) -> Result<(), TchError> {
    if dead.iter().any(|&d| d) {
        let dead = Tensor::f_from_slice(dead)?.f_to_device(weight.device())?;
        let _ = weight.f_masked_fill_(&dead.f_unsqueeze(0)?, 0.0)?;
    }
    Ok(())
}

/// A copy of a tensor's elements, row-major.
fn download(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let host = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0.0f32; host.numel()];
    host.f_copy_data(&mut values, host.numel())?;
    Ok(values)
}

#[cfg(test)]
mod tests;
