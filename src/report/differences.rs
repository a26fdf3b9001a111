//! Paired differences: `differences.csv`, a line a pair.

use super::coordinates::Coordinates;
use super::error::ReportError;
use super::paired::{Test, compare};
use super::pairs::{Contrast, Pair};
use super::records::Examples;
use super::write::DIFFERENCES_CSV;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tacq_protocol::artifact::metric;

/// What an estimate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Difference of two shares of right answers.
    Difference,
    /// Quotient of two perplexities: exp of the difference of their mean losses.
    Ratio,
}

/// One result compared with another on the same examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What is compared.
    pub of: Coordinates,
    /// With what.
    pub against: Coordinates,
    /// How, and what came out.
    #[serde(flatten)]
    pub found: Found,
}

/// The last columns of `differences.csv`, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Task.
    pub task: String,
    /// Metric.
    pub metric: String,
    /// What the two differ in.
    pub contrast: Contrast,
    /// Seeds taken together.
    pub n_seeds: u64,
    /// Examples that both answered.
    pub n_examples: u64,
    /// What the estimate is.
    pub effect: Effect,
    /// Of minus against, or of divided by against; absent where they cannot be compared.
    pub estimate: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Probability of as large a difference by chance; not corrected for the number of lines.
    pub p_value: Option<f64>,
    /// How it was found.
    pub test: Option<Test>,
    /// Why the two cannot be compared.
    pub note: Option<String>,
}

/// Records by the key of their evaluation. Equal examples are one.
pub type Answers<'a> = BTreeMap<&'a str, (Arc<Examples>, &'a [f64])>;

/// Compares a pair; none if records of some seed are missing.
pub fn difference(pair: &Pair<'_>, answers: &Answers<'_>) -> Option<Difference> {
    let (of, against) = pair.seeds[0];
    let effect = if metric::is_share(&of.metric) { Effect::Difference } else { Effect::Ratio };
    let mut sums: Vec<f64> = Vec::new();
    let mut note = None;
    let first = &answers.get(of.stage_key_evaluate.as_str())?.0;
    for (of, against) in &pair.seeds {
        let (examples, values) = answers.get(of.stage_key_evaluate.as_str())?;
        let (other_examples, others) = answers.get(against.stage_key_evaluate.as_str())?;
        note = note.or_else(|| mismatch(examples, other_examples)).or_else(|| mismatch(first, examples));
        sums.resize(values.len(), 0.0);
        for (sum, (value, other)) in sums.iter_mut().zip(values.iter().zip(*others)) {
            *sum += value - other;
        }
    }
    let n_seeds = pair.seeds.len();
    let differences: Vec<f64> = sums.iter().map(|sum| sum / n_seeds as f64).collect();
    if differences.iter().any(|d| !d.is_finite()) {
        note = note.or(Some("a value is not a finite number".to_owned()));
    }
    let found = if note.is_none() { compare(&differences) } else { None };
    let scale = |value: f64| if effect == Effect::Ratio { value.exp() } else { value };
    let interval = found.and_then(|found| found.interval);
    Some(Difference {
        of: of.trial.clone(),
        against: against.trial.clone(),
        found: Found {
            task: of.task.clone(),
            metric: of.metric.clone(),
            contrast: pair.contrast,
            n_seeds: n_seeds as u64,
            n_examples: differences.len() as u64,
            effect,
            estimate: found.map(|found| scale(found.mean)),
            low: interval.map(|[low, _]| scale(low)),
            high: interval.map(|[_, high]| scale(high)),
            p_value: found.map(|found| found.p_value),
            test: found.map(|found| found.test),
            note,
        },
    })
}

/// Why two evaluations did not answer the same.
fn mismatch(a: &Arc<Examples>, b: &Arc<Examples>) -> Option<String> {
    if Arc::ptr_eq(a, b) {
        return None;
    }
    if a.ids.len() != b.ids.len() {
        return Some(format!("one has {} examples, the other {}", a.ids.len(), b.ids.len()));
    }
    let place = (0..a.ids.len()).find(|&i| a.ids[i] != b.ids[i] || a.prompts[i] != b.prompts[i])?;
    Some(if a.ids[place] == b.ids[place] {
        format!("the prompts of example {} ({}) differ", place, a.ids[place])
    } else {
        format!("example {place} is {} in one and {} in the other", a.ids[place], b.ids[place])
    })
}

/// Columns of `differences.csv`: those of `results.csv` that say what was quantized how, then the same of what it is
/// compared with, then [`Found`].
const COLUMNS: [&str; 28] = [
    "experiment",
    "model",
    "condition_on",
    "method",
    "saliency",
    "bits",
    "group_size",
    "outlier_ratio",
    "variant",
    "against_condition_on",
    "against_method",
    "against_saliency",
    "against_bits",
    "against_group_size",
    "against_outlier_ratio",
    "against_variant",
    "task",
    "metric",
    "contrast",
    "n_seeds",
    "n_examples",
    "effect",
    "estimate",
    "low",
    "high",
    "p_value",
    "test",
    "note",
];

/// [`Coordinates`] within one experiment and model.
type Against = (Option<String>, String, Option<String>, u32, Option<u32>, Option<String>, Option<String>);

/// The table as CSV.
pub fn to_csv(differences: &[Difference]) -> Result<Vec<u8>, ReportError> {
    let fail = |source| ReportError::Csv { table: DIFFERENCES_CSV, source };
    // A header cannot be made of nested structs, so it is written by hand.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(fail)?;
    for Difference { of, against: a, found } in differences {
        let against: Against = (
            a.condition_on.clone(),
            a.method.clone(),
            a.saliency.clone(),
            a.bits,
            a.group_size,
            a.outlier_ratio.clone(),
            a.variant.clone(),
        );
        writer.serialize((of, against, found)).map_err(fail)?;
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}

/// Reads back what [`to_csv`] wrote; none if it is something else, such as the table of another version.
pub fn from_csv(bytes: &[u8]) -> Option<Vec<Difference>> {
    let mut reader = csv::Reader::from_reader(bytes);
    if !reader.headers().ok()?.iter().eq(COLUMNS) {
        return None;
    }
    let difference = |record: csv::Result<csv::StringRecord>| {
        let (of, a, found): (Coordinates, Against, Found) = record.ok()?.deserialize(None).ok()?;
        let against = Coordinates {
            experiment: of.experiment.clone(),
            model: of.model.clone(),
            condition_on: a.0,
            method: a.1,
            saliency: a.2,
            bits: a.3,
            group_size: a.4,
            outlier_ratio: a.5,
            variant: a.6,
        };
        Some(Difference { of, against, found })
    };
    reader.records().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Row;

    fn examples(ids: &[&str]) -> Arc<Examples> {
        let texts = |prefix: &str| ids.iter().map(|id| format!("{prefix}{id}")).collect();
        Arc::new(Examples { ids: texts(""), prompts: texts("prompt of "), groups: texts("") })
    }

    fn row(key: &str, metric: &str, seed: u32) -> Row {
        let trial = Coordinates {
            experiment: "demo".into(),
            model: "m, \"n\"".into(),
            method: key[..1].to_owned(),
            bits: 2,
            outlier_ratio: Some("0.0035".into()),
            ..Coordinates::default()
        };
        Row {
            trial,
            task: "t".into(),
            metric: metric.into(),
            seed: Some(seed),
            stage_key_evaluate: key.into(),
            ..Row::default()
        }
    }

    #[test]
    fn several_seeds_are_one_difference_an_example() {
        let asked = examples(&["x", "y", "z", "w"]);
        let rows = [
            row("a0", "accuracy", 0),
            row("b0", "accuracy", 0),
            row("a1", "accuracy", 1),
            row("b1", "accuracy", 1),
        ];
        let values: [&[f64]; 4] =
            [&[1., 1., 0., 0.], &[0., 1., 0., 0.], &[1., 1., 1., 0.], &[0., 0., 1., 1.]];
        let answers: Answers<'_> = rows
            .iter()
            .zip(values)
            .map(|(row, values)| (row.stage_key_evaluate.as_str(), (Arc::clone(&asked), values)))
            .collect();
        let pair = |seeds| Pair { contrast: Contrast::Method, seeds };
        let one = difference(&pair(vec![(&rows[0], &rows[1])]), &answers).unwrap().found;
        assert_eq!((one.estimate, one.test, one.n_seeds), (Some(0.25), Some(Test::Mcnemar), 1));
        // Example by example: 1, 0.5, 0, -0.5; at least as far as 1 in sum: 4 of 8 ways.
        let both =
            difference(&pair(vec![(&rows[0], &rows[1]), (&rows[2], &rows[3])]), &answers).unwrap().found;
        assert_eq!((both.estimate, both.test, both.n_seeds), (Some(0.25), Some(Test::SignFlip), 2));
        assert_eq!(both.p_value, Some(0.75));
        let missing = row("c0", "accuracy", 0);
        assert_eq!(difference(&pair(vec![(&rows[0], &missing)]), &answers), None);
    }

    #[test]
    fn perplexities_are_divided() {
        let asked = examples(&["0", "1"]);
        let rows = [row("a0", "perplexity", 0), row("b0", "perplexity", 0)];
        let values: [&[f64]; 2] = [&[2_f64.ln(), 8_f64.ln()], &[8_f64.ln(), 8_f64.ln()]];
        let answers: Answers<'_> =
            [("a0", (Arc::clone(&asked), values[0])), ("b0", (asked, values[1]))].into();
        let pair = Pair { contrast: Contrast::Method, seeds: vec![(&rows[0], &rows[1])] };
        let found = difference(&pair, &answers).unwrap().found;
        assert_eq!(found.effect, Effect::Ratio);
        assert!((found.estimate.unwrap() - 0.5).abs() < 1e-12, "4 divided by 8: {found:?}");
        assert!((found.low.unwrap() - 0.25).abs() < 1e-12 && (found.high.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn other_examples_or_prompts_are_not_compared() {
        let rows = [row("a0", "accuracy", 0), row("b0", "accuracy", 0)];
        let pair = Pair { contrast: Contrast::Method, seeds: vec![(&rows[0], &rows[1])] };
        let note = |a: Arc<Examples>, b: Arc<Examples>| {
            let values = [vec![1.0; a.ids.len()], vec![0.0; b.ids.len()]];
            let answers: Answers<'_> = [("a0", (a, &values[0][..])), ("b0", (b, &values[1][..]))].into();
            let found = difference(&pair, &answers).unwrap().found;
            assert_eq!(found.estimate.is_none(), found.note.is_some());
            found.note
        };
        assert_eq!(note(examples(&["x", "y"]), examples(&["x", "y"])), None);
        let other = note(examples(&["x", "y"]), examples(&["x", "z"]));
        assert_eq!(other.as_deref(), Some("example 1 is y in one and z in the other"));
        let fewer = note(examples(&["x", "y"]), examples(&["x"]));
        assert_eq!(fewer.as_deref(), Some("one has 2 examples, the other 1"));
        let mut changed = Examples { ids: vec!["x".into()], ..Examples::default() };
        changed.prompts.push("other".into());
        let prompts = note(examples(&["x"]), Arc::new(changed));
        assert_eq!(prompts.as_deref(), Some("the prompts of example 0 (x) differ"));
    }

    #[test]
    fn the_table_reads_back_as_it_was_written() {
        let rows = [row("a0", "perplexity", 0), row("b0", "perplexity", 0)];
        let pair = Pair { contrast: Contrast::OutlierRatio, seeds: vec![(&rows[0], &rows[1])] };
        let answers: Answers<'_> = [
            ("a0", (examples(&["x", "y"]), &[0.1, 0.2][..])),
            ("b0", (examples(&["x", "y"]), &[0.3, 1e-9][..])),
        ]
        .into();
        let refused: Answers<'_> =
            [("a0", (examples(&["x"]), &[0.1][..])), ("b0", (examples(&["y"]), &[0.3][..]))].into();
        let table = vec![difference(&pair, &answers).unwrap(), difference(&pair, &refused).unwrap()];
        let bytes = to_csv(&table).unwrap();
        assert_eq!(from_csv(&bytes), Some(table));
        assert_eq!(from_csv(b"a,b\n1,2\n"), None);
        assert_eq!(from_csv(&to_csv(&[]).unwrap()), Some(Vec::new()));
    }
}
