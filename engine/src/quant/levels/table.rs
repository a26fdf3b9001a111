//! A list of values for each row.

use super::{BadLevel, Part, check};
use crate::quant::matrix::Shape;
use half::f16;
use safetensors::Dtype;
use tacq_protocol::units::Bits;
use tch::{Kind, TchError, Tensor};

/// How tables are laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSpec {
    /// Bits of a code: a row has 2^bits values.
    pub bits: Bits,
}

impl TableSpec {
    /// Values of a row.
    pub fn values(self) -> usize {
        1 << self.bits.get()
    }
}

/// Code c of a row is the c-th of the row's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// How many values there are.
    pub spec: TableSpec,
    /// [rows, 2^bits]
    pub values: Vec<f16>,
}

impl Table {
    pub(super) fn parts(spec: TableSpec, shape: Shape) -> Vec<Part> {
        vec![Part::new("values", Dtype::F16, &[shape.rows, spec.values()])]
    }

    pub(super) fn read(spec: TableSpec, bytes: &[&[u8]]) -> Result<Table, BadLevel> {
        let values: Vec<f16> = bytes[0].as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
        check("values", &values, f32::is_finite, || "a finite number".to_owned())?;
        Ok(Table { spec, values })
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        vec![self.values.iter().flat_map(|v| v.to_le_bytes()).collect()]
    }

    pub(super) fn fill(&self, row: usize, codes: &[u8], weights: &mut [f32]) {
        let values = &self.values[row * self.spec.values()..][..self.spec.values()];
        for (weight, &code) in weights.iter_mut().zip(codes) {
            *weight = values[usize::from(code)].to_f32();
        }
    }

    pub(super) fn on_device(&self, codes: &Tensor) -> Result<Tensor, TchError> {
        let values: Vec<f32> = self.values.iter().map(|v| v.to_f32()).collect();
        let values = Tensor::f_from_slice(&values)?.f_view([-1, self.spec.values() as i64])?;
        values.f_to_device(codes.device())?.f_gather(1, &codes.f_to_kind(Kind::Int64)?, false)
    }
}
