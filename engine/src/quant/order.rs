//! Quantizing columns in another order than the weight has them.

use super::levels::Levels;
use super::{MatrixMask, QuantizedMatrix};
use rayon::prelude::*;
use tch::{Device, Kind, TchError, Tensor};

/// An order of columns: those with the largest diagonal of the Hessian first ("act order"), so that the errors of what
/// matters most are compensated by the most columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnOrder {
    /// The weight's column at each place.
    columns: Vec<u32>,
    /// The place of each of the weight's columns.
    places: Vec<u32>,
}

impl ColumnOrder {
    /// By descending diagonal of a Hessian, equal ones as they are.
    pub fn by_activity(diagonal: &Tensor) -> Result<Self, TchError> {
        let diagonal = Vec::<f32>::try_from(&diagonal.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?)?;
        let mut columns: Vec<u32> = (0..diagonal.len() as u32).collect();
        columns.sort_by(|a, b| diagonal[*b as usize].total_cmp(&diagonal[*a as usize]));
        let mut places = vec![0; columns.len()];
        columns.iter().enumerate().for_each(|(place, &column)| places[column as usize] = place as u32);
        Ok(Self { columns, places })
    }

    /// A tensor with its dimension `dim` in this order.
    pub fn sort(&self, tensor: &Tensor, dim: i64) -> Result<Tensor, TchError> {
        tensor.f_index_select(dim, &index(&self.columns, tensor.device())?)
    }

    /// The inverse of [`Self::sort`].
    pub fn restore(&self, tensor: &Tensor, dim: i64) -> Result<Tensor, TchError> {
        tensor.f_index_select(dim, &index(&self.places, tensor.device())?)
    }

    /// The weight's column at each place.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|&column| column as usize)
    }

    /// The inverse of [`Self::sort_mask`].
    pub fn restore_mask(&self, mask: &MatrixMask) -> MatrixMask {
        moved(mask, &self.columns)
    }

    /// A mask of the weight as one of the sorted weight.
    pub fn sort_mask(&self, mask: &MatrixMask) -> MatrixMask {
        moved(mask, &self.places)
    }

    /// Brings a quantized sorted weight back to the weight's own order. Where columns that follow each other share grids,
    /// which they do is remembered; where groups are given by column, they are those of neighbours in the weight.
    pub fn restore_matrix(&self, matrix: &mut QuantizedMatrix) {
        let cols = matrix.shape.cols;
        matrix.codes.par_chunks_mut(cols).for_each_init(
            || vec![0; cols],
            |sorted, codes| {
                sorted.copy_from_slice(codes);
                codes.iter_mut().zip(&self.places).for_each(|(code, &place)| *code = sorted[place as usize]);
            },
        );
        let mask = self.restore_mask(&matrix.mask);
        let values = |row: usize| {
            let mut of_row: Vec<_> =
                matrix.mask.row(row).iter().zip(&matrix.outliers[matrix.mask.range(row)]).collect();
            of_row.sort_unstable_by_key(|(place, _)| self.columns[**place as usize]);
            of_row.into_iter().map(|(_, value)| *value)
        };
        matrix.outliers = (0..matrix.shape.rows).flat_map(values).collect();
        matrix.mask = mask;
        let group_of = |group_cols: usize| {
            let group =
                |&place: &u32| u16::try_from(place as usize / group_cols).expect("at most 65536 groups");
            self.places.iter().map(group).collect()
        };
        match &mut matrix.levels {
            Levels::Grids(grids) if grids.spec.group_size.is_some() => {
                let is_static = grids.group_of.is_some();
                grids.group_of = (!is_static).then(|| group_of(grids.spec.group_cols(cols)));
            }
            Levels::TwoLevel(levels) => levels.group_of = Some(group_of(levels.spec.group_cols(cols))),
            Levels::Grids(_) | Levels::Table(_) => {}
            Levels::Mixed(_) => unreachable!("SliM-LLM quantizes columns in their own order"),
        }
    }
}

fn index(of: &[u32], device: Device) -> Result<Tensor, TchError> {
    let index: Vec<i64> = of.iter().map(|&i| i64::from(i)).collect();
    Tensor::f_from_slice(&index)?.f_to_device(device)
}

/// The mask with column c of each row at `to[c]`.
fn moved(mask: &MatrixMask, to: &[u32]) -> MatrixMask {
    let cols = to.len();
    let positions = (0..mask.rows()).flat_map(|row| {
        let mut columns: Vec<u32> = mask.row(row).iter().map(|&col| to[col as usize]).collect();
        columns.sort_unstable();
        columns.into_iter().map(move |col| (row * cols) as u64 + u64::from(col))
    });
    MatrixMask::from_sorted(mask.rows(), cols, positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Normal, spec};
    use crate::quant::{Shape, round_to_nearest};

    #[test]
    fn a_matrix_quantized_in_another_order_comes_back_as_it_was() {
        let shape = Shape { rows: 5, cols: 50 };
        let weights = Normal::new(8).vector(shape.len(), 0.1);
        let weight = Tensor::from_slice(&weights).view([5, 50]);
        let diagonal = Tensor::from_slice(&Normal::new(9).vector(50, 1.0));
        let order = ColumnOrder::by_activity(&diagonal).unwrap();
        let sorted_diagonal = Vec::<f32>::try_from(order.sort(&diagonal, 0).unwrap()).unwrap();
        assert!(sorted_diagonal.is_sorted_by(|a, b| a >= b));
        let mask = MatrixMask::from_sorted(5, 50, [3, 49, 50, 120, 122, 249].into_iter());
        for group in [None, Some(8)] {
            let sorted = Vec::<f32>::try_from(order.sort(&weight, 1).unwrap().reshape([-1])).unwrap();
            let mut matrix =
                round_to_nearest("w", &sorted, shape, spec(3, group), order.sort_mask(&mask)).unwrap();
            let expected = Tensor::from_slice(&matrix.dequantize()).view([5, 50]);
            order.restore_matrix(&mut matrix);
            assert_eq!(matrix.mask, mask);
            let expected = Vec::<f32>::try_from(order.restore(&expected, 1).unwrap().reshape([-1])).unwrap();
            assert_eq!(matrix.dequantize(), expected, "{group:?}");
        }
    }
}
