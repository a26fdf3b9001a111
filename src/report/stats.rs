//! Mean and spread over seeds.

/// Mean and sample standard deviation of a few values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// √(Σ(x − mean)² / (n − 1)); absent for a single value.
    pub sd: Option<f64>,
}

/// Mean and sample standard deviation; nothing of nothing. The sums run in the order of the values.
///
/// A value that is no finite number makes the mean so too, and the deviation NaN.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    // Two passes: subtracting the mean first loses nothing when the spread is small against the values.
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    Some(Spread { n, mean, sd })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_agree_with_hand_values() {
        // Mean 5; squared deviations 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32; 32 / 7.
        let spread = spread(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.n, spread.mean), (8, 5.0));
        assert!((spread.sd.unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn one_value_has_no_deviation_and_none_have_nothing() {
        assert_eq!(spread(&[170.6]), Some(Spread { n: 1, mean: 170.6, sd: None }));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn equal_values_do_not_deviate() {
        assert_eq!(spread(&[0.5; 4]).unwrap().sd, Some(0.0));
    }

    #[test]
    fn large_values_keep_a_small_deviation() {
        // Σx² − n·mean² would lose it.
        let sd = spread(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).unwrap().sd.unwrap();
        assert_eq!(sd, 1.0);
    }

    #[test]
    fn what_is_no_number_stays_visible() {
        assert!(spread(&[1.0, f64::NAN]).unwrap().mean.is_nan());
        let infinite = spread(&[1.0, f64::INFINITY]).unwrap();
        assert_eq!(infinite.mean, f64::INFINITY);
        assert!(infinite.sd.unwrap().is_nan());
    }
}
