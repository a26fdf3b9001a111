//! The nucleus where the logits are, of which there are too many to bring them to the host for each token.

use crate::Result;
use tch::{Kind, Tensor};

/// So many of the likeliest tokens nearly always hold the nucleus of a trained model.
const LIKELIEST: i64 = 1024;

/// [`super::nucleus`] of each row of `logits` [n, vocab] f32, at `u` \[n\]. Sums are added in another order than on the
/// host: a draw within 10⁻¹⁵ of a boundary may fall on its other side.
///
/// i64 \[n\]; −1 where logits are not finite.
pub fn nucleus(logits: &Tensor, temperature: f64, top_p: f64, u: &[f64]) -> Result<Tensor> {
    let vocab = logits.size()[1];
    let max = logits.f_amax([-1], true)?;
    // A NaN is the largest of its row.
    let is_finite = max.f_isfinite()?.f_squeeze_dim(1)?;
    let weights = |some: &Tensor| -> Result<Tensor> {
        let wide = some.f_to_kind(Kind::Double)?.f_sub(&max.f_to_kind(Kind::Double)?)?;
        Ok(wide.f_div_scalar(temperature)?.f_exp()?)
    };
    let total = weights(logits)?.f_sum_dim_intlist([-1].as_slice(), true, Kind::Double)?;
    let enough = total.f_mul_scalar(top_p)?;
    let u = Tensor::f_from_slice(u)?.f_to_device(logits.device())?.f_unsqueeze(1)?;
    let mut drawn = None;
    if LIKELIEST < vocab {
        let (values, ids) = logits.f_topk(LIKELIEST, -1, true, false)?;
        let (values, ids) = best_first(&values, &ids)?;
        let weights = weights(&values)?;
        let sums = weights.f_cumsum(-1, Kind::Double)?;
        // Of tokens as likely as the last of these some may be missing: the nucleus must end before them.
        let last = weights.f_narrow(1, LIKELIEST - 1, 1)?;
        let before_last = weights.f_gt_tensor(&last)?.f_mul(&weights)?;
        let certain = before_last.f_sum_dim_intlist([-1].as_slice(), true, Kind::Double)?;
        let holds =
            certain.f_gt_tensor(&enough)?.f_logical_or(&is_finite.f_unsqueeze(1)?.f_logical_not()?)?;
        if holds.f_all()?.f_int64_value(&[])? != 0 {
            drawn = Some(draw(&sums, &ids, &enough, &u)?);
        }
    }
    let drawn = match drawn {
        Some(drawn) => drawn,
        None => {
            let (values, ids) = logits.f_sort_stable(true, -1, true)?;
            draw(&weights(&values)?.f_cumsum(-1, Kind::Double)?, &ids, &enough, &u)?
        }
    };
    Ok(drawn.f_masked_fill(&is_finite.f_logical_not()?, -1)?)
}

/// Sorts rows by descending value, of equals the lower id first.
fn best_first(values: &Tensor, ids: &Tensor) -> Result<(Tensor, Tensor)> {
    let (ids, order) = ids.f_sort(-1, false)?;
    let (values, by_value) = values.f_gather(-1, &order, false)?.f_sort_stable(true, -1, true)?;
    Ok((values, ids.f_gather(-1, &by_value, false)?))
}

/// One id \[n\] for each row of `ids` [n, k], best first, with the running `sums` of their weights: of the first ones that
/// reach `enough` [n, 1] together, the one at share `u` [n, 1].
fn draw(sums: &Tensor, ids: &Tensor, enough: &Tensor, u: &Tensor) -> Result<Tensor> {
    let count = |below: Tensor| below.f_sum_dim_intlist([-1].as_slice(), true, Kind::Int64);
    let end = ids.size()[1] - 1;
    // Sums below `enough` are those of tokens that are not the nucleus's last.
    let last = count(sums.f_lt_tensor(enough)?)?.f_clamp_max(end)?;
    let target = sums.f_gather(-1, &last, false)?.f_mul(u)?;
    let place = count(sums.f_le_tensor(&target)?)?.f_minimum(&last)?;
    Ok(ids.f_gather(-1, &place, false)?.f_squeeze_dim(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn tokens(chosen: &Tensor) -> Vec<Option<u32>> {
        let ids = Vec::<i64>::try_from(chosen.to_device(Device::Cpu)).unwrap();
        ids.into_iter().map(|id| u32::try_from(id).ok()).collect()
    }

    #[test]
    fn tokens_are_those_of_the_host() {
        let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
        tch::manual_seed(8);
        // A peaked distribution, which the likeliest tokens hold; a flat one, which they do not; ties everywhere.
        let peaked = Tensor::randn([40, 3000], (Kind::Float, Device::Cpu)) * 5.0;
        let flat = Tensor::randn([40, 3000], (Kind::Float, Device::Cpu)) * 0.1;
        let ties = (Tensor::randn([40, 3000], (Kind::Float, Device::Cpu)) * 2.0).round();
        let few = Tensor::randn([40, 50], (Kind::Float, Device::Cpu));
        for logits in [peaked, flat, ties, few] {
            let u: Vec<f64> = (0..40).map(|i| crate::infer::sampling::uniform(3, i, 0)).collect();
            for (temperature, top_p) in [(0.8, 0.95), (1.0, 1.0), (0.5, 0.3)] {
                let found = nucleus(&logits.to_device(device), temperature, top_p, &u).unwrap();
                for (row, (&u, found)) in u.iter().zip(tokens(&found)).enumerate() {
                    let row = Vec::<f32>::try_from(logits.get(row as i64)).unwrap();
                    assert_eq!(found, crate::infer::sampling::nucleus(&row, temperature, top_p, u));
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_not_chosen() {
        let logits = Tensor::from_slice(&[1.0f32, f32::NAN, 3.0, 2.0, f32::INFINITY, 0.0]).view([3, 2]);
        assert_eq!(tokens(&nucleus(&logits, 1.0, 0.9, &[0.5; 3]).unwrap()), [None, Some(0), None]);
    }
}
