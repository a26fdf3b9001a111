//! `quantize`, `mixed_quantize`: model → packed checkpoint.
//!
//! Block by block. Each finished block's codes go to the progress folder as a checkpoint of its own, with the histograms
//! of its weights; the artifact is these parts, joined. An interrupted GPTQ passes the calibration set through the finished blocks, with the very
//! weights that their parts stand for, and continues.

mod budget;
mod layer;
mod parts;
mod pass;
mod search;
mod tables;

use super::{Context, StageError};
use crate::data::Sequences;
use crate::model::layout::weight_layout;
use crate::model::{Embedding, ModelConfig, Proj, Rope, Weights};
use crate::quant::awq::{Awq, AwqSettings};
use crate::quant::blockwise::{Blockwise, BlockwiseSettings, Rule};
use crate::quant::checkpoint::{Checkpoint, summarize};
use crate::quant::levels::{MixedSpec, TableSpec, TwoLevelSpec};
use crate::quant::pass::{Finished, Original};
use crate::quant::slim::SlimSettings;
use crate::quant::{
    MatrixMask, MatrixSpec, QuantizedMatrix, Scheme, Shape, round_to_nearest, weight_histogram,
};
use crate::saliency::Mask;
use crate::{Result, fsx};
use layer::Layers;
use parts::Parts;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::stage::{Order, QuantizeParams, RoundingParams};
use tacq_protocol::units::Threshold;
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
    let mut parts = Parts::new(context.progress_to_write()?.to_owned(), scheme, &layout);
    match (&params.rounding, scheme) {
        (RoundingParams::Rtn, Scheme::Grids(spec)) => {
            each_matrix(&layers, &parts, context, |HostMatrix { name, weights, shape, mask, .. }| {
                Ok(round_to_nearest(name, weights, *shape, spec, mask.clone())?)
            })?;
        }
        (&RoundingParams::Squeezellm { magnitude_ratio, fisher_ratio }, _) => {
            tables::run(params.bits, magnitude_ratio, fisher_ratio, &layers, &parts, context)?;
        }
        (
            &RoundingParams::Gptq { damp, block_size, true_sequential, order, static_groups },
            Scheme::Grids(spec),
        ) => {
            let block_size = block_size.get() as usize;
            let rule = Rule::Gptq { spec, static_groups };
            let settings = BlockwiseSettings { rule, damp, block_size, true_sequential, order };
            pass::run(blockwise(settings), params, &weights, &layers, &parts, context)?;
        }
        (
            &RoundingParams::Spqr {
                damp,
                block_size,
                true_sequential,
                order,
                outlier_threshold,
                avg_bits,
                ..
            },
            Scheme::TwoLevel(spec),
        ) => {
            let block_size = block_size.get() as usize;
            let quantize = |threshold: Threshold, parts: &Parts<'_>, context: &mut Context<'_>| {
                let rule = Rule::Spqr { spec, outlier_threshold: threshold.to_f64() };
                let settings = BlockwiseSettings { rule, damp, block_size, true_sequential, order };
                pass::run(blockwise(settings), params, &weights, &layers, parts, context)
            };
            match avg_bits {
                None => quantize(outlier_threshold, &parts, context)?,
                Some(avg_bits) => {
                    let wanted = budget::outliers(scheme, &layout, avg_bits)?;
                    parts = search::search(outlier_threshold, wanted, &parts, context, quantize)?;
                }
            }
        }
        (
            &RoundingParams::SlimLlm { damp, true_sequential, salience_weight, avg_bits },
            Scheme::Mixed(spec),
        ) => {
            let more = avg_bits.map(|avg_bits| budget::more_groups(spec, &layout, avg_bits));
            let layers = layers.with_more_groups(more.unwrap_or_default());
            let rule = Rule::Slim(SlimSettings { spec, salience_weight: salience_weight.to_f64() });
            // Groups are quantized one after the other.
            let (block_size, order) = (spec.group_size.get() as usize, Order::Natural);
            let settings = BlockwiseSettings { rule, damp, block_size, true_sequential, order };
            pass::run(blockwise(settings), params, &weights, &layers, &parts, context)?;
        }
        (&RoundingParams::Awq { clip }, Scheme::Grids(spec)) => {
            let settings = AwqSettings { spec, clip };
            let begin = |embedding: &Embedding, sequences: &Sequences, rope| {
                Awq::new(settings, embedding, sequences, rope)
            };
            pass::run(begin, params, &weights, &layers, &parts, context)?;
        }
        (
            RoundingParams::Rtn
            | RoundingParams::Awq { .. }
            | RoundingParams::Gptq { .. }
            | RoundingParams::Spqr { .. }
            | RoundingParams::SlimLlm { .. },
            _,
        ) => unreachable!("scheme() gives each its own"),
    }
    let path = context.output().join(file::CHECKPOINT);
    parts.join(&path)?;
    fsx::write_json(&context.output().join(file::WEIGHT_HISTOGRAMS), &parts.histograms()?)?;
    let summary = summarize(&Checkpoint::open(&path)?)?;
    Ok(fsx::write_json(&context.output().join(file::CHECKPOINT_SUMMARY), &summary)?)
}

/// Begins GPTQ or what is built on it.
fn blockwise(settings: BlockwiseSettings) -> impl FnOnce(&Embedding, &Sequences, Rope) -> Result<Blockwise> {
    move |embedding, sequences, rope| Blockwise::new(settings, embedding, sequences, rope)
}

/// What the codes will stand for.
fn scheme(params: &QuantizeParams, kind: StageKind) -> Result<Scheme, StageError> {
    let takes_mask = matches!(params.rounding, RoundingParams::Rtn | RoundingParams::Gptq { .. });
    if kind == StageKind::MixedQuantize && !takes_mask {
        return Err(StageError::NoMask { method: params.rounding.name() });
    }
    let group_size = || params.group_size.ok_or(StageError::MissingParameter { kind, name: "group_size" });
    Ok(match params.rounding {
        RoundingParams::Rtn | RoundingParams::Gptq { .. } | RoundingParams::Awq { .. } => {
            Scheme::Grids(MatrixSpec {
                bits: params.bits,
                group_size: params.group_size,
                grid: params.grid.ok_or(StageError::MissingParameter { kind, name: "grid" })?,
            })
        }
        RoundingParams::Spqr { stats_bits, .. } => {
            Scheme::TwoLevel(TwoLevelSpec { bits: params.bits, group_size: group_size()?, stats_bits })
        }
        RoundingParams::SlimLlm { .. } => {
            Scheme::Mixed(MixedSpec { bits: params.bits, group_size: group_size()? })
        }
        RoundingParams::Squeezellm { .. } => Scheme::Table(TableSpec { bits: params.bits }),
    })
}

/// A matrix that is quantized on its own.
struct HostMatrix {
    /// Its position in the model.
    nth: usize,
    name: String,
    /// Row-major.
    weights: Vec<f32>,
    shape: Shape,
    /// What of it stays in 16 bit.
    mask: MatrixMask,
}

/// Quantizes matrix by matrix, none of which depends on another: finished layers are simply skipped.
fn each_matrix(
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    context: &mut Context<'_>,
    quantize: impl Fn(&HostMatrix) -> Result<QuantizedMatrix>,
) -> Result<()> {
    for layer in 0..layers.len() {
        if parts.open(layer, context).is_some() {
            context.mark_resumed();
        } else {
            let mut finished: Vec<Finished> = Vec::new();
            for proj in Proj::ALL {
                let original = layers.original(layer, proj, Device::Cpu)?;
                let (weights, shape) = layers.host_copy(&original)?;
                let Original { name, mask, .. } = original;
                let nth = layer * Proj::ALL.len() + proj as usize;
                let of = HostMatrix { nth, name, weights, shape, mask };
                let matrix = quantize(&of)?;
                let histogram = weight_histogram(&of.name, &of.weights, &matrix.dequantize());
                finished.push(Finished { name: of.name, matrix, histogram });
            }
            parts.write(layer, finished)?;
        }
        context.report(layer as u64 + 1, layers.len() as u64, "layers");
        context.go_on()?;
    }
    Ok(())
}
