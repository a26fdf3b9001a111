//! `calibrate`: data set and tokenizer → token sequences.

use super::Context;
use super::evaluate::prompts;
use crate::Result;
use crate::data::{Draw, Sequences, TextTokenizer};
use tacq_protocol::artifact::role;
use tacq_protocol::task::{CalibrateParams, CalibrationData, ExampleParams, TextFormat};
use tacq_tasks::text::{self, Text};
use tacq_tasks::{Purpose, order};

/// Tokenizes what the data set holds, as its own protocol wants it, and draws from it.
pub fn run(params: &CalibrateParams, context: &mut Context<'_>) -> Result<()> {
    let total = u64::from(params.n_samples.get());
    let tokenizer = TextTokenizer::open(context.input(role::MODEL)?)?;
    context.report(0, total, "sequences");
    let draw = Draw {
        n_samples: params.n_samples.get() as usize,
        seq_len: params.seq_len.get() as usize,
        sampling: params.draw,
        path: &context.data(role::DATASET)?[0].path,
    };
    let sequences = match &params.data {
        CalibrationData::Text { format } => of_text(*format, &draw, &tokenizer, context)?,
        CalibrationData::Examples { examples } => of_examples(examples, &draw, &tokenizer, context)?,
    };
    sequences.write(context.output())?;
    context.report(total, total, "sequences");
    Ok(())
}

/// Windows of a text, or of single documents where the format has them.
fn of_text(
    format: TextFormat,
    draw: &Draw<'_>,
    tokenizer: &TextTokenizer,
    context: &Context<'_>,
) -> Result<Sequences> {
    let encode = |text: &str| tokenizer.encode(text, true);
    match text::read(context.data(role::DATASET)?, format)? {
        Text::Documents(documents) => draw.documents(&documents, &encode),
        Text::Joined(text) => Ok(draw.windows(&encode(&text)?)?),
    }
}

/// Whole solved examples in the order drawn.
fn of_examples(
    params: &ExampleParams,
    draw: &Draw<'_>,
    tokenizer: &TextTokenizer,
    context: &Context<'_>,
) -> Result<Sequences> {
    let set = tacq_tasks::load(params, Purpose::Calibration, &[], &prompts::inputs(params, context)?)?;
    let order = order(set.examples.len(), draw.sampling);
    let texts = order.into_iter().map(|i| set.examples[i].calibration_text());
    draw.examples(texts, &|text| tokenizer.encode(text, set.add_special_tokens))
}
