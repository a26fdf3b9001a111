//! Groups laid out as a table: a line per quantized model, a column per task and metric.

use super::row::Row;
use super::summary::Group;
use serde::Serialize;

/// A column of results.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Column {
    /// Task.
    pub task: String,
    /// Metric.
    pub metric: String,
}

/// A line: what was quantized how, and a cell per column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line<'a> {
    /// The group that stands for what the cells share: model, method and so on.
    #[serde(flatten)]
    pub of: &'a Group,
    /// Whether this is the 16-bit model.
    pub is_baseline: bool,
    /// In the order of the columns; absent where the line has no such result.
    pub cells: Vec<Option<&'a Group>>,
}

/// The columns and lines of `rows`, which are in table order, and their `groups`.
pub fn table<'a>(rows: &[Row], groups: &'a [Group]) -> (Vec<Column>, Vec<Line<'a>>) {
    let mut columns: Vec<Column> = groups.iter().map(column).collect();
    columns.sort();
    columns.dedup();
    let mut lines = Vec::new();
    let mut rest = groups;
    for line in rows.chunk_by(|a, b| a.trial.order(&b.trial).is_eq()) {
        let n_groups = line.chunk_by(|a, b| a.cell_order(b).is_eq()).count();
        let (groups, after) = rest.split_at(n_groups);
        rest = after;
        let mut cells = vec![None; columns.len()];
        for group in groups {
            let index = columns.binary_search(&column(group)).expect("each group's column is there");
            cells[index] = Some(group);
        }
        lines.push(Line { of: &groups[0], is_baseline: groups[0].trial.is_baseline(), cells });
    }
    (columns, lines)
}

fn column(group: &Group) -> Column {
    Column { task: group.task.clone(), metric: group.metric.clone() }
}
