//! Perplexity over consecutive windows of a text, as GPTQ's evaluation computes it.

use super::session::{Item, Outcome, Session};
use super::{batch_size, load_model};
use crate::Result;
use crate::data::{DataError, TextTokenizer};
use crate::infer;
use crate::stages::{Context, StageError};
use tacq_protocol::artifact::{metric, role};
use tacq_protocol::task::{EvaluateParams, TextFormat};
use tacq_protocol::units::{NWindows, SeqLen};
use tacq_tasks::text;

/// Windows of C4 at most, as in `get_c4_new` of GPTQ's `datautils.py`.
const C4_WINDOWS: usize = 256;

/// What is measured; see [`tacq_protocol::task::TaskParams::Perplexity`].
pub struct Task {
    /// How the file becomes a string.
    pub format: TextFormat,
    /// Tokens a window.
    pub seq_len: SeqLen,
    /// At most so many windows.
    pub n_windows: Option<NWindows>,
}

/// Scores batches of windows and writes records and metrics.
pub fn run(task: &Task, params: &EvaluateParams, context: &mut Context<'_>) -> Result<()> {
    let items = windows(task, context)?;
    let mut session = Session::open(items, "windows", context)?;
    let missing = session.missing();
    if !missing.is_empty() {
        let model = load_model(params.dtype, context)?;
        context.look_at_length(&model.config, task.seq_len.get().into());
        let windows: Vec<Vec<u32>> = missing.iter().map(|&i| session.items()[i].ids.clone()).collect();
        let options = infer::Options { batch_size: batch_size(params, context), ..infer::Options::default() };
        let n_tokens = u64::from(task.seq_len.get()) - 1;
        infer::windows(&model, &windows, &options, &mut |batch| {
            let mut outcomes = Vec::with_capacity(batch.len());
            for (at, nll) in batch {
                if !nll.is_finite() {
                    return Err(StageError::Nll { window: missing[at], nll }.into());
                }
                outcomes.push((missing[at], Outcome { value: nll, n_tokens, ..Outcome::default() }));
            }
            session.push(outcomes, context)
        })?;
    }
    // exp(Σ nll · seq_len / (n · seq_len)): every window has the same length, so the lengths cancel.
    session.finish(metric::PERPLEXITY, f64::exp, context)
}

/// The windows, seq_len tokens each.
fn windows(task: &Task, context: &Context<'_>) -> Result<Vec<Item>> {
    let files = context.data(role::DATASET)?;
    let tokenizer = TextTokenizer::open(context.input(role::MODEL)?)?;
    let ids = tokenizer.encode(&text::read(files, task.format)?.evaluated(), true)?;
    let seq_len = task.seq_len.get() as usize;
    let fit = ids.len() / seq_len;
    if fit == 0 {
        let purpose = format!("one window of {seq_len} tokens");
        let (path, got, needed) = (files[0].path.clone(), ids.len(), seq_len as u64);
        return Err(DataError::TooShort { path, got, needed, purpose }.into());
    }
    let most = if task.format == TextFormat::C4 { C4_WINDOWS } else { usize::MAX };
    let count = task.n_windows.map_or(fit, |n| fit.min(n.get() as usize)).min(most);
    ids.chunks_exact(seq_len)
        .take(count)
        .enumerate()
        .map(|(index, ids)| {
            let prompt = tokenizer.decode(ids)?;
            Ok(Item { id: index.to_string(), group: String::new(), ids: ids.to_vec(), prompt })
        })
        .collect()
}
