//! Codes → weights, on whatever device.

use super::QuantizedMatrix;
use crate::cuda::staging;
use tch::{Device, TchError, Tensor};

/// [`QuantizedMatrix::dequantize`] as a tensor f32 [rows, cols] on a device; on a GPU the same operations are done there.
pub fn dequantize_on(matrix: &QuantizedMatrix, device: Device) -> Result<Tensor, TchError> {
    let QuantizedMatrix { shape, mask, .. } = matrix;
    let size = [shape.rows as i64, shape.cols as i64];
    if !device.is_cuda() {
        return Tensor::f_from_slice(&matrix.dequantize())?.f_reshape(size);
    }
    let codes = staging::upload(&matrix.codes, device)?.f_view(size)?;
    let weights = matrix.levels.on_device(&codes, *shape)?;
    if !mask.is_empty() {
        let positions = mask.positions_on(shape.cols, device)?;
        let values: Vec<f32> = matrix.outliers.iter().map(|value| value.to_f32()).collect();
        let values = Tensor::f_from_slice(&values)?.f_to_device(device)?;
        let _ = weights.f_view([-1])?.f_index_copy_(0, &positions, &values)?;
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Normal, spec};
    use crate::quant::{MatrixMask, Shape, round_to_nearest};

    #[test]
    fn weights_have_the_same_bits_on_every_device() {
        let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
        let shape = Shape { rows: 9, cols: 150 };
        let weights = Normal::new(3).vector(shape.len(), 0.1);
        for (bits, group) in [(2, None), (3, Some(64)), (8, Some(16))] {
            for mask in [MatrixMask::empty(9), MatrixMask::from_sorted(9, 150, [0, 7, 400, 1349].into_iter())]
            {
                let matrix = round_to_nearest("w", &weights, shape, spec(bits, group), mask).unwrap();
                let found = dequantize_on(&matrix, device).unwrap().to_device(Device::Cpu);
                assert_eq!(found.size(), [9, 150]);
                assert_eq!(Vec::<f32>::try_from(found.reshape([-1])).unwrap(), matrix.dequantize());
            }
        }
    }
}
