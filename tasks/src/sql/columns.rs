//! Whether the columns of one table can be put in an order that makes it another one.
//!
//! The original tries products of columns. Here a column is put in place only next to those that fit so far, and
//! columns are told apart first by the rows in which their values stand.

use std::collections::BTreeMap;

/// Values looked at before the search is given up, some seconds. Only tables made for it need more than a few
/// times their size.
const MAX_WORK: usize = 50_000_000;

/// Whether tables with ordered rows are equal up to the order of their columns. `[column][row]`
pub(super) fn same_in_some_order(gold: &[Vec<u32>], predicted: &[Vec<u32>]) -> bool {
    sorted(gold) == sorted(predicted)
}

/// Whether tables with unordered rows are equal up to the order of their columns; nothing if the search was given up.
/// `[column][row]`
pub(super) fn same_bag_in_some_order(gold: &[Vec<u32>], predicted: &[Vec<u32>]) -> Option<bool> {
    let Some((gold_rows, predicted_rows)) = classes(&by_row(gold), &by_row(predicted)) else {
        return Some(false);
    };
    let marks = |columns: &[Vec<u32>], rows: &[u32]| -> Vec<Vec<(u32, u32)>> {
        columns.iter().map(|column| sorted(&pairs(rows, column))).collect()
    };
    let gold_marks = marks(gold, &gold_rows);
    let predicted_marks = marks(predicted, &predicted_rows);
    let mut places: Vec<Place<'_>> = gold
        .iter()
        .zip(&gold_marks)
        .map(|(column, mark)| {
            let fits = |&candidate: &usize| predicted_marks[candidate] == *mark;
            Place { column, candidates: (0..predicted.len()).filter(fits).collect() }
        })
        .collect();
    places.sort_by_key(|place| place.candidates.len());
    let mut search = Search { predicted, used: vec![false; predicted.len()], work: 0 };
    search.fill(&places, &gold_rows, &predicted_rows)
}

/// A column of the gold table, and the predicted ones that may be it.
struct Place<'a> {
    column: &'a [u32],
    candidates: Vec<usize>,
}

struct Search<'a> {
    predicted: &'a [Vec<u32>],
    used: Vec<bool>,
    work: usize,
}

impl Search<'_> {
    /// Fills the places, given for each row of both tables what is in the columns placed so far.
    fn fill(&mut self, places: &[Place<'_>], gold_rows: &[u32], predicted_rows: &[u32]) -> Option<bool> {
        let Some((place, rest)) = places.split_first() else { return Some(true) };
        let gold = pairs(gold_rows, place.column);
        let mut tried: Vec<usize> = Vec::new();
        for &candidate in place.candidates.iter() {
            let column = &self.predicted[candidate];
            // Equal columns are one: what failed with one fails with the other.
            if self.used[candidate] || tried.iter().any(|&other| self.predicted[other] == *column) {
                continue;
            }
            self.work += column.len() * (1 + tried.len());
            if self.work > MAX_WORK {
                return None;
            }
            tried.push(candidate);
            if let Some((gold_rows, predicted_rows)) = classes(&gold, &pairs(predicted_rows, column)) {
                self.used[candidate] = true;
                let filled = self.fill(rest, &gold_rows, &predicted_rows);
                self.used[candidate] = false;
                if filled != Some(false) {
                    return filled;
                }
            }
        }
        Some(false)
    }
}

/// Numbers for the items, equal ones for equal items; nothing if the two bags of items differ.
fn classes<T: Ord>(gold: &[T], predicted: &[T]) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut known: BTreeMap<&T, (u32, isize)> = BTreeMap::new();
    let gold_classes = gold.iter().map(|item| {
        let next = u32::try_from(known.len()).expect("a table has fewer than 2^32 rows");
        let (class, count) = known.entry(item).or_insert((next, 0));
        *count += 1;
        *class
    });
    let gold_classes = gold_classes.collect();
    let predicted_classes = predicted.iter().map(|item| {
        let (class, count) = known.get_mut(item)?;
        *count -= 1;
        (*count >= 0).then_some(*class)
    });
    let predicted_classes = predicted_classes.collect::<Option<_>>()?;
    known.values().all(|(_, count)| *count == 0).then_some((gold_classes, predicted_classes))
}

fn pairs(rows: &[u32], column: &[u32]) -> Vec<(u32, u32)> {
    rows.iter().copied().zip(column.iter().copied()).collect()
}

fn sorted<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items
}

/// Each row's values, sorted.
fn by_row(columns: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let n_rows = columns.first().map_or(0, Vec::len);
    let row = |row: usize| sorted(&columns.iter().map(|column| column[row]).collect::<Vec<_>>());
    (0..n_rows).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python_random::PythonRandom;

    /// Columns in another order, rows in another one.
    fn shuffled(columns: &[Vec<u32>], random: &mut PythonRandom) -> Vec<Vec<u32>> {
        let mut shuffle = |n: usize| {
            let mut order: Vec<usize> = (0..n).collect();
            for i in (1..n).rev() {
                order.swap(i, usize::try_from(random.below(i as u64 + 1)).unwrap());
            }
            order
        };
        let rows = shuffle(columns[0].len());
        let order = shuffle(columns.len());
        order.iter().map(|&c| rows.iter().map(|&r| columns[c][r]).collect()).collect()
    }

    fn drawn(n_columns: usize, n_rows: usize, n_values: u64, random: &mut PythonRandom) -> Vec<Vec<u32>> {
        let column = |_| (0..n_rows).map(|_| u32::try_from(random.below(n_values)).unwrap()).collect();
        (0..n_columns).map(column).collect()
    }

    /// All orders of the columns, one after the other.
    fn same_by_trying(gold: &[Vec<u32>], rest: &mut Vec<Vec<u32>>, taken: &mut Vec<Vec<u32>>) -> bool {
        let rows = |columns: &[Vec<u32>]| {
            let row = |r: usize| columns.iter().map(|column| column[r]).collect::<Vec<_>>();
            sorted(&(0..columns[0].len()).map(row).collect::<Vec<_>>())
        };
        if rest.is_empty() {
            return rows(gold) == rows(taken);
        }
        (0..rest.len()).any(|i| {
            taken.push(rest.remove(i));
            let same = same_by_trying(gold, rest, taken);
            rest.insert(i, taken.pop().unwrap());
            same
        })
    }

    #[test]
    fn agrees_with_trying_every_order() {
        let mut random = PythonRandom::new(0);
        let mut same = 0;
        for _ in 0..2000 {
            let gold = drawn(4, 4, 2, &mut random);
            let mut predicted = shuffled(&gold, &mut random);
            // Two values change places within their row, which neither the rows nor the bags of columns may show.
            let row = usize::try_from(random.below(4)).unwrap();
            let kept = predicted[0][row];
            predicted[0][row] = predicted[1][row];
            predicted[1][row] = kept;
            let expected = same_by_trying(&gold, &mut predicted.clone(), &mut Vec::new());
            assert_eq!(same_bag_in_some_order(&gold, &predicted), Some(expected), "{gold:?} {predicted:?}");
            same += usize::from(expected);
        }
        assert!((200..1800).contains(&same), "{same} of 2000 are no test");
    }

    #[test]
    fn many_columns_are_no_work() {
        let mut random = PythonRandom::new(1);
        for (n_columns, n_rows, n_values) in [(30, 200, 2), (100, 20, 3), (200, 1, 1), (12, 5000, 50)] {
            let gold = drawn(n_columns, n_rows, n_values, &mut random);
            let predicted = shuffled(&gold, &mut random);
            assert_eq!(same_bag_in_some_order(&gold, &predicted), Some(true));
        }
    }

    #[test]
    fn equal_columns_are_tried_once() {
        let gold = vec![vec![1, 2, 3]; 500];
        let mut predicted = vec![vec![3, 1, 2]; 500];
        assert_eq!(same_bag_in_some_order(&gold, &predicted), Some(true));
        predicted[7] = vec![2, 1, 3];
        assert_eq!(same_bag_in_some_order(&gold, &predicted), Some(false));
    }

    #[test]
    fn columns_of_ordered_rows_are_compared_whole() {
        let gold = [vec![1, 2], vec![3, 4]];
        assert!(same_in_some_order(&gold, &[vec![3, 4], vec![1, 2]]));
        assert!(!same_in_some_order(&gold, &[vec![4, 3], vec![2, 1]]));
        assert_eq!(same_bag_in_some_order(&gold, &[vec![4, 3], vec![2, 1]]), Some(true));
    }
}
