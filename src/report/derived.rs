//! What is computed from the examples behind the scores: paired differences and scores of parts.

use super::by_group::{self, GroupScore};
use super::differences::{Answers, Difference, difference};
use super::pairs::pairs;
use super::records::{self, Examples, Scores};
use super::row::Row;
use crate::store::Store;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tacq_protocol::artifact::metric;

/// Rows of the result, and what could not be computed.
#[derive(Debug, Default)]
pub struct Derived<'a> {
    /// For `differences.csv`.
    pub differences: Vec<Difference>,
    /// For `groups.csv`.
    pub by_group: Vec<GroupScore<'a>>,
    /// Evaluations whose examples are missing or wrong, a sentence each.
    pub problems: Vec<String>,
}

/// The paired differences of rows in any order, and what could not be compared, a sentence each.
pub fn paired(rows: &[Row], sources: Sources<'_>) -> (Vec<Difference>, Vec<String>) {
    let mut rows = rows.to_vec();
    rows.sort_by(Row::order);
    let Derived { differences, problems, .. } = derive(&rows, sources);
    (differences, problems)
}

/// The examples of one evaluation.
struct Evaluation {
    examples: Arc<Examples>,
    values: Vec<f64>,
}

/// The examples of evaluations, from the store.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Where the records are.
    pub store: &'a Store,
    /// The data set that goes with a task. What is no task here, but a command of the user's, has no records.
    pub homes: &'a BTreeMap<String, String>,
}

/// Reads the records of all rows (in [`Row::order`]) and compares.
pub fn derive<'a>(rows: &'a [Row], sources: Sources<'_>) -> Derived<'a> {
    let (evaluations, problems) = read(rows, sources);
    let answers: Answers<'_> = evaluations
        .iter()
        .map(|(key, found)| (*key, (Arc::clone(&found.examples), found.values.as_slice())))
        .collect();
    let pairs = pairs(rows, sources.homes);
    let differences = pairs.par_iter().filter_map(|pair| difference(pair, &answers)).collect();
    let mut by_group = Vec::new();
    for row in rows.iter().filter(|row| statistic(row).is_some()) {
        if let Some(found) = evaluations.get(row.stage_key_evaluate.as_str()) {
            by_group.extend(by_group::scores(row, &found.examples, &found.values));
        }
    }
    Derived { differences, by_group, problems }
}

/// What a row's value is of the mean of its records; none if it is something else.
fn statistic(row: &Row) -> Option<fn(f64) -> f64> {
    match row.metric.as_str() {
        metric::PERPLEXITY => Some(f64::exp),
        name if metric::is_share(name) => Some(|mean| mean),
        _ => None,
    }
}

/// The evaluations by key, and what is wrong with the others.
fn read<'a>(rows: &'a [Row], sources: Sources<'_>) -> (BTreeMap<&'a str, Evaluation>, Vec<String>) {
    let mut wanted: BTreeMap<&str, &Row> = BTreeMap::new();
    let has_records = |row: &&Row| statistic(row).is_some() && sources.homes.contains_key(&row.task);
    for row in rows.iter().filter(has_records) {
        wanted.entry(&row.stage_key_evaluate).or_insert(row);
    }
    let known = Known::default();
    let read: Vec<_> =
        wanted.into_par_iter().map(|(key, row)| (key, row, evaluation(row, sources.store, &known))).collect();
    let (mut found, mut without, mut problems) = (BTreeMap::new(), 0_usize, Vec::new());
    for (key, row, evaluation) in read {
        match evaluation {
            Ok(Some(evaluation)) => {
                found.insert(key, evaluation);
            }
            Ok(None) => without += 1,
            Err(problem) => problems.push(format!("{}, evaluated in {key}: {problem}", row.task)),
        }
    }
    if without > 0 {
        problems.push(format!(
            "{without} of {} evaluations have no records of their examples: an older engine made them",
            found.len() + problems.len() + without
        ));
    }
    (found, problems)
}

/// The lists of examples read so far. Those of all methods are held once, and known to be the same without comparing.
type Known = Mutex<BTreeSet<Arc<Examples>>>;

/// The examples behind a row; none if there are no records.
fn evaluation(row: &Row, store: &Store, known: &Known) -> Result<Option<Evaluation>, String> {
    let Ok(key) = row.stage_key_evaluate.parse() else { return Ok(None) };
    let scores = records::scores(&records::path(store, &key)).map_err(|error| error.to_string())?;
    let Some(Scores { examples, values }) = scores else { return Ok(None) };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let score = statistic(row).map_or(f64::NAN, |statistic| statistic(mean));
    // Summed in another order, so not to the last digit. What is no number equals nothing.
    if (score - row.value).abs() > 1e-9 * row.value.abs() || score.is_nan() != row.value.is_nan() {
        return Err(format!("its records make {score} where its {} is {}", row.metric, row.value));
    }
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let examples = match known.get(&examples) {
        Some(same) => Arc::clone(same),
        None => {
            let examples = Arc::new(examples);
            known.insert(Arc::clone(&examples));
            examples
        }
    };
    Ok(Some(Evaluation { examples, values }))
}
