//! What all tasks have in common: examples with their tokens, records that survive a kill, metrics at the end.

use super::records::Records;
use crate::stages::Context;
use crate::{Result, fsx};
use std::collections::BTreeMap;
use tacq_protocol::artifact::{Metrics, Record, file};
use tacq_protocol::stats;
use tacq_tasks::Verdict;

/// One example as the model sees it.
#[derive(Debug, Clone)]
pub struct Item {
    /// What the data set calls it.
    pub id: String,
    /// The part of the data set it belongs to; may be empty.
    pub group: String,
    /// Token ids of the prompt.
    pub ids: Vec<u32>,
    /// The prompt as text.
    pub prompt: String,
}

/// An evaluation under way.
pub struct Session {
    items: Vec<Item>,
    hashes: Vec<String>,
    records: Records,
    unit: &'static str,
}

/// What one example came to; the rest of its record is known before.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The text that was generated.
    pub output: String,
    /// The answer found in it, or the choice.
    pub prediction: String,
    /// The answer that was wanted.
    pub gold: String,
    /// Whether they are the same.
    pub correct: Option<bool>,
    /// What the metric is the mean of.
    pub value: f64,
    /// Log-probabilities of the choices.
    pub logprobs: Vec<f64>,
    /// Tokens generated or predicted.
    pub n_tokens: u64,
    /// Why an answer does not count.
    pub note: String,
}

impl Outcome {
    /// Right or wrong.
    pub fn judged(verdict: Verdict) -> Self {
        Self {
            prediction: verdict.prediction,
            gold: verdict.gold,
            correct: Some(verdict.correct),
            value: f64::from(u8::from(verdict.correct)),
            note: verdict.note,
            ..Self::default()
        }
    }
}

impl Session {
    /// Takes up the records of an earlier attempt.
    pub fn open(items: Vec<Item>, unit: &'static str, context: &mut Context<'_>) -> Result<Self> {
        let hashes: Vec<String> = items.iter().map(|item| hash(&item.ids)).collect();
        let records = Records::open(context.progress_to_write()?, &hashes)?;
        if records.len() > 0 {
            context.mark_resumed();
        }
        let session = Self { items, hashes, records, unit };
        session.report(context);
        Ok(session)
    }

    /// The examples.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Indices of the examples that have no record yet.
    pub fn missing(&self) -> Vec<usize> {
        (0..self.items.len()).filter(|i| !self.records.contains(*i)).collect()
    }

    /// Records a finished batch: indices of examples and what they came to.
    pub fn push(&mut self, batch: Vec<(usize, Outcome)>, context: &mut Context<'_>) -> Result<()> {
        let record = |(index, outcome): (usize, Outcome)| {
            let item = &self.items[index];
            Record {
                index: index as u64,
                id: item.id.clone(),
                group: item.group.clone(),
                prompt_hash: self.hashes[index].clone(),
                prompt: String::new(),
                output: outcome.output,
                prediction: outcome.prediction,
                gold: outcome.gold,
                correct: outcome.correct,
                value: outcome.value,
                logprobs: outcome.logprobs,
                n_tokens: outcome.n_tokens,
                note: outcome.note,
            }
        };
        let batch = batch.into_iter().map(record).collect();
        self.records.push(batch)?;
        self.report(context);
        if self.records.len() < self.items.len() {
            context.go_on()?;
        }
        Ok(())
    }

    fn report(&self, context: &mut Context<'_>) {
        context.report(self.records.len() as u64, self.items.len() as u64, self.unit);
    }

    /// Writes the artifact: all records, and the metric `name`, which is `of` the mean of the records' values.
    pub fn finish(self, name: &str, of: fn(f64) -> f64, context: &Context<'_>) -> Result<()> {
        let mut records = self.records.into_sorted();
        for record in &mut records {
            record.prompt.clone_from(&self.items[record.index as usize].prompt);
        }
        let table = tacq_tasks::records::write(&records)?;
        fsx::write_atomic(&context.output().join(file::RECORDS), &table)?;
        let values: Vec<f64> = records.iter().map(|record| record.value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let interval = stats::mean_interval(&values).map(|ends| (name.to_owned(), ends.map(of)));
        let metrics = Metrics {
            metrics: BTreeMap::from([(name.to_owned(), of(mean))]),
            n_examples: records.len() as u64,
            intervals: interval.into_iter().collect(),
        };
        Ok(fsx::write_json(&context.output().join(file::METRICS), &metrics)?)
    }
}

/// First 16 hexadecimal digits of the blake3 of the ids as little-endian u32.
fn hash(ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}
