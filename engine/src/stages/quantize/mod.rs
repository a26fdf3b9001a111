//! `quantize`, `mixed_quantize`: model → packed checkpoint.
//!
//! Block by block. Each finished block's codes go to the progress folder as a checkpoint of its own; the artifact is
//! these parts, joined. An interrupted GPTQ passes the calibration set through the finished blocks, with the very
//! weights that their parts stand for, and continues.

mod layer;
mod parts;
mod tables;

use super::{Context, StageError};
use crate::data::Sequences;
use crate::model::layout::weight_layout;
use crate::model::{Block, Embedding, ModelConfig, Proj, Rope, Weights};
use crate::quant::blockwise::{Blockwise, BlockwiseSettings, Original, Rule};
use crate::quant::checkpoint::{Checkpoint, summarize};
use crate::quant::levels::{MixedSpec, TableSpec, TwoLevelSpec};
use crate::quant::slim::SlimSettings;
use crate::quant::{MatrixSpec, QuantizedMatrix, Scheme, round_to_nearest};
use crate::saliency::Mask;
use crate::{Result, fsx};
use layer::Layers;
use parts::Parts;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::stage::{Order, QuantizeParams, RoundingParams};
use tacq_protocol::{LogLevel, StageKind};
use tch::Device;

/// Quantizes every linear weight of the model, the masked ones excepted.
pub fn run(params: &QuantizeParams, context: &mut Context<'_>) -> Result<()> {
    if context.device.is_cuda() {
        // Blocks are loaded one by one; a model that an earlier stage left would only take memory.
        context.forget_models();
    }
    let kind = context.request.stage.kind();
    let folder = context.input(role::MODEL)?;
    let config = ModelConfig::read(folder)?;
    let weights = Weights::open(folder)?;
    let layout = weight_layout(&config);
    let mask = match kind {
        StageKind::MixedQuantize => Some(Mask::open(context.input(role::MASK)?, &layout)?),
        _ => None,
    };
    let layers = Layers::new(&config, &weights, mask.as_ref());
    let scheme = scheme(params, kind)?;
    let parts = Parts::new(context.progress_to_write()?, scheme, &layout);
    match (&params.rounding, scheme) {
        (RoundingParams::Rtn, Scheme::Grids(spec)) => {
            each_matrix(&layers, &parts, context, |original, _| {
                let (weights, shape) = layers.host_copy(&original)?;
                Ok(round_to_nearest(&original.name, &weights, shape, spec, original.mask)?)
            })?;
        }
        (&RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio }, _) => {
            tables::run(params.bits, magnitude_ratio, fisher_ratio, &layers, &parts, context)?;
        }
        (&RoundingParams::Gptq { damp, block_size, true_sequential, order }, Scheme::Grids(spec)) => {
            let block_size = block_size.get() as usize;
            let rule = Rule::Gptq(spec);
            let settings = BlockwiseSettings { rule, damp, block_size, true_sequential, order };
            pass_layers(settings, params, &weights, &layers, &parts, context)?;
        }
        (
            &RoundingParams::Spqr { damp, block_size, true_sequential, order, outlier_threshold, .. },
            Scheme::TwoLevel(spec),
        ) => {
            let block_size = block_size.get() as usize;
            let rule = Rule::Spqr { spec, outlier_threshold: outlier_threshold.to_f64() };
            let settings = BlockwiseSettings { rule, damp, block_size, true_sequential, order };
            pass_layers(settings, params, &weights, &layers, &parts, context)?;
        }
        (&RoundingParams::SlimLlm { damp, true_sequential, salience_weight }, Scheme::Mixed(spec)) => {
            let rule = Rule::Slim(SlimSettings { spec, salience_weight: salience_weight.to_f64() });
            // Groups are quantized one after the other.
            let (block_size, order) = (spec.group_size.get() as usize, Order::Natural);
            let settings = BlockwiseSettings { rule, damp, block_size, true_sequential, order };
            pass_layers(settings, params, &weights, &layers, &parts, context)?;
        }
        (
            RoundingParams::Rtn
            | RoundingParams::Gptq { .. }
            | RoundingParams::Spqr { .. }
            | RoundingParams::SlimLlm { .. },
            _,
        ) => unreachable!("scheme() gives each its own"),
    }
    let path = context.output().join(file::CHECKPOINT);
    parts.join(&path)?;
    let summary = summarize(&Checkpoint::open(&path)?)?;
    Ok(fsx::write_json(&context.output().join(file::CHECKPOINT_SUMMARY), &summary)?)
}

/// What the codes will stand for.
fn scheme(params: &QuantizeParams, kind: StageKind) -> Result<Scheme, StageError> {
    let group_size = || params.group_size.ok_or(StageError::MissingParameter { kind, name: "group_size" });
    Ok(match params.rounding {
        RoundingParams::Rtn | RoundingParams::Gptq { .. } => Scheme::Grids(MatrixSpec {
            bits: params.bits,
            group_size: params.group_size,
            grid: params.grid.ok_or(StageError::MissingParameter { kind, name: "grid" })?,
        }),
        RoundingParams::Spqr { stats_bits, .. } => {
            Scheme::TwoLevel(TwoLevelSpec { bits: params.bits, group_size: group_size()?, stats_bits })
        }
        RoundingParams::SlimLlm { .. } => {
            Scheme::Mixed(MixedSpec { bits: params.bits, group_size: group_size()? })
        }
        RoundingParams::Squeezellm { .. } => Scheme::Table(TableSpec { bits: params.bits }),
    })
}

/// Quantizes matrix by matrix, none of which depends on another: finished layers are simply skipped. `quantize` is told
/// the matrix's position in the model.
fn each_matrix(
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    context: &mut Context<'_>,
    quantize: impl Fn(Original, usize) -> Result<QuantizedMatrix>,
) -> Result<()> {
    for layer in 0..layers.len() {
        if parts.open(layer, context).is_some() {
            context.mark_resumed();
        } else {
            let mut matrices: Vec<(String, QuantizedMatrix)> = Vec::new();
            for proj in Proj::ALL {
                let original = layers.original(layer, proj, Device::Cpu)?;
                let name = original.name.clone();
                matrices.push((name, quantize(original, layer * Proj::ALL.len() + proj as usize)?));
            }
            parts.write(layer, &matrices)?;
        }
        context.report(layer as u64 + 1, layers.len() as u64, "layers");
        context.go_on()?;
    }
    Ok(())
}

/// A finished block: its index, and name and codes of each matrix.
type Finished = (usize, Vec<(String, QuantizedMatrix)>);

/// Runs GPTQ or what is built on it through the blocks; each is packed and written while the next one is computed.
fn pass_layers(
    settings: BlockwiseSettings,
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
    let mut blockwise = Blockwise::new(settings, &embedding, &sequences, rope)?;
    drop(embedding);
    // Layers of which the part is on disk.
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (finished, to_write) = mpsc::sync_channel::<Finished>(1);
        let writing = scope.spawn(|| -> Result<()> {
            for (layer, matrices) in to_write {
                parts.write(layer, &matrices)?;
                kept.store(layer + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        let computed = compute_layers(&mut blockwise, layers, parts, kind, (&finished, &kept), context);
        drop(finished);
        // A part that could not be written is why there were no more.
        writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(computed)
    })?;
    context.report(layers.len() as u64, layers.len() as u64, "layers");
    let (t, name) = (blockwise.timings(), params.rounding.name());
    let message = format!(
        "{name}: {:.1} s forward, {:.1} s Hessians, {:.1} s factors, {:.1} s bit widths, {:.1} s matrices",
        t.forward.as_secs_f64(),
        t.hessian.as_secs_f64(),
        t.factor.as_secs_f64(),
        t.allocation.as_secs_f64(),
        t.matrices.as_secs_f64()
    );
    context.log(LogLevel::Debug, message);
    Ok(())
}

fn compute_layers(
    blockwise: &mut Blockwise,
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
                let block = layers.block(layer, kind, device, Some(&part))?;
                blockwise.advance(&block)?;
            }
        } else {
            unbroken = false;
            let mut block: Block = layers.block(layer, kind, device, None)?;
            let original = |proj| layers.original(layer, proj, device);
            let matrices = blockwise.quantize(&mut block, &original, last)?;
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
