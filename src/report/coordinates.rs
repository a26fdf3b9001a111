//! What was quantized how.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The method of the 16-bit model.
pub const NO_METHOD: &str = "none";

/// What a trial is, but for its seed; the fields are the first columns of the tables, in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the base model.
    pub model: String,
    /// Data set calibrated on.
    pub condition_on: Option<String>,
    /// Method; [`NO_METHOD`] for the 16-bit model.
    pub method: String,
    /// What ranked the weights that stay in 16 bit.
    pub saliency: Option<String>,
    /// Bits per quantized weight.
    pub bits: u32,
    /// Columns that share a grid; a whole row when absent.
    pub group_size: Option<u32>,
    /// Share of the linear weights kept in 16 bit, a decimal.
    pub outlier_ratio: Option<String>,
    /// Parameters of the method that have no column and are not at their defaults, such as `minmax damp=0.1`.
    pub variant: Option<String>,
}

impl Coordinates {
    /// The order of tables: by model, the 16-bit model first, then by calibration set, bits, method and its parameters.
    /// Equal for trials that differ in nothing but their seed.
    pub fn order(&self, other: &Self) -> Ordering {
        self.experiment
            .cmp(&other.experiment)
            .then_with(|| self.model.cmp(&other.model))
            .then_with(|| other.is_baseline().cmp(&self.is_baseline()))
            .then_with(|| self.condition_on.cmp(&other.condition_on))
            .then_with(|| self.bits.cmp(&other.bits))
            .then_with(|| self.method.cmp(&other.method))
            .then_with(|| self.saliency.cmp(&other.saliency))
            .then_with(|| by_number(self.outlier_ratio.as_deref(), other.outlier_ratio.as_deref()))
            .then_with(|| self.group_size.cmp(&other.group_size))
            .then_with(|| self.variant.cmp(&other.variant))
    }

    /// Whether this is the 16-bit model.
    pub fn is_baseline(&self) -> bool {
        self.method == NO_METHOD
    }

    /// [`Self::outlier_ratio`] as a number; its text is a decimal, so it reads back as written.
    pub fn outlier_ratio_value(&self) -> Option<f64> {
        self.outlier_ratio.as_deref().and_then(|text| text.parse().ok())
    }
}

fn by_number(a: Option<&str>, b: Option<&str>) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(&b)),
        _ => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::Coordinates;

    fn trial(model: &str, method: &str, bits: u32, ratio: Option<&str>) -> Coordinates {
        let outlier_ratio = ratio.map(str::to_owned);
        Coordinates {
            model: model.into(),
            method: method.into(),
            bits,
            outlier_ratio,
            ..Coordinates::default()
        }
    }

    #[test]
    fn the_baseline_comes_first_and_ratios_sort_as_numbers() {
        let expected = [
            trial("a", "none", 16, None),
            trial("a", "gptq", 2, None),
            trial("a", "tacq", 2, Some("0.0035")),
            trial("a", "tacq", 2, Some("0.01")),
            trial("a", "tacq", 2, Some("0.1")),
            trial("a", "gptq", 3, None),
            trial("b", "none", 16, None),
        ];
        let mut trials = expected.to_vec();
        trials.reverse();
        trials.sort_by(Coordinates::order);
        assert_eq!(trials, expected);
    }
}
