//! Which groups get more bits, and which fewer.

use crate::quant::Factor;
use crate::quant::grid::largest_code;
use crate::quant::levels::MixedSpec;
use tch::{Kind, TchError, Tensor};

/// Widths of a matrix's groups, under way: what calibration tokens say is added batch by batch.
#[derive(Debug)]
pub struct Allocation {
    bits: u8,
    /// Groups that get a bit more, and that get one less, whatever n is.
    always: [Vec<usize>; 2],
    /// The other groups by salience, least first.
    order: Vec<usize>,
    /// First column and columns of each group.
    groups: Vec<(i64, i64)>,
    /// The weight [rows, cols] in the number format of its inputs.
    weight: Tensor,
    /// The weight rounded at the average width, and how a bit less or more changes it; likewise.
    rounded: Tensor,
    less: Tensor,
    more: Tensor,
    /// Σ over tokens of the divergence with n groups changed either way, and the tokens.
    sums: Vec<f64>,
    tokens: i64,
}

/// Ranks the groups of `weight` f32 [rows, cols] and prepares to compare allocations, on inputs of type `kind`. So many
/// groups more get a bit more than get one less as `more_groups` says; in the paper none.
pub fn allocate(
    weight: &Tensor,
    factor: &Factor,
    spec: MixedSpec,
    more_groups: i64,
    kind: Kind,
) -> Result<Allocation, TchError> {
    let (_, cols) = weight.size2()?;
    let group_cols = spec.group_cols(cols as usize) as i64;
    let groups: Vec<(i64, i64)> =
        (0..cols).step_by(group_cols as usize).map(|first| (first, group_cols.min(cols - first))).collect();
    let salience = weight.f_square()?.f_div(&factor.upper.f_diagonal(0, 0, 1)?.f_square()?)?;
    let salience = salience.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?;
    let salience = Vec::<f64>::try_from(&salience)?;
    let of_group =
        |&(first, len): &(i64, i64)| salience[first as usize..(first + len) as usize].iter().sum::<f64>();
    let of_groups: Vec<f64> = groups.iter().map(of_group).collect();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|a, b| of_groups[*a].total_cmp(&of_groups[*b]));
    let bits = spec.bits.get();
    let rounded = |bits: u8| round(weight, &groups, bits);
    let at = rounded(bits)?;
    // One bit cannot be less, eight cannot be more.
    let [can_more, can_less] = [bits < 8, bits > 1];
    // A shorter last group is not among those that meet a size, which then follows from their number alone.
    let whole: Vec<usize> = order.iter().copied().filter(|&group| groups[group].1 == group_cols).collect();
    let count = |n: i64, can: bool| if can { n.clamp(0, whole.len() as i64) as usize } else { 0 };
    let more = whole[whole.len() - count(more_groups, can_more)..].to_vec();
    let less = whole[..count(more_groups.saturating_neg(), can_less)].to_vec();
    order.retain(|group| !more.contains(group) && !less.contains(group));
    let always = [more, less];
    let most = if can_more && can_less { order.len() / 2 } else { 0 };
    let change = |bits: u8, is_used: bool| {
        let none = || Tensor::f_zeros([0], (kind, at.device()));
        if is_used { rounded(bits)?.f_sub(&at)?.f_to_kind(kind) } else { none() }
    };
    let less = change(bits.saturating_sub(1), most > 0 || !always[1].is_empty())?;
    let more = change(bits + 1, most > 0 || !always[0].is_empty())?;
    Ok(Allocation {
        bits,
        always,
        order,
        groups,
        weight: weight.f_to_kind(kind)?,
        rounded: at.f_to_kind(kind)?,
        less,
        more,
        sums: vec![0.0; most + 1],
        tokens: 0,
    })
}

impl Allocation {
    /// Adds inputs [.., features].
    pub fn add(&mut self, inputs: &Tensor) -> Result<(), TchError> {
        let x = inputs.f_reshape([-1, inputs.size().last().copied().unwrap_or(0)])?;
        let product = |x: &Tensor, w: &Tensor| x.f_mm(&w.f_transpose(0, 1)?)?.f_to_kind(Kind::Float);
        let original = product(&x, &self.weight)?;
        let normal = original.f_logsumexp([-1].as_slice(), false)?;
        let mut outputs = product(&x, &self.rounded)?;
        let divergence = |outputs: &Tensor| -> Result<Tensor, TchError> {
            // Σ p·(log p − log q) with p of the quantized outputs.
            let mut p = outputs.f_softmax(-1, Kind::Float)?;
            let mean = p.f_mul_(&outputs.f_sub(&original)?)?.f_sum_dim_intlist(
                [-1].as_slice(),
                false,
                Kind::Float,
            )?;
            let normals = outputs.f_logsumexp([-1].as_slice(), false)?.f_sub_(&normal)?;
            mean.f_sub(&normals)?.f_sum(Kind::Double)
        };
        let apply = |outputs: &mut Tensor, group: usize, change: &Tensor| -> Result<(), TchError> {
            let (first, len) = self.groups[group];
            let part = |t: &Tensor| t.f_narrow(1, first, len);
            outputs.f_add_(&product(&part(&x)?, &part(change)?)?).map(|_| ())
        };
        let [always_more, always_less] = &self.always;
        for (groups, change) in [(always_more, &self.more), (always_less, &self.less)] {
            groups.iter().try_for_each(|&group| apply(&mut outputs, group, change))?;
        }
        let mut sums = vec![divergence(&outputs)?];
        for n in 1..self.sums.len() {
            apply(&mut outputs, self.order[n - 1], &self.less)?;
            apply(&mut outputs, self.order[self.order.len() - n], &self.more)?;
            sums.push(divergence(&outputs)?);
        }
        let sums = Vec::<f64>::try_from(&Tensor::f_stack(&sums, 0)?)?;
        self.sums.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        self.tokens += x.size()[0];
        Ok(())
    }

    /// The mean divergence with n groups changed either way, by n.
    pub fn objective(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.tokens.max(1) as f64).collect()
    }

    /// The widths that change the outputs least; of equal ones the most even.
    pub fn widths(&self) -> Vec<u8> {
        let best =
            (0..self.sums.len()).fold(0, |best, n| if self.sums[n] < self.sums[best] { n } else { best });
        let mut widths = vec![self.bits; self.groups.len()];
        let [always_more, always_less] = &self.always;
        always_more
            .iter()
            .chain(&self.order[self.order.len() - best..])
            .for_each(|&group| widths[group] += 1);
        always_less.iter().chain(&self.order[..best]).for_each(|&group| widths[group] -= 1);
        widths
    }
}

/// Rounds each group to nearest over its full range; at one bit to the mean and a step either side.
fn round(weight: &Tensor, groups: &[(i64, i64)], bits: u8) -> Result<Tensor, TchError> {
    let result = weight.f_empty_like()?;
    for &(first, len) in groups {
        let w = weight.f_narrow(1, first, len)?;
        let rounded = if bits == 1 {
            let mean = w.f_mean_dim([1].as_slice(), true, Kind::Float)?;
            let step = w.f_abs()?.f_mean_dim([1].as_slice(), true, Kind::Float)?;
            w.f_sub(&mean)?.f_sign()?.f_mul(&step)?.f_add(&mean)?
        } else {
            let most = f64::from(largest_code(bits));
            let low = w.f_amin([1].as_slice(), true)?.f_clamp_max(0.0)?;
            let high = w.f_amax([1].as_slice(), true)?.f_clamp_min(0.0)?;
            let range = high.f_sub(&low)?;
            // A group of zeros stays zero on any grid.
            let range = range.f_masked_fill(&range.f_eq(0.0)?, 2.0)?;
            let scale = range.f_div_scalar(most)?;
            let zero = low.f_neg()?.f_div(&scale)?.f_round()?;
            let code = w.f_div(&scale)?.f_round()?.f_add_(&zero)?.f_clamp_(0.0, most)?;
            code.f_sub(&zero)?.f_mul(&scale)?
        };
        result.f_narrow(1, first, len)?.f_copy_(&rounded)?;
    }
    Ok(result)
}
