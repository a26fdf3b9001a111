//! `evaluate`: model (or a checkpoint of it) and task → metrics and one record per example.

mod choice;
mod generate;
mod perplexity;
pub(super) mod prompts;
mod records;
mod session;

use super::{Context, StageError};
use crate::model::layout::weight_layout;
use crate::model::{Model, ModelConfig};
use crate::quant::checkpoint::Checkpoint;
use crate::{Result, device};
use std::rc::Rc;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::task::{EvaluateParams, TaskParams};
use tacq_protocol::units::DType;

/// Examples computed side by side where nobody says how many.
const DEFAULT_BATCH: usize = 32;

/// Runs the task.
pub fn run(params: &EvaluateParams, context: &mut Context<'_>) -> Result<()> {
    match &params.task {
        TaskParams::Perplexity { format, seq_len, n_windows } => {
            let task = perplexity::Task { format: *format, seq_len: *seq_len, n_windows: *n_windows };
            perplexity::run(&task, params, context)
        }
        TaskParams::MultipleChoice { examples, choices, limit } => {
            choice::run(&choice::Task { examples, choices, limit: *limit }, params, context)
        }
        TaskParams::Generate {
            examples,
            decoding,
            max_new_tokens,
            answer,
            skip_missing_databases,
            limit,
        } => {
            let task = generate::Task {
                examples,
                decoding: *decoding,
                max_new_tokens: *max_new_tokens,
                answer: answer.as_ref(),
                skip_missing_databases: *skip_missing_databases,
                limit: *limit,
            };
            generate::run(&task, params, context)
        }
    }
}

/// Examples computed side by side, at most: the stage's own number, where it can change a result, else the run's.
fn batch_size(params: &EvaluateParams, context: &Context<'_>) -> usize {
    let given = params.batch_size.or(context.request.run.batch_size);
    given.map_or(DEFAULT_BATCH, |size| size.get() as usize)
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
    if context.device.is_cuda() {
        // Two models may not fit.
        context.forget_models();
    }
    // Not kept for later: no other stage wants these weights.
    Ok(Rc::new(Model::load(folder, device::kind(dtype), context.device, Some(&checkpoint))?))
}
