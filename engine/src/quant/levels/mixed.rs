//! Grids of groups that have different bit widths (SliM-LLM, arXiv 2405.14917).

use super::{BadLevel, Part, check, fill, spread};
use crate::quant::checkpoint::bits;
use crate::quant::matrix::{Shape, group_cols};
use half::f16;
use safetensors::Dtype;
use std::ops::Range;
use tacq_protocol::artifact::counted::GROUP_BITS;
use tacq_protocol::units::{Bits, GroupSize};
use tch::{Kind, TchError, Tensor};

/// How mixed grids are laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedSpec {
    /// Bits of a code, on average.
    pub bits: Bits,
    /// Columns of a group.
    pub group_size: GroupSize,
}

impl MixedSpec {
    /// Columns of a group, in a matrix of `cols`.
    pub fn group_cols(self, cols: usize) -> usize {
        group_cols(Some(self.group_size), cols)
    }

    /// Groups of a row.
    pub fn groups(self, cols: usize) -> usize {
        cols.div_ceil(self.group_cols(cols))
    }
}

/// scale·(code − zero) in f32, the zero point any number.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    /// How they are laid.
    pub spec: MixedSpec,
    /// \[groups\] bits of the codes in each group of columns, the same in all rows.
    pub widths: Vec<u8>,
    /// [rows, groups]
    pub scales: Vec<f16>,
    /// [rows, groups]
    pub zeros: Vec<f16>,
}

impl Mixed {
    /// All zero, to be filled.
    pub fn zeroed(spec: MixedSpec, shape: Shape, widths: Vec<u8>) -> Mixed {
        assert_eq!(widths.len(), spec.groups(shape.cols), "each group has a width");
        let zeros = vec![f16::ZERO; shape.rows * widths.len()];
        Mixed { spec, widths, scales: zeros.clone(), zeros }
    }

    pub(super) fn parts(spec: MixedSpec, shape: Shape) -> Vec<Part> {
        let groups = spec.groups(shape.cols);
        vec![
            Part::new("widths", Dtype::U8, &[groups]),
            Part::new("scales", Dtype::F16, &[shape.rows, groups]),
            Part::new("zeros", Dtype::F16, &[shape.rows, groups]),
        ]
    }

    pub(super) fn read(spec: MixedSpec, bytes: &[&[u8]]) -> Result<Mixed, BadLevel> {
        let is_width = |width: f32| (1.0..=8.0).contains(&width);
        check("widths", bytes[0], is_width, || Bits::EXPECTED.to_owned())?;
        let numbers = |part: &'static str, bytes: &[u8]| -> Result<Vec<f16>, BadLevel> {
            let values: Vec<f16> = bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
            check(part, &values, f32::is_finite, || "a finite number".to_owned())?;
            Ok(values)
        };
        let (scales, zeros) = (numbers("scales", bytes[1])?, numbers("zeros", bytes[2])?);
        Ok(Mixed { spec, widths: bytes[0].to_vec(), scales, zeros })
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        let numbers = |values: &[f16]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        vec![self.widths.clone(), numbers(&self.scales), numbers(&self.zeros)]
    }

    pub(super) fn counted_bits(spec: MixedSpec, shape: Shape) -> f64 {
        f64::from(GROUP_BITS) * (shape.rows * spec.groups(shape.cols)) as f64
    }

    /// Bits of all codes of a row.
    pub(super) fn row_bits(&self, cols: usize) -> usize {
        self.runs(cols).map(|(width, columns)| usize::from(width) * columns.len()).sum()
    }

    /// Packs a row's codes one behind the other.
    pub(super) fn pack(&self, codes: &[u8], packed: &mut [u8]) {
        let mut at = 0;
        for (width, columns) in self.runs(codes.len()) {
            at += bits::pack_at(&codes[columns], width, at, packed);
        }
    }

    /// The inverse of [`Self::pack`].
    pub(super) fn unpack(&self, packed: &[u8], codes: &mut [u8]) {
        let mut at = 0;
        for (width, columns) in self.runs(codes.len()) {
            at += bits::unpack_at(packed, width, at, &mut codes[columns]);
        }
    }

    /// Width and columns of each group.
    fn runs(&self, cols: usize) -> impl Iterator<Item = (u8, Range<usize>)> {
        let group_cols = self.spec.group_cols(cols);
        let columns = move |group: usize| group * group_cols..cols.min((group + 1) * group_cols);
        self.widths.iter().enumerate().map(move |(group, &width)| (width, columns(group)))
    }

    pub(super) fn fill(&self, shape: Shape, row: usize, codes: &[u8], weights: &mut [f32]) {
        let groups = self.widths.len();
        let grid = |group: usize| {
            let at = row * groups + group;
            (self.scales[at].to_f32(), self.zeros[at].to_f32())
        };
        let value = |(scale, zero): (f32, f32), code| value(scale, zero, code);
        fill(None, self.spec.group_cols(shape.cols), codes, weights, grid, value);
    }

    pub(super) fn on_device(&self, codes: &Tensor, shape: Shape) -> Result<Tensor, TchError> {
        let groups = self.widths.len() as i64;
        let spread = |values: &[f16]| -> Result<Tensor, TchError> {
            let values: Vec<f32> = values.iter().map(|v| v.to_f32()).collect();
            let of_groups =
                Tensor::f_from_slice(&values)?.f_view([-1, groups])?.f_to_device(codes.device())?;
            spread(&of_groups, None, self.spec.group_cols(shape.cols), shape.cols)
        };
        codes.f_to_kind(Kind::Float)?.f_sub_(&spread(&self.zeros)?)?.f_mul_(&spread(&self.scales)?)
    }
}

/// The weight that a code stands for.
pub fn value(scale: f32, zero: f32, code: u8) -> f32 {
    scale * (f32::from(code) - zero)
}
