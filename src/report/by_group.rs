//! Scores of parts of a data set, such as MMLU's subjects and Spider's databases: `groups.csv`.

use super::coordinates::Coordinates;
use super::error::ReportError;
use super::records::Examples;
use super::row::Row;
use super::write::GROUPS_CSV;
use serde::Serialize;
use std::collections::BTreeMap;
use tacq_protocol::artifact::metric;

/// One metric of one trial on one part of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupScore<'a> {
    /// What was evaluated.
    pub trial: &'a Coordinates,
    /// Which part, and its score.
    pub score: Score<'a>,
}

/// The last columns of `groups.csv`, in this order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score<'a> {
    /// Task.
    pub task: &'a str,
    /// Metric.
    pub metric: &'a str,
    /// The trial's seed, where it has an influence.
    pub seed: Option<u32>,
    /// Part of the data set.
    pub group: String,
    /// Its examples.
    pub n: u64,
    /// The metric on them alone.
    pub mean: f64,
}

/// Columns of `groups.csv`: those of `results.csv` that say what was quantized how, then [`Score`].
const COLUMNS: [&str; 15] = [
    "experiment",
    "model",
    "condition_on",
    "method",
    "saliency",
    "bits",
    "group_size",
    "outlier_ratio",
    "variant",
    "task",
    "metric",
    "seed",
    "group",
    "n",
    "mean",
];

/// The parts of one row's task, in the order of their names; none where the data set has no parts.
pub fn scores<'a>(row: &'a Row, examples: &Examples, values: &[f64]) -> Vec<GroupScore<'a>> {
    let mut sums: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    for (group, value) in examples.groups.iter().zip(values).filter(|(group, _)| !group.is_empty()) {
        let sum = sums.entry(group).or_default();
        *sum = (sum.0 + 1, sum.1 + value);
    }
    let score = |(group, (n, sum)): (&str, (u64, f64))| {
        let mean = sum / n as f64;
        let mean = if metric::is_share(&row.metric) { mean } else { mean.exp() };
        let (task, metric, seed) = (&row.task, &row.metric, row.seed);
        GroupScore {
            trial: &row.trial,
            score: Score { task, metric, seed, group: group.to_owned(), n, mean },
        }
    };
    sums.into_iter().map(score).collect()
}

/// The table as CSV.
pub fn to_csv(scores: &[GroupScore<'_>]) -> Result<Vec<u8>, ReportError> {
    let fail = |source| ReportError::Csv { table: GROUPS_CSV, source };
    // A header cannot be made of nested structs, so it is written by hand.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(fail)?;
    for group in scores {
        writer.serialize((group.trial, &group.score)).map_err(fail)?;
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_their_own_means() {
        let groups = ["law", "algebra", "law", "", "law"].map(str::to_owned).to_vec();
        let examples = Examples { groups, ..Examples::default() };
        let mut row = Row { metric: "accuracy".into(), seed: Some(3), ..Row::default() };
        row.trial.outlier_ratio = Some("0.01".into());
        let found = scores(&row, &examples, &[1.0, 0.0, 0.0, 1.0, 1.0]);
        let plain: Vec<_> = found.iter().map(|s| (&s.score.group[..], s.score.n, s.score.mean)).collect();
        assert_eq!(plain, [("algebra", 1, 0.0), ("law", 3, 2.0 / 3.0)]);
        let csv = String::from_utf8(to_csv(&found).unwrap()).unwrap();
        assert_eq!(csv.lines().nth(2), Some(",,,,,0,,0.01,,,accuracy,3,law,3,0.6666666666666666"));
    }
}
