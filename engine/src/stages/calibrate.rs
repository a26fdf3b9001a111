//! `calibrate`: text and tokenizer → token sequences.

use super::Context;
use super::StageError;
use crate::Result;
use crate::data::{Sequences, TextTokenizer};
use tacq_protocol::artifact::role;
use tacq_protocol::task::{CalibrateParams, CalibrationData};
use tacq_tasks::text;

/// Tokenizes the data set's text as one string and draws windows from it.
pub fn run(params: &CalibrateParams, context: &mut Context<'_>) -> Result<()> {
    let total = u64::from(params.n_samples.get());
    let CalibrationData::Text { format } = params.data else {
        return Err(StageError::NotAnEngineStage { kind: context.request.stage.kind() }.into());
    };
    let files = context.data(role::DATASET)?;
    let path = &files[0].path;
    let tokenizer = TextTokenizer::open(context.input(role::MODEL)?)?;
    context.report(0, total, "sequences");
    let ids = tokenizer.encode(&text::read(files, format)?.evaluated())?;
    Sequences::draw(&ids, params, path)?.write(context.output())?;
    context.report(total, total, "sequences");
    Ok(())
}
