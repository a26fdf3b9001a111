//! How likely continuations are.

use super::cache::Cache;
use super::kernel::floats;
use super::memory::Limit;
use super::packed::Packed;
use super::plan::{self, Sequence};
use super::runner::{Prefix, Runner};
use super::{InferError, Options, Prompt};
use crate::Result;
use crate::model::Model;
use rayon::prelude::*;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// A group of its own must save more than this many tokens.
const GROUP_OVERHEAD: usize = 128;

/// Scores that are wanted of one sequence: a prompt, or a prompt with a choice but the choice's last token.
struct Row {
    prompt: usize,
    ids: Vec<u32>,
    /// In order of position.
    wanted: Vec<Wanted>,
}

/// log p of a token after those up to a position.
#[derive(Clone, Copy)]
struct Wanted {
    position: usize,
    token: u32,
    choice: usize,
}

/// Scores of prompts of which some rows are still to come.
struct Pending {
    rows: usize,
    scores: Vec<f64>,
}

/// Σ log p of each choice's tokens after its prompt, in nats: `choices[i]` are those of `prompts[i]`. Results are
/// handed over batch by batch, each with its prompt's position, in an order of the engine's own.
///
/// Logits are f32; log-softmax and sums are f64. Choices of one token are all read from one row.
pub fn score(
    model: &Model,
    prompts: &[Prompt],
    choices: &[Vec<Vec<u32>>],
    options: &Options,
    on_batch: &mut dyn FnMut(Vec<(usize, Vec<f64>)>) -> Result<()>,
) -> Result<()> {
    assert_eq!(prompts.len(), choices.len(), "each prompt has its choices");
    let mut rows = Vec::new();
    let mut pending = Vec::new();
    for (i, (prompt, choices)) in prompts.iter().zip(choices).enumerate() {
        let before = rows.len();
        add_rows(i, prompt, choices, &mut rows)?;
        pending.push(Pending { rows: rows.len() - before, scores: vec![0.0; choices.len()] });
    }
    let longest = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
    let runner = Runner::new(model, longest)?;
    runner.check(rows.iter().flat_map(|row| row.ids.iter().chain(row.wanted.iter().map(|w| &w.token))))?;
    let sequences: Vec<_> = rows
        .iter()
        .map(|row| Sequence { ids: &row.ids, limit: row.wanted.first().map_or(0, |w| w.position) })
        .collect();
    let mut limit = Limit::new(options.batch_size);
    for group in plan::groups(&sequences, GROUP_OVERHEAD) {
        let prefix = runner.prefix(&group, &rows[group.members[0]].ids)?;
        let mut members = group.members.as_slice();
        while let Some(&first) = members.first() {
            // The longest come first.
            let own = rows[first].ids.len() - prefix.len;
            let fit = runner.rows_in(options.cache_bytes, prefix.len, own);
            let n = limit.get().min(fit).min(members.len());
            match score_rows(&runner, &prefix, &members[..n], &rows) {
                Ok(scores) => {
                    members = &members[n..];
                    let done = collect(&scores, &rows, &mut pending);
                    if !done.is_empty() {
                        on_batch(done)?;
                    }
                }
                Err(error) => limit.halve_after(error, n)?,
            }
        }
    }
    Ok(())
}

/// The rows of one prompt.
fn add_rows(
    prompt: usize,
    from: &Prompt,
    choices: &[Vec<u32>],
    rows: &mut Vec<Row>,
) -> Result<(), InferError> {
    let last = from.ids.len().checked_sub(1).ok_or(InferError::EmptyPrompt { prompt })?;
    let mut by_context: BTreeMap<&[u32], Vec<Wanted>> = BTreeMap::new();
    for (choice, tokens) in choices.iter().enumerate() {
        let (_, context) = tokens.split_last().ok_or(InferError::EmptyChoice { prompt, choice })?;
        let wanted = by_context.entry(context).or_default();
        wanted.extend(tokens.iter().enumerate().map(|(i, &token)| Wanted {
            position: last + i,
            token,
            choice,
        }));
    }
    for (context, mut wanted) in by_context {
        wanted.sort_by_key(|w| w.position);
        rows.push(Row { prompt, ids: [&from.ids, context].concat(), wanted });
    }
    Ok(())
}

/// log p of everything wanted of these rows, with row and choice.
fn score_rows(
    runner: &Runner<'_>,
    prefix: &Prefix,
    members: &[usize],
    rows: &[Row],
) -> Result<Vec<(usize, usize, f64)>> {
    let longest = members.iter().map(|&i| rows[i].ids.len() - prefix.len).max().unwrap_or(0);
    let mut cache = runner.cache(Some(prefix), members.len(), longest)?;
    let mut scores = Vec::new();
    let mut packed = Packed::default();
    let mut wanted = Vec::new();
    for (slot, &member) in members.iter().enumerate() {
        let row = &rows[member];
        let mut next = prefix.len;
        let mut to_come = row.wanted.as_slice();
        while next < row.ids.len() {
            let n = (row.ids.len() - next).min(runner.pass_tokens - packed.len());
            let here = to_come.iter().take_while(|w| w.position < next + n).count();
            wanted.extend(to_come[..here].iter().map(|w| (packed.len() + w.position - next, member, *w)));
            to_come = &to_come[here..];
            packed.push(slot, next - prefix.len, prefix.len, &row.ids[next..next + n]);
            next += n;
            if packed.len() == runner.pass_tokens {
                flush(runner, &mut cache, &mut packed, &mut wanted, rows, &mut scores)?;
            }
        }
    }
    if !packed.is_empty() {
        flush(runner, &mut cache, &mut packed, &mut wanted, rows, &mut scores)?;
    }
    Ok(scores)
}

/// Computes a pass and reads what is wanted of it.
fn flush(
    runner: &Runner<'_>,
    cache: &mut Cache,
    packed: &mut Packed,
    wanted: &mut Vec<(usize, usize, Wanted)>,
    rows: &[Row],
    scores: &mut Vec<(usize, usize, f64)>,
) -> Result<()> {
    let hidden = runner.hidden(cache, packed)?;
    for part in wanted.chunk_by(|a, b| a.0 == b.0).collect::<Vec<_>>().chunks(runner.logit_rows()) {
        let tokens: Vec<usize> = part.iter().map(|of_token| of_token[0].0).collect();
        let logits = runner.logits(&hidden, &tokens)?;
        let found =
            if logits.device() == Device::Cpu { on_host(&logits, part)? } else { on_device(&logits, part)? };
        let wanted = part.iter().copied().flatten();
        for (&(_, row, w), log_p) in wanted.zip(found) {
            let score = (row, w.choice, log_p);
            if !score.2.is_finite() {
                return Err(InferError::NotFinite { prompt: rows[score.0].prompt }.into());
            }
            scores.push(score);
        }
    }
    *packed = Packed::default();
    wanted.clear();
    Ok(())
}

/// log p of what is wanted of each token, in order, from its row of `logits` [n, vocab].
fn on_host(logits: &Tensor, part: &[&[(usize, usize, Wanted)]]) -> Result<Vec<f64>> {
    let logits = logits.f_contiguous()?;
    let vocab = logits.size()[1] as usize;
    let of_token = |(of_token, logits): (&&[(usize, usize, Wanted)], &[f32])| {
        let log_sum = log_sum_exp(logits);
        let read = |(_, _, w): &(usize, usize, Wanted)| f64::from(logits[w.token as usize]) - log_sum;
        of_token.iter().map(read).collect::<Vec<_>>()
    };
    let found: Vec<_> =
        part.par_iter().zip(floats::of(&logits).par_chunks_exact(vocab)).map(of_token).collect();
    Ok(found.concat())
}

/// [`on_host`] where the logits are, of which there are too many to bring them here.
fn on_device(logits: &Tensor, part: &[&[(usize, usize, Wanted)]]) -> Result<Vec<f64>> {
    let vocab = logits.size()[1];
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for (row, of_token) in part.iter().enumerate() {
        for (_, _, w) in *of_token {
            rows.push(row as i64);
            places.push(row as i64 * vocab + i64::from(w.token));
        }
    }
    let place = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(logits.device());
    let wide = logits.f_to_kind(Kind::Double)?;
    let log_sums = wide.f_logsumexp(-1, false)?.f_index_select(0, &place(&rows)?)?;
    let found = wide.f_reshape([-1])?.f_index_select(0, &place(&places)?)?.f_sub(&log_sums)?;
    Ok(Vec::try_from(found.f_to_device(Device::Cpu)?)?)
}

/// log Σ e^x in f64.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + logits.iter().map(|x| f64::from(x - max).exp()).sum::<f64>().ln()
}

/// Adds scores to their prompts; the prompts that are complete now.
fn collect(scores: &[(usize, usize, f64)], rows: &[Row], pending: &mut [Pending]) -> Vec<(usize, Vec<f64>)> {
    let mut done = Vec::new();
    for of_row in scores.chunk_by(|a, b| a.0 == b.0) {
        let prompt = rows[of_row[0].0].prompt;
        let waiting = &mut pending[prompt];
        for (_, choice, score) in of_row {
            waiting.scores[*choice] += score;
        }
        waiting.rows -= 1;
        if waiting.rows == 0 {
            done.push((prompt, std::mem::take(&mut waiting.scores)));
        }
    }
    done
}
