//! Methods that pass a calibration set through the model.

use super::StageError;
use super::layer::Layers;
use super::parts::Parts;
use crate::Result;
use crate::data::Sequences;
use crate::model::{Block, Embedding, LinearSource, Rope, Weights};
use crate::quant::pass::{self, BlockPass};
use crate::stages::Context;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::QuantizeParams;

/// A finished block: its index and its matrices.
type Finished = (usize, Vec<pass::Finished>);

/// Runs a method through the blocks; each is packed and written while the next one is computed.
pub fn run<P: BlockPass>(
    begin: impl FnOnce(&Embedding, &Sequences, Rope) -> Result<P>,
    params: &QuantizeParams,
    weights: &Weights,
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    context: &mut Context<'_>,
) -> Result<()> {
    let kind = context.request.stage.kind();
    let kind = context.kind(params.dtype.ok_or(StageError::MissingParameter { kind, name: "dtype" })?);
    let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
    let rope = Rope::new(layers.config(), sequences.longest() as i64, kind, context.device)?;
    let embedding = Embedding::load(weights, layers.config(), kind, context.device)?;
    let mut pass = begin(&embedding, &sequences, rope)?;
    drop(embedding);
    // Layers of which the part is on disk.
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (finished, to_write) = mpsc::sync_channel::<Finished>(1);
        let writing = scope.spawn(|| -> Result<()> {
            for (layer, matrices) in to_write {
                parts.write(layer, matrices)?;
                kept.store(layer + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        let computed = compute_layers(&mut pass, layers, parts, kind, (&finished, &kept), context);
        drop(finished);
        // A part that could not be written is why there were no more.
        writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(computed)
    })?;
    context.report(layers.len() as u64, layers.len() as u64, "layers");
    let message = format!("{}: {}", params.rounding.name(), pass.timings());
    context.log(LogLevel::Debug, message);
    Ok(())
}

fn compute_layers(
    pass: &mut impl BlockPass,
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    kind: tch::Kind,
    (finished, kept): (&mpsc::SyncSender<Finished>, &AtomicUsize),
    context: &mut Context<'_>,
) -> Result<()> {
    let (count, device) = (layers.len(), context.device);
    // A part behind a missing one was made with other weights before it; only the unbroken run counts.
    let mut unbroken = true;
    for layer in 0..count {
        let last = layer + 1 == count;
        let part = if unbroken { parts.open(layer, context) } else { None };
        if let Some(part) = part {
            context.mark_resumed();
            kept.store(layer + 1, Ordering::Relaxed);
            if !last {
                let source = pass.sees_quantized().then_some(&part as &dyn LinearSource);
                let block = layers.block(layer, kind, device, source)?;
                pass.advance(&block)?;
            }
        } else {
            unbroken = false;
            let mut block: Block = layers.block(layer, kind, device, None)?;
            let original = |proj| layers.original(layer, proj, device);
            let matrices = pass.quantize(&mut block, &original, last)?;
            if finished.send((layer, matrices)).is_err() {
                // Whoever writes them has failed, and says why.
                return Ok(());
            }
        }
        // What is told is kept: a kill does not lose it.
        context.report(kept.load(Ordering::Relaxed) as u64, count as u64, "layers");
        context.go_on()?;
    }
    Ok(())
}
