//! Rounding to nearest over the full range of each row's group, and where to cut the range off.

use crate::quant::grid::max_code;
use crate::quant::matrix::MatrixSpec;
use half::f16;
use tch::{Kind, TchError, Tensor};

/// The least range of a group, as in AWQ's code.
const LEAST_RANGE: f64 = 1e-5;

/// Ranges are cut off in steps of a twentieth, the last at more than a half.
const CLIP_STEPS: u32 = 10;
const CLIP_UNIT: f64 = 20.0;

/// A weight on grids.
#[derive(Debug)]
pub struct Rounded {
    /// u8 [rows, cols]
    pub codes: Tensor,
    /// f32 [rows, groups]
    pub scales: Tensor,
    /// f32 [rows, groups], whole numbers that are codes
    pub zeros: Tensor,
}

/// Rounds `weight` f32 [rows, cols]; scales of groups are such as 16 bits can hold.
pub fn round(weight: &Tensor, spec: MatrixSpec) -> Result<Rounded, TchError> {
    let (mut codes, mut scales, mut zeros) = (Vec::new(), Vec::new(), Vec::new());
    for (first, len) in groups(weight, spec) {
        let part = weight.f_narrow(1, first, len)?;
        let group = Group::new(&part, spec)?;
        codes.push(group.codes(&part)?.f_to_kind(Kind::Uint8)?);
        scales.push(group.scale);
        zeros.push(group.zero);
    }
    let joined = |parts: &[Tensor]| Tensor::f_cat(parts, 1);
    Ok(Rounded { codes: joined(&codes)?, scales: joined(&scales)?, zeros: joined(&zeros)? })
}

/// The weights that [`round`] stands for, f32 [rows, cols].
pub fn rounded(weight: &Tensor, spec: MatrixSpec) -> Result<Tensor, TchError> {
    let one = |(first, len): (i64, i64)| {
        let part = weight.f_narrow(1, first, len)?;
        Group::new(&part, spec)?.values(&part)
    };
    Tensor::f_cat(&groups(weight, spec).map(one).collect::<Result<Vec<_>, _>>()?, 1)
}

/// `weight` f32 [rows, cols] with each row's group cut off where the outputs on `inputs` [tokens, cols] then change least.
pub fn clip(weight: &Tensor, inputs: &Tensor, spec: MatrixSpec) -> Result<Tensor, TchError> {
    let mut parts = Vec::new();
    for (first, len) in groups(weight, spec) {
        let (w, x) =
            (weight.f_narrow(1, first, len)?, inputs.f_narrow(1, first, len)?.f_to_kind(Kind::Float)?);
        // Σ over tokens of (x·δ)² is δᵀ(XᵀX)δ.
        let products = x.f_transpose(0, 1)?.f_mm(&x)?;
        let largest = w.f_abs()?.f_amax([1].as_slice(), true)?;
        let mut best: Option<(Tensor, Tensor)> = None;
        for step in 0..CLIP_STEPS {
            let most = largest.f_mul_scalar(1.0 - f64::from(step) / CLIP_UNIT)?;
            let cut = w.f_minimum(&most)?.f_maximum(&most.f_neg()?)?;
            let change = Group::new(&cut, spec)?.values(&cut)?.f_sub(&w)?;
            let error = change.f_mm(&products)?.f_mul_(&change)?.f_sum_dim_intlist(
                [1].as_slice(),
                true,
                Kind::Float,
            )?;
            best = Some(match best {
                None => (error, most),
                Some((least, limit)) => {
                    let is_less = error.f_less_tensor(&least)?;
                    (error.f_minimum(&least)?, most.f_where_self(&is_less, &limit)?)
                }
            });
        }
        let (_, limit) = best.expect("there is a first step");
        parts.push(w.f_minimum(&limit)?.f_maximum(&limit.f_neg()?)?);
    }
    Tensor::f_cat(&parts, 1)
}

/// First column and columns of each group.
fn groups(weight: &Tensor, spec: MatrixSpec) -> impl Iterator<Item = (i64, i64)> {
    let cols = weight.size()[1];
    let group_cols = spec.group_cols(cols as usize) as i64;
    (0..cols).step_by(group_cols as usize).map(move |first| (first, group_cols.min(cols - first)))
}

/// The grids of a group in each row, f32 [rows, 1].
struct Group {
    scale: Tensor,
    zero: Tensor,
    most: f64,
}

impl Group {
    fn new(weight: &Tensor, spec: MatrixSpec) -> Result<Self, TchError> {
        let most = f64::from(max_code(spec.bits));
        let low = weight.f_amin([1].as_slice(), true)?.f_clamp_max(0.0)?;
        let high = weight.f_amax([1].as_slice(), true)?.f_clamp_min(0.0)?;
        let mut scale = high.f_sub(&low)?.f_clamp_min(LEAST_RANGE)?.f_div_scalar(most)?;
        if spec.group_size.is_some() {
            let (least, largest) = (f16::MIN_POSITIVE_SUBNORMAL, f16::MAX);
            scale = scale.f_clamp(f64::from(least), f64::from(largest))?.f_to_kind(Kind::Half)?;
            scale = scale.f_to_kind(Kind::Float)?;
        }
        let zero = low.f_div(&scale)?.f_round()?.f_neg()?.f_clamp(0.0, most)?;
        Ok(Self { scale, zero, most })
    }

    fn codes(&self, weight: &Tensor) -> Result<Tensor, TchError> {
        weight.f_div(&self.scale)?.f_round()?.f_add_(&self.zero)?.f_clamp_(0.0, self.most)
    }

    fn values(&self, weight: &Tensor) -> Result<Tensor, TchError> {
        self.codes(weight)?.f_sub_(&self.zero)?.f_mul_(&self.scale)
    }
}
