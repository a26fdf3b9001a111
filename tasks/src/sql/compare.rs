//! Whether two results are the same.

use super::columns;
use super::value::{Exact, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A query's result.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    pub(super) n_columns: usize,
    /// Each with `n_columns` values.
    pub(super) rows: Vec<Vec<Value>>,
}

/// Why two results are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Difference {
    #[error("{predicted} rows, not {gold}")]
    RowCount { predicted: usize, gold: usize },
    #[error("{predicted} columns, not {gold}")]
    ColumnCount { predicted: usize, gold: usize },
    #[error("other rows")]
    Rows,
    #[error("other rows, or the same in another order")]
    Order,
    #[error("too many ways to order its columns were tried in vain")]
    Columns,
}

/// A value among those of both tables: `id` is shared by equal values, `rank` orders values as the original orders
/// them within a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    rank: u32,
    id: u32,
}

/// `result_eq` of the original: whether the rows are equal as a list or as a bag, for some order of the columns.
pub(super) fn difference(gold: &Table, predicted: &Table, order_matters: bool) -> Option<Difference> {
    if gold.rows.is_empty() && predicted.rows.is_empty() {
        return None;
    }
    if gold.rows.len() != predicted.rows.len() {
        return Some(Difference::RowCount { predicted: predicted.rows.len(), gold: gold.rows.len() });
    }
    if gold.n_columns != predicted.n_columns {
        return Some(Difference::ColumnCount { predicted: predicted.n_columns, gold: gold.n_columns });
    }
    let cells = cells(gold, predicted);
    let [gold, predicted] = [gold, predicted].map(|table| rows_of_cells(table, &cells));
    let [unordered_gold, unordered] = [&gold, &predicted].map(|rows| unordered_rows(rows));
    let may_be = if order_matters {
        unordered_gold == unordered
    } else {
        unordered_gold.iter().collect::<BTreeSet<_>>() == unordered.iter().collect()
    };
    let reason = if order_matters { Difference::Order } else { Difference::Rows };
    if !may_be {
        return Some(reason);
    }
    let [gold, predicted] = [gold, predicted].map(|rows| columns_of_ids(&rows));
    let same = if order_matters {
        Some(columns::same_in_some_order(&gold, &predicted))
    } else {
        columns::same_bag_in_some_order(&gold, &predicted)
    };
    match same {
        Some(true) => None,
        Some(false) => Some(reason),
        None => Some(Difference::Columns),
    }
}

/// The cell of each value of the tables.
fn cells<'a>(gold: &'a Table, predicted: &'a Table) -> BTreeMap<Exact<'a>, Cell> {
    let values = gold.rows.iter().chain(&predicted.rows).flatten().map(Value::exact);
    let distinct: BTreeSet<_> = values.collect();
    let mut keyed: Vec<_> = distinct.into_iter().map(|value| (value.sort_key(), value)).collect();
    keyed.sort();
    let mut ids = BTreeMap::new();
    let mut cells = BTreeMap::new();
    for (rank, (_, value)) in (0..).zip(keyed) {
        let next = u32::try_from(ids.len()).expect("both tables together have fewer than 2^32 values");
        let id = *ids.entry(value.canonical()).or_insert(next);
        cells.insert(value, Cell { rank, id });
    }
    cells
}

fn rows_of_cells(table: &Table, cells: &BTreeMap<Exact<'_>, Cell>) -> Vec<Vec<Cell>> {
    table.rows.iter().map(|row| row.iter().map(|value| cells[&value.exact()]).collect()).collect()
}

/// `quick_rej` of the original compares these before anything else. Sorting puts the integer 1 elsewhere than the
/// float 1.0, which is equal: for rows of several numbers this can tell apart what is the same, and so must we.
fn unordered_rows(rows: &[Vec<Cell>]) -> Vec<Vec<u32>> {
    let unordered = |row: &Vec<Cell>| {
        let mut row = row.clone();
        row.sort_unstable();
        row.into_iter().map(|cell| cell.id).collect()
    };
    rows.iter().map(unordered).collect()
}

/// `[column][row]`
fn columns_of_ids(rows: &[Vec<Cell>]) -> Vec<Vec<u32>> {
    let n_columns = rows.first().map_or(0, Vec::len);
    (0..n_columns).map(|column| rows.iter().map(|row| row[column].id).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Value::{Integer, Null, Real};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn table<const N: usize>(rows: &[[Value; N]]) -> Table {
        Table { n_columns: N, rows: rows.iter().map(|row| row.to_vec()).collect() }
    }

    #[test]
    fn rows_are_a_bag_unless_order_matters() {
        let gold = table(&[[Integer(1)], [Integer(1)], [Integer(2)]]);
        let reordered = table(&[[Integer(2)], [Integer(1)], [Integer(1)]]);
        let other_counts = table(&[[Integer(2)], [Integer(2)], [Integer(1)]]);
        assert_eq!(difference(&gold, &reordered, false), None);
        assert_eq!(difference(&gold, &reordered, true), Some(Difference::Order));
        assert_eq!(difference(&gold, &other_counts, false), Some(Difference::Rows));
        assert_eq!(difference(&gold, &gold, true), None);
    }

    #[test]
    fn columns_come_in_any_order_but_the_same_in_every_row() {
        let gold = table(&[[Integer(1), text("a")], [Integer(2), text("b")]]);
        let swapped = table(&[[text("a"), Integer(1)], [text("b"), Integer(2)]]);
        let mixed = table(&[[text("a"), Integer(1)], [Integer(2), text("b")]]);
        for order_matters in [false, true] {
            assert_eq!(difference(&gold, &swapped, order_matters), None);
            assert!(difference(&gold, &mixed, order_matters).is_some());
        }
    }

    #[test]
    fn empty_results_are_the_same_whatever_their_columns() {
        let [one, two] = [1, 2].map(|n_columns| Table { n_columns, rows: Vec::new() });
        assert_eq!(difference(&one, &two, true), None);
        let full = table(&[[Null]]);
        assert_eq!(difference(&one, &full, false), Some(Difference::RowCount { predicted: 1, gold: 0 }));
    }

    #[test]
    fn types_tell_values_apart_but_not_numbers() {
        let gold = table(&[[Integer(1)]]);
        assert_eq!(difference(&gold, &table(&[[Real(1.0)]]), true), None);
        assert_eq!(difference(&gold, &table(&[[text("1")]]), true), Some(Difference::Order));
        assert_eq!(difference(&gold, &table(&[[Null]]), false), Some(Difference::Rows));
    }

    /// Python: `sorted((1, 10), key=lambda x: str(x) + str(type(x)))` is `[10, 1]`, that of `(1.0, 10)` is `[1.0, 10]`.
    #[test]
    fn integers_and_floats_in_one_row_are_told_apart_as_the_original_does() {
        let gold = table(&[[Integer(1), Integer(10)]]);
        let predicted = table(&[[Real(1.0), Integer(10)]]);
        assert_eq!(difference(&gold, &predicted, false), Some(Difference::Rows));
        let gold = table(&[[Integer(1), text("a")]]);
        let predicted = table(&[[Real(1.0), text("a")]]);
        assert_eq!(difference(&gold, &predicted, false), None);
    }
}
