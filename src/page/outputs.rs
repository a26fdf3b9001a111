//! Answers of all methods to the same examples, side by side.

use super::Source;
use super::error::PageError;
use super::names::Named;
use crate::report::records;
use rayon::prelude::*;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeMap;
use tacq_protocol::artifact::Record;

/// Examples of each task and model.
const EXAMPLES: usize = 6;
/// Characters of a prompt's end that are shown, and of an output.
const SHOWN: usize = 1200;

/// One task on one model.
#[derive(Debug, Serialize)]
pub(super) struct OfTask {
    pub model: String,
    pub task: String,
    /// Examples that the methods do not all answer alike come first.
    pub examples: Vec<Example>,
}

/// One example.
#[derive(Debug, Serialize)]
pub(super) struct Example {
    pub id: String,
    /// The end of it.
    pub prompt: String,
    pub gold: String,
    pub answers: Vec<Answer>,
}

/// What one method answers.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub name: String,
    pub is_correct: bool,
    pub prediction: String,
    /// The text, in pieces; nothing where a choice is made, not a text written.
    pub pieces: Vec<Piece>,
}

/// Words of an output.
#[derive(Debug, Serialize)]
pub(super) struct Piece {
    pub text: String,
    /// Whether the first method with an answer, the 16-bit model where it is there, does not say it here.
    pub is_other: bool,
}

/// Reads the records of every task that has right and wrong answers.
pub(super) fn collect(source: Source<'_>, trials: &[Named<'_>]) -> Result<Vec<OfTask>, PageError> {
    let mut wanted: BTreeMap<(&str, &str), Vec<(&Named<'_>, _)>> = BTreeMap::new();
    for trial in trials {
        for (task, id) in &trial.planned.evaluations {
            if let Some(key) = source.plan.stages[*id].key() {
                wanted
                    .entry((&trial.model, task))
                    .or_default()
                    .push((trial, records::path(source.store, key)));
            }
        }
    }
    let mut found = Vec::new();
    for ((model, task), paths) in wanted {
        let read: Vec<Option<Vec<Record>>> =
            paths.par_iter().map(|(_, path)| records::records(path)).collect::<Result<_, _>>()?;
        let mut answers: Vec<(&Named<'_>, Vec<Record>)> = paths
            .iter()
            .zip(read)
            .filter_map(|((trial, _), read)| Some((*trial, read?)))
            .filter(|(_, records)| records.iter().any(|record| record.correct.is_some()))
            .collect();
        answers.sort_by_key(|(trial, _)| !trial.is_baseline);
        let examples = examples(&answers);
        if !examples.is_empty() {
            found.push(OfTask { model: model.to_owned(), task: task.to_owned(), examples });
        }
    }
    Ok(found)
}

fn examples(answers: &[(&Named<'_>, Vec<Record>)]) -> Vec<Example> {
    let Some((_, first)) = answers.first() else { return Vec::new() };
    let answers: Vec<_> = answers
        .iter()
        .filter(|(_, records)| {
            records.len() == first.len()
                && records.iter().zip(first).all(|(a, b)| a.prompt_hash == b.prompt_hash)
        })
        .collect();
    let is_divided = |i: &usize| {
        let right = answers.iter().filter(|(_, records)| records[*i].correct == Some(true)).count();
        right > 0 && right < answers.len()
    };
    let (divided, alike): (Vec<usize>, Vec<usize>) = (0..first.len()).partition(is_divided);
    let example = |i: usize| {
        let of = &first[i];
        let answers = answers.iter().map(|(trial, records)| answer(&trial.name, &records[i], of)).collect();
        Example { id: of.id.clone(), prompt: end_of(&of.prompt), gold: of.gold.clone(), answers }
    };
    spread(divided).chain(alike).take(EXAMPLES).map(example).collect()
}

/// As many as are shown, from the whole data set and not only from its beginning; then the others.
fn spread(found: Vec<usize>) -> impl Iterator<Item = usize> {
    let step = (found.len() / EXAMPLES).max(1);
    found.into_iter().step_by(step)
}

fn answer(name: &str, record: &Record, first: &Record) -> Answer {
    let shown = |record: &Record| record.output.trim().chars().take(SHOWN).collect::<String>();
    let (reference, output) = (shown(first), shown(record));
    let mut pieces: Vec<Piece> = Vec::new();
    for change in TextDiff::from_words(&reference, &output).iter_all_changes() {
        let is_other = match change.tag() {
            ChangeTag::Delete => continue,
            ChangeTag::Insert => true,
            ChangeTag::Equal => false,
        };
        match pieces.last_mut().filter(|last| last.is_other == is_other) {
            Some(last) => last.text.push_str(change.value()),
            None => pieces.push(Piece { text: change.value().to_owned(), is_other }),
        }
    }
    Answer {
        name: name.to_owned(),
        is_correct: record.correct == Some(true),
        prediction: record.prediction.clone(),
        pieces,
    }
}

/// The question itself stands at the end, after the solved examples.
fn end_of(prompt: &str) -> String {
    let n = prompt.chars().count();
    let end: String = prompt.chars().skip(n.saturating_sub(SHOWN)).collect();
    let question = end.rfind("\n\n").filter(|at| !end[*at..].trim().is_empty());
    question.map_or(end.as_str(), |at| &end[at..]).trim().to_owned()
}
