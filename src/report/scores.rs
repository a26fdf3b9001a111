//! The score table as people read it: lines with names, numbers with their intervals.

use super::coordinates::Coordinates;
use super::layout::{Column, Line, matched, table};
use super::render::score_text;
use super::row::Row;
use super::summary::Group;
use super::wording::trial_name;
use serde::Serialize;

/// A line with the name of what was quantized how.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedLine<'a> {
    /// Among all others of its model.
    pub name: String,
    /// Its cells.
    #[serde(flatten)]
    pub line: Line<'a>,
}

/// Columns and lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores<'a> {
    /// A column per task and metric.
    pub columns: Vec<Column>,
    /// By model.
    pub lines: Vec<NamedLine<'a>>,
    /// Whether a line is a method with all its tasks, each asked of the model that was conditioned on it.
    pub is_matched: bool,
}

/// Lays out rows, which are in table order, and their groups.
pub fn scores<'a>(rows: &[Row], groups: &'a [Group]) -> Scores<'a> {
    let (columns, mut lines) = table(rows, groups);
    let is_matched = is_matched(&columns, &lines);
    if is_matched {
        lines = matched(&columns, groups);
    }
    let named = |line: Line<'a>| {
        let trial = match is_matched {
            true => &Coordinates { condition_on: None, ..line.of.trial.clone() },
            false => &line.of.trial,
        };
        NamedLine { name: trial_name(trial), line }
    };
    Scores { columns, lines: lines.into_iter().map(named).collect(), is_matched }
}

/// Whether every model was asked the task that it was conditioned on alone, so that a line is better a method with all its
/// tasks than one of its models.
fn is_matched(columns: &[Column], lines: &[Line<'_>]) -> bool {
    let is_own = |line: &Line<'_>| {
        let Some(set) = &line.of.trial.condition_on else { return true };
        columns.iter().zip(&line.cells).all(|(column, cell)| cell.is_none() || column.task == *set)
    };
    let of_sets = lines.iter().filter(|line| line.of.trial.condition_on.is_some()).count();
    of_sets > 0 && columns.len() > 1 && lines.iter().all(is_own)
}

impl Group {
    /// The mean, with the deviation over seeds or the interval over examples where there is one: `61.3 [58.0, 64.6]`.
    pub fn score(&self) -> String {
        let text = |value| score_text(value, &self.metric);
        match (self.sd, self.low, self.high) {
            (Some(sd), ..) => format!("{} ± {}", text(self.mean), text(sd)),
            (None, Some(low), Some(high)) => format!("{} [{}, {}]", text(self.mean), text(low), text(high)),
            _ => text(self.mean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_has_its_interval_or_its_deviation() {
        let group = |metric: &str, sd, ends: Option<(f64, f64)>| Group {
            trial: Coordinates::default(),
            avg_bits: None,
            bytes_on_disk: None,
            task: "mmlu".into(),
            metric: metric.into(),
            n: 1,
            mean: 0.613,
            sd,
            low: ends.map(|ends| ends.0),
            high: ends.map(|ends| ends.1),
        };
        assert_eq!(group("accuracy", None, Some((0.58, 0.646))).score(), "61.3 [58.0, 64.6]");
        assert_eq!(group("accuracy", Some(0.021), None).score(), "61.3 ± 2.1");
        assert_eq!(group("perplexity", None, None).score(), "0.613");
        let endless = Group { mean: f64::INFINITY, ..group("perplexity", None, None) };
        assert_eq!(endless.score(), "∞");
    }
}
