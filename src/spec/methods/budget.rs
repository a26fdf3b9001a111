//! Methods at a size: the parameter that a method leaves open is what the size leaves room for.

use super::defaults;
use crate::spec::experiment::{Method, Quantizer};
use rust_decimal::Decimal;
use tacq_protocol::artifact::counted::{GROUP_BITS, OUTLIER_BITS, STATS_GRID_BITS, STATS_ROWS};
use tacq_protocol::stage::RoundingParams;
use tacq_protocol::units::{AvgBits, Bits, GroupSize, OutlierRatio, SparseRatio};

/// Shares are rounded down to so many decimals: a hundred weights of a billion.
const DECIMALS: u32 = 7;

/// The method at this size, with the most bits per code that leave room for what it needs besides; or why there is none.
///
/// | method | free | set to |
/// | --- | --- | --- |
/// | `tacq` | `outlier_ratio` | r of b − b·r + 32·r, with groups |
/// | `squeezellm` | both ratios, in the proportion of their defaults | likewise |
/// | `rtn`, `gptq`, `awq` | `group_size` | the smallest, or rows |
/// | `spqr` | `outlier_threshold` | found while quantizing |
/// | `slim_llm` | how many groups have a bit more, and less | likewise |
pub fn fit(method: Method, budget: AvgBits) -> Result<(Bits, Method), String> {
    let size = budget.decimal();
    Ok(match method {
        Method::Tacq(mut tacq) => {
            // There is no TaCQ without outliers: a whole number of bits is one bit less for codes.
            let of_groups = of_groups(tacq.quantizer.group_size);
            let least = Decimal::new(1, DECIMALS) * Decimal::from(OUTLIER_BITS);
            let (bits, left) = base(size, of_groups + least, " beside groups and outliers")?;
            tacq.outlier_ratio = OutlierRatio::new(share(left + least, bits)).map_err(|e| e.to_string())?;
            (bits, Method::Tacq(tacq))
        }
        Method::Quantizer(mut quantizer) => {
            let Quantizer { rounding, group_size, .. } = &mut quantizer;
            let bits = match rounding {
                RoundingParams::Rtn | RoundingParams::Gptq { .. } | RoundingParams::Awq { .. } => {
                    let (bits, left) = base(size, Decimal::ZERO, "")?;
                    *group_size = smallest_group(left);
                    if let (None, RoundingParams::Gptq { static_groups: true, .. }) = (&group_size, &rounding)
                    {
                        return Err(format!(
                            "a budget of {budget} bits leaves no room for groups that could be static"
                        ));
                    }
                    bits
                }
                RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio } => {
                    let (bits, left) = base(size, Decimal::ZERO, "")?;
                    let all = share(left, bits);
                    let [magnitude, fisher] =
                        [defaults::magnitude_ratio(), defaults::fisher_ratio()].map(SparseRatio::decimal);
                    let of_fisher = (all * fisher / (magnitude + fisher)).trunc_with_scale(DECIMALS);
                    *magnitude_ratio = SparseRatio::new(all - of_fisher).map_err(|e| e.to_string())?;
                    *fisher_ratio = SparseRatio::new(of_fisher).map_err(|e| e.to_string())?;
                    bits
                }
                RoundingParams::Spqr { stats_bits, avg_bits, .. } => {
                    let group_cols = Decimal::from(group_size.map_or(1, GroupSize::get));
                    // Two statistics a group, and for each a grid that the groups of some rows share.
                    let of_grids = Decimal::from(2 * STATS_GRID_BITS) / Decimal::from(STATS_ROWS);
                    let of_stats = Decimal::from(2 * stats_bits.get()) + of_grids;
                    let (bits, _) = base(size, of_stats / group_cols, " and statistics of groups")?;
                    *avg_bits = Some(budget);
                    bits
                }
                RoundingParams::SlimLlm { avg_bits, .. } => {
                    let width = size - of_groups(*group_size);
                    if width < Decimal::ONE || width > Decimal::from(8) {
                        return Err(format!(
                            "a budget of {budget} bits leaves {width} for codes beside groups, which have 1 to 8"
                        ));
                    }
                    *avg_bits = Some(budget);
                    // Between two widths the nearer one, so that as many groups as can be have it.
                    bits(width.round())
                }
            };
            (bits, Method::Quantizer(quantizer))
        }
    })
}

/// The most bits of a code beside `besides`, and what they leave of a size.
fn base(size: Decimal, besides: Decimal, what: &str) -> Result<(Bits, Decimal), String> {
    let most = (size - besides).floor();
    if most < Decimal::ONE {
        return Err(format!("a budget of {size} bits does not hold codes of one bit{what}"));
    }
    let bits = bits(most);
    Ok((bits, size - besides - Decimal::from(bits.get())))
}

/// A whole number of at least one as a width: at most eight.
fn bits(width: Decimal) -> Bits {
    let width = width.min(Decimal::from(8)).try_into().expect("a small whole number");
    Bits::new(width).expect("from 1 to 8")
}

/// Bits per weight of the scales and zero points of groups.
fn of_groups(group_size: Option<GroupSize>) -> Decimal {
    group_size.map_or(Decimal::ZERO, |group_size| Decimal::from(GROUP_BITS) / Decimal::from(group_size.get()))
}

/// The share of outliers that so many bits per weight allow: each takes 32 in place of a code's.
fn share(left: Decimal, bits: Bits) -> Decimal {
    (left / (Decimal::from(OUTLIER_BITS) - Decimal::from(bits.get()))).trunc_with_scale(DECIMALS)
}

/// The smallest groups for so many bits per weight; none if they would be longer than groups can be.
fn smallest_group(left: Decimal) -> Option<GroupSize> {
    let cols = Decimal::from(GROUP_BITS).checked_div(left)?.ceil();
    u64::try_from(cols).ok().and_then(|cols| GroupSize::new(cols).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::experiment::Tacq;
    use tacq_protocol::stage::{Grid, Order, Score};

    fn gptq(group_size: Option<u64>) -> Quantizer {
        let (damp, block_size) = (defaults::damp(), defaults::block_size());
        Quantizer {
            rounding: RoundingParams::Gptq {
                damp,
                block_size,
                true_sequential: true,
                order: Order::Natural,
                static_groups: false,
            },
            group_size: group_size.map(|cols| GroupSize::new(cols).unwrap()),
            grid: Some(Grid::Mse),
        }
    }

    /// The formula of the sizes, put in: never more than the budget, and less than a thousandth below.
    #[test]
    fn sizes_are_the_budget() {
        for budget in ["1.5", "2.0001", "2.1", "2.125", "3.999", "4", "8", "11.3"] {
            let avg_bits: AvgBits = budget.parse().unwrap();
            let wanted = avg_bits.to_f64();
            let is_met = |bits: Bits, ratio: f64, groups: f64| {
                let bits = f64::from(bits.get());
                let found = bits - bits * ratio + 32.0 * ratio + groups;
                assert!(found <= wanted + 1e-9 && found > wanted - 1e-3, "{budget}: {found}");
            };
            for group_size in [None, Some(128), Some(1024)] {
                let quantizer = gptq(group_size);
                let outlier_ratio = "1".parse().unwrap();
                let tacq = Method::Tacq(Tacq {
                    outlier_ratio,
                    saliency: Score::Tacq,
                    gradient_samples: None,
                    quantizer,
                });
                let (bits, Method::Tacq(tacq)) = fit(tacq, avg_bits).unwrap() else { unreachable!() };
                is_met(bits, tacq.outlier_ratio.to_f64(), group_size.map_or(0.0, |cols| 32.0 / cols as f64));
            }
            let (magnitude_ratio, fisher_ratio) = ("0".parse().unwrap(), "0".parse().unwrap());
            let rounding = RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio };
            let squeezellm = Method::Quantizer(Quantizer { rounding, group_size: None, grid: None });
            let (bits, Method::Quantizer(fitted)) = fit(squeezellm, avg_bits).unwrap() else {
                unreachable!()
            };
            let RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio } = fitted.rounding else {
                unreachable!()
            };
            is_met(bits, magnitude_ratio.to_f64() + fisher_ratio.to_f64(), 0.0);
            assert!((magnitude_ratio.to_f64() - 9.0 * fisher_ratio.to_f64()).abs() < 1e-5);
        }
    }

    #[test]
    fn groups_are_the_smallest_that_fit() {
        let group_size = |budget: &str| {
            let (bits, fitted) = fit(Method::Quantizer(gptq(None)), budget.parse().unwrap()).unwrap();
            (bits.get(), fitted.quantizer().group_size.map(GroupSize::get))
        };
        // In binary, 4.1 − 4 is less than 0.1.
        assert_eq!(group_size("4.1"), (4, Some(320)));
        assert_eq!(group_size("2.11"), (2, Some(291)));
        assert_eq!(group_size("3"), (3, None));
        assert_eq!(group_size("3.0001"), (3, None));
        assert_eq!(group_size("2.99"), (2, Some(33)));
    }
}
