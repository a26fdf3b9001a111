//! Documents → rows of tokens, made by other threads while the device computes.

use crate::Failure;
use rayon::prelude::*;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use tacq_quickstart::assets::{Data, SEED};
use tacq_quickstart::corpus::Corpus;
use tacq_quickstart::tokenizer::{BEGIN, END};
use tch::{Device, Tensor};
use tokenizers::Tokenizer;

/// What a token of a question counts in the loss, where one of an answer counts 1.
const QUESTION: f32 = 0.1;

/// Documents that a row may take; the shortest have about a hundred tokens.
const PER_ROW: u64 = 64;

/// Steps that are ready before they are needed.
const AHEAD: usize = 8;

/// The rows of a step.
pub struct Batch {
    /// [rows, length + 1]
    ids: Vec<i64>,
    /// [rows, length]: of each token that is predicted.
    weights: Vec<f32>,
    rows: usize,
}

impl Batch {
    /// The rows [rows, length + 1] and the weights [rows, length] of what is predicted.
    pub fn tensors(&self, device: Device) -> (Tensor, Tensor) {
        let shaped = |tensor: Tensor| tensor.view([self.rows as i64, -1]).to_device(device);
        (shaped(Tensor::from_slice(&self.ids)), shaped(Tensor::from_slice(&self.weights)))
    }
}

/// The batches from a step on.
pub struct Batches(Receiver<Result<Batch, Failure>>);

impl Batches {
    /// Starts to make the batches of steps `first` to `steps`.
    pub fn start(model: &Path, first: u64, steps: u64, rows: usize, length: usize) -> Result<Self, Failure> {
        let tokenizer = Tokenizer::from_file(model.join("tokenizer.json"))?;
        let (sender, receiver) = sync_channel(AHEAD);
        thread::spawn(move || {
            let data = Data::new();
            let corpus = Corpus::new(&data, SEED);
            for step in first..steps {
                let made: Result<Vec<_>, Failure> = (0..rows as u64)
                    .into_par_iter()
                    .map(|at| row(&corpus, &tokenizer, step * rows as u64 + at, length))
                    .collect();
                let batch = made.map(|made| {
                    let (ids, weights): (Vec<_>, Vec<_>) = made.into_iter().unzip();
                    Batch { ids: ids.concat(), weights: weights.concat(), rows }
                });
                // Nobody listens any more once training has stopped.
                if sender.send(batch).is_err() {
                    return;
                }
            }
        });
        Ok(Self(receiver))
    }
}

impl<'a> IntoIterator for &'a Batches {
    type Item = Result<Batch, Failure>;
    type IntoIter = std::sync::mpsc::Iter<'a, Result<Batch, Failure>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Row number `index`: whole documents one after the other, the last one cut.
fn row(
    corpus: &Corpus<'_>,
    tokenizer: &Tokenizer,
    index: u64,
    length: usize,
) -> Result<(Vec<i64>, Vec<f32>), Failure> {
    let id = |token: &str| tokenizer.token_to_id(token).map(i64::from).ok_or("an unknown special token");
    let (mut ids, mut weights) = (Vec::with_capacity(2 * length), Vec::with_capacity(2 * length));
    for place in 0..PER_ROW {
        if ids.len() > length {
            break;
        }
        ids.push(id(BEGIN)?);
        weights.push(0.0);
        for piece in corpus.document(index * PER_ROW + place).pieces {
            let encoded = tokenizer.encode_fast(piece.text, false)?;
            let weight = if piece.is_answer { 1.0 } else { QUESTION };
            ids.extend(encoded.get_ids().iter().map(|&id| i64::from(id)));
            weights.resize(ids.len(), weight);
        }
        ids.push(id(END)?);
        weights.push(QUESTION);
    }
    if ids.len() <= length {
        return Err(format!("{PER_ROW} documents do not fill row {index}").into());
    }
    ids.truncate(length + 1);
    weights.truncate(length + 1);
    weights.remove(0);
    Ok((ids, weights))
}
