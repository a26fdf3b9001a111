//! The column loop on a CUDA device: nothing but codes, grids and outliers leaves it.

use super::super::cuda::{self, Columns, Grids, MAX_COLUMNS};
use super::super::error::QuantError;
use super::super::levels::{self, Levels};
use super::super::matrix::{MatrixSpec, QuantizedMatrix, Shape};
use super::super::{Factor, MatrixMask, rtn};
use super::{Loop, download, update, zero_dead_columns};
use crate::tensorfile::tensor_bytes;
use half::bf16;
use tch::{Kind, TchError, Tensor};

/// See [`super::quantize`]; `rest` f32 [rows, cols] is on the factor's device and no one else's.
pub fn quantize(
    tensor: &str,
    rest: Tensor,
    shape: Shape,
    factor: &Factor,
    by: &Loop,
    mask: MatrixMask,
) -> Result<(QuantizedMatrix, Tensor), QuantError> {
    let fail = |error| QuantError::on_cuda(tensor, error);
    let is_finite = || rest.f_isfinite()?.f_all()?.f_int64_value(&[]);
    if is_finite().map_err(|e| fail(e.into()))? == 0 {
        let weights = download::<f32>(&rest).map_err(|e| fail(e.into()))?;
        rtn::check_finite(tensor, &weights, shape)?;
    }
    let mut work = Work::new(rest, shape, by.spec, &mask).map_err(|e| fail(e.into()))?;
    work.run(factor, by).map_err(fail)?;
    work.finish(mask, by).map_err(|e| fail(e.into()))
}

/// A matrix under way.
struct Work {
    shape: Shape,
    spec: MatrixSpec,
    /// f32 [rows, cols], current weights.
    rest: Tensor,
    /// u8 [rows, cols], 1 at outliers, and their positions \[k\] i64, if there are any.
    outliers: Option<(Tensor, Tensor)>,
    grids: Grids,
    /// u8 [rows, cols]
    codes: Tensor,
}

impl Work {
    fn new(rest: Tensor, shape: Shape, spec: MatrixSpec, mask: &MatrixMask) -> Result<Self, TchError> {
        let device = rest.device();
        let size = [shape.rows as i64, shape.cols as i64];
        let outliers = if mask.is_empty() {
            None
        } else {
            let positions = mask.positions_on(shape.cols, device)?;
            let marks = Tensor::f_zeros([size[0] * size[1]], (Kind::Uint8, device))?;
            let marks = marks.f_index_fill(0, &positions, 1)?.f_view(size)?;
            Some((marks, positions))
        };
        let grids = [size[0], spec.groups(shape.cols) as i64];
        let zeros = |size: [i64; 2], kind| Tensor::f_zeros(size, (kind, device));
        let grids = Grids { scales: zeros(grids, Kind::Float)?, zeros: zeros(grids, Kind::Float)? };
        Ok(Self { shape, spec, rest, outliers, grids, codes: zeros(size, Kind::Uint8)? })
    }

    /// Finds grids and codes, segment by segment.
    fn run(&mut self, factor: &Factor, by: &Loop) -> Result<(), cuda::Error> {
        let (cols, group_cols) = (self.shape.cols, self.spec.group_cols(self.shape.cols));
        let marks = self.outliers.as_ref().map(|(marks, _)| marks.shallow_clone());
        let current = |work: &Self| (work.rest.shallow_clone(), marks.as_ref().map(Tensor::shallow_clone));
        if self.spec.group_size.is_none() {
            self.find_grids(&current(self), 0, 0, cols)?;
        }
        zero_dead_columns(&mut self.rest, &factor.dead)?;
        if by.has_static_groups {
            // As they lie in the weight.
            let (weights, marks) = current(self);
            let restore = |tensor: Tensor| match &factor.order {
                Some(order) => order.restore(&tensor, 1),
                None => Ok(tensor),
            };
            let original = (restore(weights)?, marks.map(restore).transpose()?);
            for (group, start) in (0..cols).step_by(group_cols).enumerate() {
                self.find_grids(&original, group, start, group_cols.min(cols - start))?;
            }
        }
        for segment in by.segments(cols) {
            let size = [self.shape.rows as i64, segment.len() as i64];
            let errors = Tensor::f_empty(size, (Kind::Float, self.rest.device()))?;
            for (group, run) in by.runs(segment.clone(), cols, MAX_COLUMNS) {
                if by.finds_grids() && run.start == group * group_cols {
                    self.find_grids(&current(self), group, run.start, group_cols.min(cols - run.start))?;
                }
                let (start, len) = (run.start as i64, run.len() as i64);
                let part = |all: &Tensor| all.f_narrow(1, start, len);
                let columns = Columns {
                    weights: part(&self.rest)?,
                    upper: part(&factor.upper.f_narrow(0, start, len)?)?,
                    outliers: self.outliers.as_ref().map(|(marks, _)| part(marks)).transpose()?,
                    codes: part(&self.codes)?,
                    errors: errors.f_narrow(1, start - segment.start as i64, len)?,
                };
                cuda::sweep(&columns, &self.grids, group as i64, self.spec.finder().max_code())?;
                let behind = run.end as i64..segment.end as i64;
                update(&mut self.rest, &factor.upper, start, behind, &columns.errors)?;
            }
            let behind = segment.end as i64..cols as i64;
            update(&mut self.rest, &factor.upper, segment.start as i64, behind, &errors)?;
        }
        Ok(())
    }

    /// Finds the grids of a group, whose columns these are, from weights [rows, cols] and their marks of outliers.
    fn find_grids(
        &self,
        (weights, marks): &(Tensor, Option<Tensor>),
        group: usize,
        start: usize,
        len: usize,
    ) -> Result<(), cuda::Error> {
        let part = |all: &Tensor| all.f_narrow(1, start as i64, len as i64);
        let outliers = marks.as_ref().map(part).transpose()?;
        cuda::find_grids(&part(weights)?, outliers.as_ref(), self.spec, &self.grids, group as i64)
    }

    /// Brings the result to the host; the weights that it stands for stay.
    fn finish(self, mask: MatrixMask, by: &Loop) -> Result<(QuantizedMatrix, Tensor), TchError> {
        let Self { shape, spec, rest, outliers, grids, codes } = self;
        let weights = cuda::dequantize(&codes, &grids, by.group_of.as_deref(), spec, shape)?;
        let values = match outliers {
            None => Vec::new(),
            Some((_, positions)) => {
                let values = rest.f_view([-1])?.f_index_select(0, &positions)?.f_to_kind(Kind::BFloat16)?;
                let values = values.f_to_kind(Kind::Float)?;
                let _ = weights.f_view([-1])?.f_index_copy_(0, &positions, &values)?;
                download::<f32>(&values)?
            }
        };
        let levels = Levels::Grids(levels::Grids {
            spec,
            scales: download(&grids.scales)?,
            zeros: download(&grids.zeros.f_to_kind(Kind::Uint8)?)?,
            group_of: by.group_of.clone(),
            column_scales: None,
        });
        let matrix = QuantizedMatrix {
            shape,
            codes: tensor_bytes(&codes)?,
            levels,
            mask,
            outliers: values.into_iter().map(bf16::from_f32).collect(),
        };
        Ok((matrix, weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Hessian;
    use crate::quant::gptq::{GptqSettings, on_host};
    use crate::quant::testing::{Normal, spec};
    use tacq_protocol::stage::Grid;
    use tch::Device;

    #[test]
    fn codes_grids_and_outliers_are_those_of_the_host() {
        let Some(device) = crate::cuda::test_device() else { return };
        tch::manual_seed(2);
        // By activity, columns that follow each other are of different static groups.
        let (natural, by_activity) = ((false, false), (true, true));
        for (rows, cols, bits, group, grid, block, (static_groups, sorts)) in [
            (97, 320, 2, None, Grid::Mse, 128, natural),
            (64, 256, 3, Some(64), Grid::Mse, 128, natural),
            (33, 300, 4, Some(48), Grid::Minmax, 200, natural),
            (40, 700, 8, Some(160), Grid::Mse, 64, natural),
            (16, 120, 2, None, Grid::Mse, 1000, natural),
            (64, 256, 3, Some(64), Grid::Mse, 128, (true, false)),
            (33, 300, 4, Some(48), Grid::Mse, 200, by_activity),
            (16, 120, 2, Some(32), Grid::Minmax, 1000, by_activity),
        ] {
            let shape = Shape { rows, cols };
            let spec = MatrixSpec { grid, ..spec(bits, group) };
            let weights = Normal::new(7).vector(shape.len(), 0.05);
            let weights = Tensor::from_slice(&weights).view([rows as i64, cols as i64]);
            let inputs = Tensor::randn([1, 900, cols as i64], (Kind::Float, Device::Cpu));
            let _ = inputs.select(2, 5).fill_(0.0);
            let mut hessian = Hessian::new(cols as i64, Device::Cpu).unwrap();
            hessian.add(&inputs).unwrap();
            let (hessian, damp) = (hessian.finish().unwrap(), "0.01".parse().unwrap());
            let factor =
                if sorts { Factor::by_activity("w", hessian, damp) } else { Factor::new("w", hessian, damp) };
            let factor = factor.unwrap();
            let upper = factor.upper.to_device(device);
            let on_device = Factor { upper, dead: factor.dead.clone(), order: factor.order.clone() };
            let by = Loop::new(GptqSettings { spec, block_size: block, static_groups }, &factor, cols);
            let positions = (0..shape.len() as u64).filter(|at| at % 101 == 3 || at / cols as u64 == 9);
            for mask in [MatrixMask::empty(rows), MatrixMask::from_sorted(rows, cols, positions)] {
                let host = on_host("w", weights.copy(), shape, &factor, &by, mask.clone()).unwrap();
                let rest = weights.to_device(device).copy();
                let (found, stands_for) = quantize("w", rest, shape, &on_device, &by, mask).unwrap();
                let case = format!(
                    "{rows} x {cols}, {bits} bits, groups {group:?}, {} outliers",
                    host.outliers.len()
                );
                // The products between segments round otherwise, so that a weight in the middle between two levels may
                // go to the other one.
                let same = host.codes.iter().zip(&found.codes).filter(|(a, b)| a == b).count();
                assert!(same as f64 >= SAME_CODES * shape.len() as f64, "{case}: {same} codes");
                if group.is_none() || static_groups {
                    assert_eq!(host.levels, found.levels, "{case}");
                }
                assert_eq!(
                    Vec::<f32>::try_from(stands_for.view([-1])).unwrap(),
                    found.dequantize(),
                    "{case}"
                );
                if cols <= MAX_COLUMNS && (group.is_none() || static_groups) && !sorts {
                    assert_eq!(host, found, "{case}: no product is between");
                }
            }
        }
    }

    /// Share of codes that are the same although products round otherwise.
    const SAME_CODES: f64 = 0.99;
}
