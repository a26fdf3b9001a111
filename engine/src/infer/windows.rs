//! Losses of windows of a text.

use super::memory::Limit;
use super::packed::Packed;
use super::runner::Runner;
use super::{InferError, Options};
use crate::Result;
use crate::model::Model;
use tch::{Device, Tensor};

/// Mean cross-entropy, in nats, of each window's predictions of its tokens but the first. Handed over batch by batch
/// in order, each with its window's position.
pub fn windows(
    model: &Model,
    windows: &[Vec<u32>],
    options: &Options,
    on_batch: &mut dyn FnMut(Vec<(usize, f64)>) -> Result<()>,
) -> Result<()> {
    let longest = windows.iter().map(Vec::len).max().unwrap_or(0);
    if let Some(prompt) = windows.iter().position(Vec::is_empty) {
        return Err(InferError::EmptyPrompt { prompt }.into());
    }
    let runner = Runner::new(model, longest)?;
    runner.check(windows.iter().flatten())?;
    // More side by side than fill a pass would only take memory.
    let fill = runner.pass_tokens.div_ceil(longest.max(1));
    let mut limit = Limit::new(options.batch_size.min(fill));
    let mut start = 0;
    while start < windows.len() {
        let n = limit.get().min(runner.rows_in(options.cache_bytes, 0, longest)).min(windows.len() - start);
        match losses(model, &runner, &windows[start..start + n]) {
            Ok(losses) => {
                if let Some(i) = losses.iter().position(|loss| !loss.is_finite()) {
                    return Err(InferError::NotFinite { prompt: start + i }.into());
                }
                on_batch(losses.into_iter().enumerate().map(|(i, loss)| (start + i, loss)).collect())?;
                start += n;
            }
            Err(error) => limit.halve_after(error, n)?,
        }
    }
    Ok(())
}

fn losses(model: &Model, runner: &Runner<'_>, windows: &[Vec<u32>]) -> Result<Vec<f64>> {
    let longest = windows.iter().map(Vec::len).max().unwrap_or(0);
    let mut cache = runner.cache(None, windows.len(), longest)?;
    // [tokens of all windows, hidden], pass by pass.
    let mut hidden: Vec<Tensor> = Vec::new();
    let mut packed = Packed::default();
    let mut pass = |packed: &mut Packed| -> Result<()> {
        let h = runner.hidden(&mut cache, packed)?.f_narrow(0, 0, packed.len() as i64)?;
        hidden.push(h);
        *packed = Packed::default();
        Ok(())
    };
    for (row, ids) in windows.iter().enumerate() {
        let mut next = 0;
        while next < ids.len() {
            let n = (ids.len() - next).min(runner.pass_tokens - packed.len());
            packed.push(row, next, 0, &ids[next..next + n]);
            next += n;
            if packed.len() == runner.pass_tokens {
                pass(&mut packed)?;
            }
        }
    }
    if !packed.is_empty() {
        pass(&mut packed)?;
    }
    let hidden = Tensor::f_cat(&hidden, 0)?;
    let mut start = 0;
    let mut losses = Vec::with_capacity(windows.len());
    for ids in windows {
        let targets: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let h = hidden.f_narrow(0, start, targets.len() as i64)?;
        losses.push(model.head.mean_cross_entropy(&h, &targets)?);
        start += targets.len() as i64;
    }
    Ok(Vec::try_from(Tensor::f_stack(&losses, 0)?.f_to_device(Device::Cpu)?)?)
}
