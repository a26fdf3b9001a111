//! Differences in words, for tables that people read.

use super::coordinates::Coordinates;
use super::differences::{Difference, Effect};
use super::pairs::Contrast;
use serde::Serialize;
use tacq_protocol::stage::Score;

/// A difference with its words, as templates and the terminal show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worded<'a> {
    /// The numbers.
    #[serde(flatten)]
    pub difference: &'a Difference,
    /// What is compared: `tacq 0.35 %`.
    pub of_name: String,
    /// With what: `gptq`, `16 bit`.
    pub against_name: String,
    /// `+3.1 [+1.2, +5.0] pp` (points of percent) or `× 0.94 [0.92, 0.97]`; a dash where they cannot be compared.
    pub text: String,
    /// `0.0386`, `< 0.0001`; a dash where they cannot be compared.
    pub p: String,
}

impl<'a> Worded<'a> {
    /// Finds the words.
    pub fn new(difference: &'a Difference) -> Self {
        let found = &difference.found;
        let number: fn(f64) -> String = match found.effect {
            Effect::Difference => |share| format!("{:+.1}", share * 100.0).replace('-', "−"),
            Effect::Ratio => |ratio| format!("{ratio:.3}"),
        };
        let interval = match (found.low, found.high) {
            (Some(low), Some(high)) => format!(" [{}, {}]", number(low), number(high)),
            _ => String::new(),
        };
        let text = match (found.estimate, found.effect) {
            (None, _) => "–".to_owned(),
            (Some(value), Effect::Difference) => format!("{}{interval} pp", number(value)),
            (Some(value), Effect::Ratio) => format!("× {}{interval}", number(value)),
        };
        let p = match found.p_value {
            None => "–".to_owned(),
            Some(p) if p < 0.0001 => "< 0.0001".to_owned(),
            Some(p) => format!("{p:.4}"),
        };
        let name = |trial| name(trial, found.contrast);
        Self { difference, of_name: name(&difference.of), against_name: name(&difference.against), text, p }
    }
}

/// A trial among all others of its model: bits, method with its parameters, calibration set.
pub fn trial_name(trial: &Coordinates) -> String {
    if trial.is_baseline() {
        return name(trial, Contrast::ConditionOn);
    }
    let set = trial.condition_on.as_ref().map(|set| format!(" on {set}")).unwrap_or_default();
    format!("{} bit {}{set}", trial.bits, name(trial, Contrast::Method))
}

/// A method with its parameters; bits and calibration set have columns, the latter also a word where it is what differs.
fn name(trial: &Coordinates, contrast: Contrast) -> String {
    if trial.is_baseline() {
        return format!("{} bit", trial.bits);
    }
    let mut words = vec![trial.method.clone()];
    words.extend(trial.saliency.clone().filter(|saliency| *saliency != Score::Tacq.to_string()));
    // Twelve digits are more than a ratio has and fewer than where binary fractions show.
    let percent = |ratio: f64| format!("{:.12}", ratio * 100.0);
    let percent = trial.outlier_ratio_value().map(percent);
    words.extend(percent.map(|text| format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))));
    words.extend(trial.group_size.map(|size| format!("g{size}")));
    words.extend(trial.variant.clone());
    if contrast == Contrast::ConditionOn {
        words.push(format!("on {}", trial.condition_on.as_deref().unwrap_or("nothing")));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::differences::Found;
    use crate::report::paired::Test;

    #[test]
    fn words_are_short_and_signed() {
        let trial = Coordinates {
            condition_on: Some("c4".into()),
            method: "tacq".into(),
            saliency: Some("fisher".into()),
            bits: 2,
            group_size: Some(128),
            outlier_ratio: Some("0.0035".into()),
            variant: Some("minmax".into()),
            ..Coordinates::default()
        };
        let found = Found {
            task: "mmlu".into(),
            metric: "accuracy".into(),
            contrast: Contrast::Baseline,
            n_seeds: 1,
            n_examples: 10,
            effect: Effect::Difference,
            estimate: Some(-0.123_4),
            low: Some(-0.2),
            high: Some(0.01),
            p_value: Some(0.038_57),
            test: Some(Test::Mcnemar),
            note: None,
        };
        let against = Coordinates { method: "none".into(), bits: 16, ..Coordinates::default() };
        let mut difference = Difference { of: trial.clone(), against, found };
        let worded = Worded::new(&difference);
        assert_eq!(worded.of_name, "tacq fisher 0.35 % g128 minmax");
        assert_eq!(worded.against_name, "16 bit");
        assert_eq!((&worded.text[..], &worded.p[..]), ("−12.3 [−20.0, +1.0] pp", "0.0386"));

        difference.against = Coordinates { method: "rtn".into(), bits: 2, ..Coordinates::default() };
        difference.found.contrast = Contrast::ConditionOn;
        difference.found.effect = Effect::Ratio;
        (difference.found.low, difference.found.p_value) = (None, Some(1e-9));
        difference.found.estimate = Some(0.5);
        let worded = Worded::new(&difference);
        assert!(worded.of_name.ends_with("minmax on c4") && worded.against_name == "rtn on nothing");
        assert_eq!((&worded.text[..], &worded.p[..]), ("× 0.500", "< 0.0001"));
    }
}
