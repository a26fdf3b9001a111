//! Groups laid out as a table: a line per quantized model, a column per task and metric.

use super::coordinates::Coordinates;
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
    for of_line in rows.chunk_by(|a, b| a.trial.order(&b.trial).is_eq()) {
        let n_groups = of_line.chunk_by(|a, b| a.cell_order(b).is_eq()).count();
        let (groups, after) = rest.split_at(n_groups);
        rest = after;
        lines.push(line(&columns, groups));
    }
    (columns, lines)
}

/// A line per method: in each of `columns` the model that was conditioned on the data set of that very task; the 16-bit
/// model in all.
pub fn matched<'a>(columns: &[Column], groups: &'a [Group]) -> Vec<Line<'a>> {
    let is_own = |group: &&Group| group.trial.condition_on.as_ref().is_none_or(|set| *set == group.task);
    let method = |group: &'a Group| (Coordinates { condition_on: None, ..group.trial.clone() }, group);
    let mut own: Vec<(Coordinates, &Group)> = groups.iter().filter(is_own).map(method).collect();
    own.sort_by(|a, b| a.0.order(&b.0));
    let lines = own.chunk_by(|a, b| a.0.order(&b.0).is_eq());
    lines.map(|of_line| line(columns, of_line.iter().map(|(_, group)| *group))).collect()
}

/// The line of groups that differ in their columns alone; there is at least one.
fn line<'a>(columns: &[Column], groups: impl IntoIterator<Item = &'a Group>) -> Line<'a> {
    let mut groups = groups.into_iter().peekable();
    let of = *groups.peek().expect("a line has a group");
    let mut cells = vec![None; columns.len()];
    for group in groups {
        let index = columns.binary_search(&column(group)).expect("each group's column is there");
        cells[index] = Some(group);
    }
    Line { of, is_baseline: of.trial.is_baseline(), cells }
}

fn column(group: &Group) -> Column {
    Column { task: group.task.clone(), metric: group.metric.clone() }
}
