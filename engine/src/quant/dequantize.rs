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
                let mut matrices = vec![matrix];
                if group.is_some() {
                    // Columns of a group far from each other, and divided by scales.
                    let mut matrix = matrices[0].clone();
                    let groups = matrix.levels.grids().spec.groups(150);
                    let group_of = (0..150).map(|col| (col * 7 % groups) as u16).collect();
                    assert!(matrix.levels.set_group_of(shape, group_of));
                    let scales = (1..=150).map(|col| half::f16::from_f32(0.37 * col as f32)).collect();
                    assert!(matrix.levels.set_column_scales(scales));
                    assert_ne!(matrix.dequantize(), matrices[0].dequantize());
                    matrices.push(matrix);
                }
                for matrix in matrices {
                    let found = dequantize_on(&matrix, device).unwrap().to_device(Device::Cpu);
                    assert_eq!(found.size(), [9, 150]);
                    assert_eq!(Vec::<f32>::try_from(found.reshape([-1])).unwrap(), matrix.dequantize());
                }
            }
        }
    }
}
