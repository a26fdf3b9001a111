//! `evaluate`: model (or a checkpoint of it) and task → metrics and one record per example.

mod perplexity;
mod records;

use super::{Context, StageError};
use crate::model::layout::weight_layout;
use crate::model::{Model, ModelConfig};
use crate::quant::checkpoint::Checkpoint;
use crate::{Result, device};
use std::rc::Rc;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::task::{EvaluateParams, TaskParams};
use tacq_protocol::units::DType;

/// Runs the task.
pub fn run(params: &EvaluateParams, context: &mut Context<'_>) -> Result<()> {
    match &params.task {
        TaskParams::Perplexity { format, seq_len, n_windows } => {
            let task = perplexity::Task { format: *format, seq_len: *seq_len, n_windows: *n_windows };
            perplexity::run(&task, params.dtype, context)
        }
        TaskParams::MultipleChoice { .. } | TaskParams::Generate { .. } => {
            Err(StageError::NotAnEngineStage { kind: context.request.stage.kind() }.into())
        }
    }
}

/// The model to be scored: the base model, or with the linear weights of the checkpoint.
fn load_model(dtype: DType, context: &mut Context<'_>) -> Result<Rc<Model>> {
    let folder = context.input(role::MODEL)?;
    let Some(artifact) = context.optional_input(role::CHECKPOINT) else {
        return context.model(folder, dtype);
    };
    let checkpoint = Checkpoint::open(&artifact.join(file::CHECKPOINT))?;
    if *checkpoint.layout() != weight_layout(&ModelConfig::read(folder)?) {
        let (checkpoint, model) = (artifact.to_owned(), folder.to_owned());
        return Err(StageError::OtherModel { checkpoint, model }.into());
    }
    // Not kept for later: no other stage wants these weights.
    Ok(Rc::new(Model::load(folder, device::kind(dtype), context.device, Some(&checkpoint))?))
}
