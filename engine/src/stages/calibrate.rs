//! `calibrate`: text and tokenizer → token sequences.

use super::Context;
use crate::Result;
use crate::data::{Sequences, TextTokenizer, text};
use tacq_protocol::artifact::role;
use tacq_protocol::stage::CalibrateParams;

/// Tokenizes the data set's text as one string and draws windows from it.
pub fn run(params: &CalibrateParams, context: &mut Context<'_>) -> Result<()> {
    let total = u64::from(params.n_samples.get());
    let path = context.input(role::DATASET)?;
    let tokenizer = TextTokenizer::open(context.input(role::MODEL)?)?;
    context.report(0, total, "sequences");
    let ids = tokenizer.encode(&text::read(path, params.format)?)?;
    Sequences::draw(&ids, params, path)?.write(context.output())?;
    context.report(total, total, "sequences");
    Ok(())
}
