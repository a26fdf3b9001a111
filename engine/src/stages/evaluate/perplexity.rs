//! Perplexity over consecutive windows of a text, as GPTQ's evaluation computes it.

use super::load_model;
use super::records::Records;
use crate::Result;
use crate::data::{DataError, TextTokenizer};
use crate::fsx;
use crate::stages::{Context, StageError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tacq_protocol::artifact::{Metrics, file, role};
use tacq_protocol::task::TextFormat;
use tacq_protocol::units::{DType, NWindows, SeqLen};
use tacq_tasks::text;
use tch::Tensor;

/// What is measured; see [`tacq_protocol::task::TaskParams::Perplexity`].
pub struct Task {
    /// How the file becomes a string.
    pub format: TextFormat,
    /// Tokens a window.
    pub seq_len: SeqLen,
    /// At most so many windows.
    pub n_windows: Option<NWindows>,
}

/// The record of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its index; it starts at token `window · seq_len`.
    window: u64,
    /// Mean cross-entropy of its predictions, in nats.
    nll: f64,
    /// Predictions: seq_len − 1.
    n_predictions: u64,
}

/// Scores window after window, each on its own, and writes records and metrics.
pub fn run(task: &Task, dtype: DType, context: &mut Context<'_>) -> Result<()> {
    let windows = windows(task, context)?;
    let total = windows.len() as u64;
    let mut records: Records<Window> = Records::open(context.progress())?;
    if !records.done().iter().enumerate().all(|(i, w)| w.window == i as u64)
        || records.done().len() > windows.len()
    {
        records.clear()?;
    }
    let done = records.done().len();
    if done > 0 {
        context.mark_resumed();
    }
    context.report(done as u64, total, "windows");
    if done < windows.len() {
        let model = load_model(dtype, context)?;
        let rope = context.rope(&model, i64::from(task.seq_len.get()))?;
        for (i, ids) in windows.iter().enumerate().skip(done) {
            let hidden = model.hidden(&Tensor::f_from_slice(ids)?.f_unsqueeze(0)?, &rope)?;
            let nll = model.head.mean_cross_entropy(&hidden.f_squeeze_dim(0)?, ids)?;
            if !nll.is_finite() {
                return Err(StageError::Nll { window: i, nll }.into());
            }
            let n_predictions = u64::from(task.seq_len.get()) - 1;
            records.push(Window { window: i as u64, nll, n_predictions })?;
            context.report(i as u64 + 1, total, "windows");
        }
    }
    records.write(context.output())?;
    let metrics = BTreeMap::from([("perplexity".to_owned(), perplexity(records.done()))]);
    Ok(fsx::write_json(
        &context.output().join(file::METRICS),
        &Metrics { metrics, n_examples: total, intervals: BTreeMap::new() },
    )?)
}

/// Token ids of the windows, seq_len each.
fn windows(task: &Task, context: &Context<'_>) -> Result<Vec<Vec<i64>>> {
    let files = context.data(role::DATASET)?;
    let path = &files[0].path;
    let tokenizer = TextTokenizer::open(context.input(role::MODEL)?)?;
    let ids = tokenizer.encode(&text::read(files, task.format)?.evaluated())?;
    let seq_len = task.seq_len.get() as usize;
    let fit = ids.len() / seq_len;
    if fit == 0 {
        let purpose = format!("one window of {seq_len} tokens");
        let (path, got, needed) = (path.to_owned(), ids.len(), seq_len as u64);
        return Err(DataError::TooShort { path, got, needed, purpose }.into());
    }
    let count = task.n_windows.map_or(fit, |n| fit.min(n.get() as usize));
    let window = |w: &[u32]| w.iter().map(|&id| i64::from(id)).collect();
    Ok(ids.chunks_exact(seq_len).take(count).map(window).collect())
}

/// exp(Σ nll · seq_len / (n · seq_len)): every window has the same length, so the lengths cancel.
fn perplexity(windows: &[Window]) -> f64 {
    (windows.iter().map(|w| w.nll).sum::<f64>() / windows.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexity_is_the_exponential_of_the_mean() {
        let window = |window, nll| Window { window, nll, n_predictions: 7 };
        let ppl = perplexity(&[window(0, 2_f64.ln()), window(1, 8_f64.ln())]);
        assert!((ppl - 4.0).abs() < 1e-12, "{ppl}");
    }
}
