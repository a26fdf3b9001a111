//! The stages: the only code that reads input folders and writes output folders.
//!
//! A stage is a function *(parameters, [`Context`])*. It writes each file of its artifact whole and flushed
//! ([`crate::fsx`]), keeps what it needs to resume in the progress folder, and must end with the same bytes
//! whether it was interrupted or not.

mod calibrate;
mod command;
mod context;
mod error;
mod evaluate;
mod gradients;
mod quantize;
mod saliency;
mod select;

pub use command::CommandError;
pub use context::{Context, Sink};
pub use error::StageError;

use crate::Result;
use tacq_protocol::StageParams;
use tacq_protocol::units::DType;

/// Runs the request's stage; on success the artifact is complete and flushed to disk.
pub fn run(context: &mut Context<'_>) -> Result<()> {
    // Gradients are differentiated by hand, so libtorch never needs to record a graph.
    let _no_grad = tch::no_grad_guard();
    let request = context.request;
    crate::device::allow_tf32(request.stage.dtype() == Some(DType::Tf32));
    match &request.stage {
        StageParams::Calibrate(params) => calibrate::run(params, context),
        StageParams::Quantize(params) | StageParams::MixedQuantize(params) => quantize::run(params, context),
        StageParams::Saliency(params) => saliency::run(params, context),
        StageParams::Select(params) => select::run(params, context),
        StageParams::Gradients(params) => gradients::run(params, context),
        StageParams::Evaluate(params) => evaluate::run(params, context),
        StageParams::Command(params) => command::run(params, context),
        StageParams::Download(_) => Err(StageError::NotAnEngineStage { kind: request.stage.kind() }.into()),
    }?;
    Ok(crate::fsx::sync_dir(&request.output)?)
}
