//! `quantize`, `mixed_quantize`: model → packed checkpoint.
//!
//! Block by block. Each finished block's codes go to the progress folder as a checkpoint of its own; the artifact is
//! these parts, joined. An interrupted GPTQ passes the calibration set through the finished blocks, with the very
//! weights that their parts stand for, and continues.

mod layer;
mod parts;

use super::{Context, StageError};
use crate::data::Sequences;
use crate::model::layout::weight_layout;
use crate::model::{Block, Embedding, ModelConfig, Proj, Rope, Weights};
use crate::quant::blockwise::{Blockwise, GptqSettings};
use crate::quant::checkpoint::{Checkpoint, summarize};
use crate::quant::{MatrixSpec, QuantizedMatrix, round_to_nearest};
use crate::saliency::Mask;
use crate::{Result, fsx};
use layer::Layers;
use parts::Parts;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::stage::{QuantizeParams, RoundingParams};
use tacq_protocol::{LogLevel, StageKind};

/// Quantizes every linear weight of the model, the masked ones excepted.
pub fn run(params: &QuantizeParams, context: &mut Context<'_>) -> Result<()> {
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
    let spec = MatrixSpec { bits: params.bits, group_size: params.group_size, grid: params.grid };
    let parts = Parts::new(context.progress_to_write()?, spec, &layout);
    match params.rounding {
        RoundingParams::Rtn => round_layers(spec, &layers, &parts, context)?,
        RoundingParams::Gptq { damp, block_size, true_sequential } => {
            let dtype = params.dtype.ok_or(StageError::MissingParameter { kind, name: "dtype" })?;
            let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
            let block_size = block_size.get() as usize;
            let settings = GptqSettings { spec, damp, block_size, true_sequential };
            let rope = Rope::new(&config, sequences.longest() as i64, context.kind(dtype), context.device)?;
            let embedding = Embedding::load(&weights, &config, context.kind(dtype), context.device)?;
            let blockwise = Blockwise::new(settings, &embedding, &sequences, rope)?;
            let kind = embedding.weight.kind();
            drop(embedding);
            pass_layers(blockwise, &layers, &parts, kind, context)?;
        }
    }
    let path = context.output().join(file::CHECKPOINT);
    parts.join(&path)?;
    let summary = summarize(&Checkpoint::open(&path)?);
    Ok(fsx::write_json(&context.output().join(file::CHECKPOINT_SUMMARY), &summary)?)
}

/// Rounds to nearest: no forward passes, finished layers are simply skipped.
fn round_layers(
    spec: MatrixSpec,
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    context: &mut Context<'_>,
) -> Result<()> {
    for layer in 0..layers.len() {
        if parts.open(layer, context).is_some() {
            context.mark_resumed();
        } else {
            let mut matrices: Vec<(String, QuantizedMatrix)> = Vec::new();
            for proj in Proj::ALL {
                let original = layers.original(layer, proj)?;
                let (weights, shape) = layers.host_copy(&original)?;
                let matrix = round_to_nearest(&original.name, &weights, shape, spec, original.mask)?;
                matrices.push((original.name, matrix));
            }
            parts.write(layer, &matrices)?;
        }
        context.report(layer as u64 + 1, layers.len() as u64, "layers");
        context.go_on()?;
    }
    Ok(())
}

/// Runs GPTQ through the blocks.
fn pass_layers(
    mut blockwise: Blockwise,
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    kind: tch::Kind,
    context: &mut Context<'_>,
) -> Result<()> {
    let count = layers.len();
    // A part behind a missing one was made with other weights before it; only the unbroken run counts.
    let mut unbroken = true;
    for layer in 0..count {
        let last = layer + 1 == count;
        let part = if unbroken { parts.open(layer, context) } else { None };
        if let Some(part) = part {
            context.mark_resumed();
            if !last {
                let block = layers.block(layer, kind, context.device, Some(&part))?;
                blockwise.advance(&block)?;
            }
        } else {
            unbroken = false;
            let mut block: Block = layers.block(layer, kind, context.device, None)?;
            let matrices = blockwise.quantize(&mut block, &|proj| layers.original(layer, proj), last)?;
            parts.write(layer, &matrices)?;
        }
        context.report(layer as u64 + 1, count as u64, "layers");
        context.go_on()?;
    }
    let t = blockwise.timings();
    let message = format!(
        "gptq: {:.1} s forward, {:.1} s Hessians, {:.1} s factors, {:.1} s matrices",
        t.forward.as_secs_f64(),
        t.hessian.as_secs_f64(),
        t.factor.as_secs_f64(),
        t.matrices.as_secs_f64()
    );
    context.log(LogLevel::Debug, message);
    Ok(())
}
