//! Grids of small groups, whose scales and zero points are quantized themselves (SpQR, arXiv 2306.03078, section 4).
//!
//! A group is `group_size` columns of a row. Its scale and its zero point are numbers of `stats_bits` bits on grids of
//! their own, which [`STATS_ROWS`] neighbouring rows share: base + step·code. The paper's code keeps such a grid as a scale
//! and a zero point in 16 bit; base and step take the same room and lose less where the statistics are close together.

use super::{BadLevel, Part, check, fill, spread};
use crate::quant::checkpoint::bits;
use crate::quant::matrix::{Shape, group_cols};
use half::f16;
use safetensors::Dtype;
use tacq_protocol::artifact::counted;
use tacq_protocol::units::{Bits, GroupSize};
use tch::{Device, Kind, TchError, Tensor};

/// Rows whose scales (and zero points) in a group of columns share a grid.
pub const STATS_ROWS: usize = counted::STATS_ROWS as usize;

/// How two-level grids are laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoLevelSpec {
    /// Bits of a weight's code.
    pub bits: Bits,
    /// Columns of a group.
    pub group_size: GroupSize,
    /// Bits of a scale's code and of a zero point's.
    pub stats_bits: Bits,
}

impl TwoLevelSpec {
    /// Columns of a group, in a matrix of `cols`.
    pub fn group_cols(self, cols: usize) -> usize {
        group_cols(Some(self.group_size), cols)
    }

    /// Groups of a row.
    pub fn groups(self, cols: usize) -> usize {
        cols.div_ceil(self.group_cols(cols))
    }

    /// Grids of scales (and as many of zero points) of a matrix: [tiles, groups].
    fn stats_grids(self, shape: Shape) -> [usize; 2] {
        [shape.rows.div_ceil(STATS_ROWS), self.groups(shape.cols)]
    }
}

/// Codes on grids of their own: base + step·code.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Groups of a row.
    pub groups: usize,
    /// [rows, groups]
    pub codes: Vec<u8>,
    /// [tiles of rows, groups]
    pub bases: Vec<f16>,
    /// [tiles of rows, groups]
    pub steps: Vec<f16>,
}

impl Stats {
    fn zeroed(spec: TwoLevelSpec, shape: Shape) -> Stats {
        let [tiles, groups] = spec.stats_grids(shape);
        let zeros = vec![f16::ZERO; tiles * groups];
        Stats { groups, codes: vec![0; shape.rows * groups], bases: zeros.clone(), steps: zeros }
    }

    /// A statistic.
    fn get(&self, row: usize, group: usize) -> f64 {
        let at = row / STATS_ROWS * self.groups + group;
        let grid = StatsGrid { base: self.bases[at], step: self.steps[at] };
        grid.value(self.codes[row * self.groups + group])
    }

    /// The bytes of codes, bases and steps.
    fn bytes(&self, bits: u8) -> [Vec<u8>; 3] {
        let width = row_bytes(self.groups, bits);
        let codes = self.codes.chunks(self.groups).flat_map(|codes| {
            let mut packed = vec![0; width];
            bits::pack(codes, bits, &mut packed);
            packed
        });
        let numbers = |values: &[f16]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        [codes.collect(), numbers(&self.bases), numbers(&self.steps)]
    }

    /// All statistics, f64 [rows, groups].
    fn on_device(&self, device: Device) -> Result<Tensor, TchError> {
        let groups = self.groups as i64;
        let rows = self.codes.len() as i64 / groups;
        let wide = |values: &[f16]| -> Result<Tensor, TchError> {
            let values: Vec<f64> = values.iter().map(|v| v.to_f64()).collect();
            let of_tiles = Tensor::f_from_slice(&values)?.f_view([-1, groups])?.f_to_device(device)?;
            of_tiles.f_repeat_interleave_self_int(STATS_ROWS as i64, 0, None)?.f_narrow(0, 0, rows)
        };
        let codes = Tensor::f_from_slice(&self.codes)?.f_view([rows, groups])?.f_to_device(device)?;
        wide(&self.steps)?.f_mul(&codes.f_to_kind(Kind::Double)?)?.f_add(&wide(&self.bases)?)
    }
}

/// The grid that the statistics of some rows share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatsGrid {
    /// What code 0 stands for.
    pub base: f16,
    /// Distance between neighbouring levels; zero where all statistics are equal.
    pub step: f16,
}

impl StatsGrid {
    /// The grid over the range of the first `rows` statistics, and the code of each.
    pub fn over(statistics: &[f32; STATS_ROWS], rows: usize, max_code: u8) -> (StatsGrid, [u8; STATS_ROWS]) {
        let real = &statistics[..rows];
        let low = real.iter().copied().fold(f32::INFINITY, f32::min);
        let high = real.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let finite = |value: f32| f16::from_f32(value).clamp(f16::MIN, f16::MAX);
        let grid = StatsGrid { base: finite(low), step: finite((high - low) / f32::from(max_code)) };
        let code = |statistic: f32| {
            let steps = (f64::from(statistic) - grid.base.to_f64()) / grid.step.to_f64();
            // Not a number where there is one level; then 0, as every cast of one.
            steps.round_ties_even().clamp(0.0, f64::from(max_code)) as u8
        };
        let mut codes = [0; STATS_ROWS];
        codes.iter_mut().zip(real).for_each(|(c, &statistic)| *c = code(statistic));
        (grid, codes)
    }

    /// base + step·code; exact, since both numbers have 11 bits and a code has at most 8.
    pub fn value(self, code: u8) -> f64 {
        self.base.to_f64() + self.step.to_f64() * f64::from(code)
    }
}

/// scale·(code − zero), scale and zero from statistics, in f64 and then rounded to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoLevel {
    /// How they are laid.
    pub spec: TwoLevelSpec,
    /// Distances between levels.
    pub scales: Stats,
    /// Codes of the weight 0; any number.
    pub zeros: Stats,
    /// The group of each column; of neighbours when absent.
    pub group_of: Option<Vec<u16>>,
}

/// The weight that a code stands for.
fn weight(scale: f64, zero: f64, code: u8) -> f32 {
    (scale * (f64::from(code) - zero)) as f32
}

impl TwoLevel {
    /// All zero, to be filled.
    pub fn zeroed(spec: TwoLevelSpec, shape: Shape) -> TwoLevel {
        let zeroed = || Stats::zeroed(spec, shape);
        TwoLevel { spec, scales: zeroed(), zeros: zeroed(), group_of: None }
    }

    pub(super) fn parts(spec: TwoLevelSpec, shape: Shape) -> Vec<Part> {
        let grids = spec.stats_grids(shape);
        let codes = [shape.rows, row_bytes(spec.groups(shape.cols), spec.stats_bits.get())];
        vec![
            Part::new("scale_codes", Dtype::U8, &codes),
            Part::new("scale_bases", Dtype::F16, &grids),
            Part::new("scale_steps", Dtype::F16, &grids),
            Part::new("zero_codes", Dtype::U8, &codes),
            Part::new("zero_bases", Dtype::F16, &grids),
            Part::new("zero_steps", Dtype::F16, &grids),
        ]
    }

    pub(super) fn read(spec: TwoLevelSpec, shape: Shape, bytes: &[&[u8]]) -> Result<TwoLevel, BadLevel> {
        let (groups, bits) = (spec.groups(shape.cols), spec.stats_bits.get());
        let numbers = |part: &'static str, bytes: &[u8]| -> Result<Vec<f16>, BadLevel> {
            let values: Vec<f16> = bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
            check(part, &values, f32::is_finite, || "a finite number".to_owned())?;
            Ok(values)
        };
        let codes = |bytes: &[u8]| {
            let mut codes = vec![0; shape.rows * groups];
            let packed = bytes.chunks(row_bytes(groups, bits));
            codes
                .chunks_mut(groups)
                .zip(packed)
                .for_each(|(codes, packed)| bits::unpack(packed, bits, codes));
            codes
        };
        let stats = |[bases, steps]: [&'static str; 2], bytes: &[&[u8]]| -> Result<Stats, BadLevel> {
            let (bases, steps) = (numbers(bases, bytes[1])?, numbers(steps, bytes[2])?);
            Ok(Stats { groups, codes: codes(bytes[0]), bases, steps })
        };
        let scales = stats(["scale_bases", "scale_steps"], &bytes[..3])?;
        let zeros = stats(["zero_bases", "zero_steps"], &bytes[3..])?;
        Ok(TwoLevel { spec, scales, zeros, group_of: None })
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        let bits = self.spec.stats_bits.get();
        [self.scales.bytes(bits), self.zeros.bytes(bits)].concat()
    }

    /// SpQR's: two statistics a group, and for each of them a grid that [`STATS_ROWS`] groups share.
    pub(super) fn counted_bits(spec: TwoLevelSpec, shape: Shape) -> f64 {
        let groups = shape.rows * spec.groups(shape.cols);
        let of_stats = 2 * groups * usize::from(spec.stats_bits.get());
        (of_stats + 2 * spec.stats_grids(shape).iter().product::<usize>() * counted::STATS_GRID_BITS as usize)
            as f64
    }

    pub(super) fn fill(&self, shape: Shape, row: usize, codes: &[u8], weights: &mut [f32]) {
        let statistics = |group: usize| (self.scales.get(row, group), self.zeros.get(row, group));
        let value = |(scale, zero): (f64, f64), code| weight(scale, zero, code);
        fill(self.group_of.as_deref(), self.spec.group_cols(shape.cols), codes, weights, statistics, value);
    }

    pub(super) fn on_device(&self, codes: &Tensor, shape: Shape) -> Result<Tensor, TchError> {
        let group_cols = self.spec.group_cols(shape.cols);
        let spread = |stats: &Stats| -> Result<Tensor, TchError> {
            spread(&stats.on_device(codes.device())?, self.group_of.as_deref(), group_cols, shape.cols)
        };
        let steps = codes.f_to_kind(Kind::Double)?.f_sub_(&spread(&self.zeros)?)?;
        steps.shallow_clone().f_mul_(&spread(&self.scales)?)?.f_to_kind(Kind::Float)
    }
}

/// Bytes of a row of statistics' codes.
fn row_bytes(groups: usize, bits: u8) -> usize {
    (groups * usize::from(bits)).div_ceil(8)
}
