//! Uniform grids of rows or groups.

use super::{BadLevel, Part, check, fill, spread};
use crate::quant::grid::{Grid, max_code};
use crate::quant::matrix::{MatrixSpec, Shape};
use half::f16;
use safetensors::Dtype;
use tacq_protocol::artifact::counted::GROUP_BITS;
use tch::{Kind, TchError, Tensor};

/// scale·(code − zero), in f32, divided by the column's scale where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Grids {
    /// How they are laid.
    pub spec: MatrixSpec,
    /// [rows, groups]
    pub scales: Vec<f32>,
    /// [rows, groups]
    pub zeros: Vec<u8>,
    /// The group of each column; of neighbours when absent.
    pub group_of: Option<Vec<u16>>,
    /// By what each column is divided; by nothing when absent.
    pub column_scales: Option<Vec<f16>>,
}

impl Grids {
    pub(super) fn parts(spec: MatrixSpec, shape: Shape) -> Vec<Part> {
        let (dtype, size) = match spec.group_size {
            None => (Dtype::F32, vec![shape.rows]),
            Some(_) => (Dtype::F16, vec![shape.rows, spec.groups(shape.cols)]),
        };
        vec![Part::new("scales", dtype, &size), Part::new("zeros", Dtype::U8, &size)]
    }

    pub(super) fn read(spec: MatrixSpec, bytes: &[&[u8]]) -> Result<Grids, BadLevel> {
        let scales: Vec<f32> = match spec.group_size {
            None => bytes[0].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Some(_) => bytes[0].as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        };
        check("scales", &scales, |s| s.is_finite() && s > 0.0, || "a finite number above zero".to_owned())?;
        let most = max_code(spec.bits);
        check("zeros", bytes[1], |z| z <= f32::from(most), || format!("a code from 0 to {most}"))?;
        Ok(Grids { spec, scales, zeros: bytes[1].to_vec(), group_of: None, column_scales: None })
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        let scales = match self.spec.group_size {
            None => self.scales.iter().flat_map(|s| s.to_le_bytes()).collect(),
            Some(_) => self.scales.iter().flat_map(|&s| f16::from_f32(s).to_le_bytes()).collect(),
        };
        vec![scales, self.zeros.clone()]
    }

    pub(super) fn counted_bits(spec: MatrixSpec, shape: Shape) -> f64 {
        match spec.group_size {
            None => 0.0,
            Some(_) => f64::from(GROUP_BITS) * (shape.rows * spec.groups(shape.cols)) as f64,
        }
    }

    pub(super) fn fill(&self, shape: Shape, row: usize, codes: &[u8], weights: &mut [f32]) {
        let groups = self.spec.groups(shape.cols);
        let grid = |group: usize| {
            let at = row * groups + group;
            Grid { scale: self.scales[at], zero: f32::from(self.zeros[at]) }
        };
        fill(self.group_of.as_deref(), self.spec.group_cols(shape.cols), codes, weights, grid, Grid::value);
        if let Some(scales) = &self.column_scales {
            weights.iter_mut().zip(scales).for_each(|(weight, scale)| *weight /= scale.to_f32());
        }
    }

    pub(super) fn on_device(&self, codes: &Tensor, shape: Shape) -> Result<Tensor, TchError> {
        let size = [shape.rows as i64, self.spec.groups(shape.cols) as i64];
        let place = |values: Tensor| values.f_to_device(codes.device())?.f_view(size);
        let zeros = place(Tensor::f_from_slice(&self.zeros)?)?.f_to_kind(Kind::Float)?;
        let scales = place(Tensor::f_from_slice(&self.scales)?)?;
        let group_cols = self.spec.group_cols(shape.cols);
        let spread = |of_groups| spread(of_groups, self.group_of.as_deref(), group_cols, shape.cols);
        let weights = codes.f_to_kind(Kind::Float)?.f_sub_(&spread(&zeros)?)?.f_mul_(&spread(&scales)?)?;
        let Some(scales) = &self.column_scales else { return Ok(weights) };
        let scales: Vec<f32> = scales.iter().map(|scale| scale.to_f32()).collect();
        weights.f_div(&Tensor::f_from_slice(&scales)?.f_to_device(codes.device())?)
    }
}
