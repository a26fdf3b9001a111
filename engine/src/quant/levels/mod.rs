//! What the codes of a matrix stand for: one form for each family of methods.
//!
//! Codes become weights in these operations and no others, on every device: the passes that collect statistics and every
//! later reader of a checkpoint see the same numbers, bit by bit.

mod grids;
mod mixed;
mod table;
mod two_level;

pub use grids::Grids;
pub use mixed::{Mixed, MixedSpec, value as mixed_value};
pub use table::{Table, TableSpec};
pub use two_level::{STATS_ROWS, Stats, StatsGrid, TwoLevel, TwoLevelSpec};

use super::checkpoint::bits;
use super::matrix::{MatrixSpec, Shape};
use half::f16;
use safetensors::Dtype;
use tacq_protocol::units::Bits;
use tch::{TchError, Tensor};

/// The form of a matrix's levels and its parameters: all that is known before there are weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// See [`Grids`].
    Grids(MatrixSpec),
    /// See [`TwoLevel`].
    TwoLevel(TwoLevelSpec),
    /// See [`Mixed`].
    Mixed(MixedSpec),
    /// See [`Table`].
    Table(TableSpec),
}

/// What the codes of one matrix stand for.
#[derive(Debug, Clone, PartialEq)]
pub enum Levels {
    /// Uniform grids of rows or groups: round to nearest, GPTQ, TaCQ, AWQ.
    Grids(Grids),
    /// Uniform grids of small groups whose scales and zero points are quantized themselves: SpQR.
    TwoLevel(TwoLevel),
    /// Uniform grids of groups that have different bit widths: SliM-LLM.
    Mixed(Mixed),
    /// A list of values for each row: SqueezeLLM.
    Table(Table),
}

/// A tensor of a checkpoint that says what codes stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name behind that of the weight.
    pub name: &'static str,
    /// Its type.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<u64>,
}

impl Part {
    fn new(name: &'static str, dtype: Dtype, shape: &[usize]) -> Part {
        Part { name, dtype, shape: shape.iter().map(|&n| n as u64).collect() }
    }
}

/// Something in a checkpoint's parts that no quantization writes.
#[derive(Debug, Clone, PartialEq)]
pub struct BadLevel {
    /// The part's name.
    pub part: &'static str,
    /// Where in it, counted row by row.
    pub position: usize,
    /// What is there.
    pub found: f32,
    /// What may be, as a noun phrase.
    pub expected: String,
}

impl Scheme {
    /// Bits of a code.
    pub fn bits(self) -> Bits {
        match self {
            Scheme::Grids(spec) => spec.bits,
            Scheme::TwoLevel(spec) => spec.bits,
            Scheme::Mixed(spec) => spec.bits,
            Scheme::Table(spec) => spec.bits,
        }
    }

    /// Bytes of a row of codes, where every matrix of that shape has as many.
    pub fn row_bytes(self, shape: Shape) -> Option<usize> {
        match self {
            Scheme::Mixed(_) => None,
            _ => Some((shape.cols * usize::from(self.bits().get())).div_ceil(8)),
        }
    }

    /// The tensors that say what the codes of a matrix stand for.
    pub fn parts(self, shape: Shape) -> Vec<Part> {
        match self {
            Scheme::Grids(spec) => Grids::parts(spec, shape),
            Scheme::TwoLevel(spec) => TwoLevel::parts(spec, shape),
            Scheme::Mixed(spec) => Mixed::parts(spec, shape),
            Scheme::Table(spec) => Table::parts(spec, shape),
        }
    }

    /// The levels of a matrix from the bytes of its [`Self::parts`], whose lengths are right.
    pub fn read(self, shape: Shape, bytes: &[&[u8]]) -> Result<Levels, BadLevel> {
        Ok(match self {
            Scheme::Grids(spec) => Levels::Grids(Grids::read(spec, bytes)?),
            Scheme::TwoLevel(spec) => Levels::TwoLevel(TwoLevel::read(spec, shape, bytes)?),
            Scheme::Mixed(spec) => Levels::Mixed(Mixed::read(spec, bytes)?),
            Scheme::Table(spec) => Levels::Table(Table::read(spec, bytes)?),
        })
    }

    /// Bits that the method's own formula counts for a matrix beside those of codes and outliers.
    pub fn counted_bits(self, shape: Shape) -> f64 {
        match self {
            Scheme::Grids(spec) => Grids::counted_bits(spec, shape),
            Scheme::TwoLevel(spec) => TwoLevel::counted_bits(spec, shape),
            Scheme::Mixed(spec) => Mixed::counted_bits(spec, shape),
            // As for grids of rows, what a whole row shares is not counted (arXiv 2504.07389, table 2: 0.5 % of outliers
            // and 2 bits are 2.15).
            Scheme::Table(_) => 0.0,
        }
    }
}

impl Levels {
    /// Their form.
    pub fn scheme(&self) -> Scheme {
        match self {
            Levels::Grids(grids) => Scheme::Grids(grids.spec),
            Levels::TwoLevel(levels) => Scheme::TwoLevel(levels.spec),
            Levels::Mixed(mixed) => Scheme::Mixed(mixed.spec),
            Levels::Table(table) => Scheme::Table(table.spec),
        }
    }

    /// The bytes of the parts of [`Scheme::parts`], in their order.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        match self {
            Levels::Grids(grids) => grids.bytes(),
            Levels::TwoLevel(levels) => levels.bytes(),
            Levels::Mixed(mixed) => mixed.bytes(),
            Levels::Table(table) => table.bytes(),
        }
    }

    /// Bytes of a row of codes.
    pub fn row_bytes(&self, shape: Shape) -> usize {
        match self {
            Levels::Mixed(mixed) => mixed.row_bits(shape.cols).div_ceil(8),
            levels => levels.scheme().row_bytes(shape).expect("widths are those of the scheme"),
        }
    }

    /// Packs a row of codes into [`Self::row_bytes`] zero bytes: one behind the other, lowest bit first.
    pub fn pack(&self, codes: &[u8], packed: &mut [u8]) {
        match self {
            Levels::Mixed(mixed) => mixed.pack(codes, packed),
            _ => bits::pack(codes, self.scheme().bits().get(), packed),
        }
    }

    /// The inverse of [`Self::pack`].
    pub fn unpack(&self, packed: &[u8], codes: &mut [u8]) {
        match self {
            Levels::Mixed(mixed) => mixed.unpack(packed, codes),
            _ => bits::unpack(packed, self.scheme().bits().get(), codes),
        }
    }

    /// Fills in the weights that the codes of one row stand for.
    pub fn fill(&self, shape: Shape, row: usize, codes: &[u8], weights: &mut [f32]) {
        match self {
            Levels::Grids(grids) => grids.fill(shape, row, codes, weights),
            Levels::TwoLevel(levels) => levels.fill(shape, row, codes, weights),
            Levels::Mixed(mixed) => mixed.fill(shape, row, codes, weights),
            Levels::Table(table) => table.fill(row, codes, weights),
        }
    }

    /// [`Self::fill`] for all rows, on the device of `codes` u8 [rows, cols]: f32 of that shape.
    pub fn on_device(&self, codes: &Tensor, shape: Shape) -> Result<Tensor, TchError> {
        match self {
            Levels::Grids(grids) => grids.on_device(codes, shape),
            Levels::TwoLevel(levels) => levels.on_device(codes, shape),
            Levels::Mixed(mixed) => mixed.on_device(codes, shape),
            Levels::Table(table) => table.on_device(codes),
        }
    }

    /// The group of each column where these are not neighbours.
    pub fn group_of(&self) -> Option<&[u16]> {
        match self {
            Levels::Grids(grids) => grids.group_of.as_deref(),
            Levels::TwoLevel(levels) => levels.group_of.as_deref(),
            Levels::Mixed(_) | Levels::Table(_) => None,
        }
    }

    /// Sets [`Self::group_of`]; false where there are no groups, or fewer than it says.
    pub fn set_group_of(&mut self, shape: Shape, group_of: Vec<u16>) -> bool {
        let (groups, target) = match self {
            Levels::Grids(grids) => (grids.spec.groups(shape.cols), &mut grids.group_of),
            Levels::TwoLevel(levels) => (levels.spec.groups(shape.cols), &mut levels.group_of),
            Levels::Mixed(_) | Levels::Table(_) => return false,
        };
        let fits = group_of.iter().all(|&group| usize::from(group) < groups);
        *target = fits.then_some(group_of);
        fits
    }

    /// By what each column is divided, where it is.
    pub fn column_scales(&self) -> Option<&[f16]> {
        match self {
            Levels::Grids(grids) => grids.column_scales.as_deref(),
            Levels::TwoLevel(_) | Levels::Mixed(_) | Levels::Table(_) => None,
        }
    }

    /// Sets [`Self::column_scales`]; false where there are none, or one is no positive number.
    pub fn set_column_scales(&mut self, scales: Vec<f16>) -> bool {
        let Levels::Grids(grids) = self else { return false };
        let fits = scales.iter().all(|scale| scale.is_finite() && *scale > f16::ZERO);
        grids.column_scales = fits.then_some(scales);
        fits
    }

    /// Those of GPTQ and rounding to nearest.
    ///
    /// # Panics
    /// Where the form is another one.
    pub fn grids(&self) -> &Grids {
        match self {
            Levels::Grids(grids) => grids,
            _ => panic!("these levels are grids"),
        }
    }

    /// [`Self::grids`].
    pub fn grids_mut(&mut self) -> &mut Grids {
        match self {
            Levels::Grids(grids) => grids,
            _ => panic!("these levels are grids"),
        }
    }
}

/// Values that are not allowed, as an error.
fn check<'a, T: Copy + Into<f32> + 'a>(
    part: &'static str,
    values: impl IntoIterator<Item = &'a T>,
    is_right: impl Fn(f32) -> bool,
    expected: impl Fn() -> String,
) -> Result<(), BadLevel> {
    match values.into_iter().map(|&v| v.into()).enumerate().find(|(_, v)| !is_right(*v)) {
        None => Ok(()),
        Some((position, found)) => Err(BadLevel { part, position, found, expected: expected() }),
    }
}

/// Fills in the weights of a row: `of_group` tells what its groups have, `value` what a code then stands for.
fn fill<G: Copy>(
    group_of: Option<&[u16]>,
    group_cols: usize,
    codes: &[u8],
    weights: &mut [f32],
    of_group: impl Fn(usize) -> G,
    value: impl Fn(G, u8) -> f32,
) {
    if let Some(group_of) = group_of {
        for ((weight, &code), &group) in weights.iter_mut().zip(codes).zip(group_of) {
            *weight = value(of_group(usize::from(group)), code);
        }
        return;
    }
    for (group, (weights, codes)) in weights.chunks_mut(group_cols).zip(codes.chunks(group_cols)).enumerate()
    {
        let of_group = of_group(group);
        weights.iter_mut().zip(codes).for_each(|(weight, &code)| *weight = value(of_group, code));
    }
}

/// What each column's group has, [rows, cols] from [rows, groups]; [rows, 1] where there is one group.
pub(super) fn spread(
    of_groups: &Tensor,
    group_of: Option<&[u16]>,
    group_cols: usize,
    cols: usize,
) -> Result<Tensor, TchError> {
    if let Some(group_of) = group_of {
        let index: Vec<i64> = group_of.iter().map(|&group| i64::from(group)).collect();
        return of_groups.f_index_select(1, &Tensor::f_from_slice(&index)?.f_to_device(of_groups.device())?);
    }
    if of_groups.size()[1] == 1 {
        return Ok(of_groups.shallow_clone());
    }
    of_groups.f_repeat_interleave_self_int(group_cols as i64, 1, None)?.f_narrow(1, 0, cols as i64)
}
