//! From a data set's examples to token ids.

use super::session::{Item, Session};
use crate::Result;
use crate::data::TextTokenizer;
use crate::infer::Prompt;
use crate::stages::{Context, StageError};
use rayon::prelude::*;
use tacq_protocol::artifact::role;
use tacq_protocol::task::ExampleParams;
use tacq_protocol::units::NExamples;
use tacq_tasks::{Example, Inputs, Purpose};

/// The examples of a task, as text and as tokens, in the same order.
pub struct Prompts {
    pub examples: Vec<Example>,
    pub items: Vec<Item>,
    pub tokenizer: TextTokenizer,
}

/// Reads the data, makes the prompts of the examples that are wanted and tokenizes them.
pub fn load(
    params: &ExampleParams,
    choices: &[String],
    is_wanted: &dyn Fn(&Example) -> bool,
    limit: Option<NExamples>,
    context: &Context<'_>,
) -> Result<Prompts> {
    let model = context.input(role::MODEL)?;
    let inputs = inputs(params, context)?;
    let mut set = tacq_tasks::load(params, Purpose::Evaluation, choices, &inputs)?;
    set.examples.retain(is_wanted);
    let examples = tacq_tasks::limited(set.examples, limit);
    if examples.is_empty() {
        return Err(StageError::NoExamples { path: inputs.dataset[0].path.clone() }.into());
    }
    let tokenizer = TextTokenizer::open(model)?;
    let item = |example: &Example| {
        let ids = tokenizer.encode(&example.prompt, set.add_special_tokens)?;
        let (id, group, prompt) = (example.id.clone(), example.group.clone(), example.prompt.clone());
        Ok(Item { id, group, ids, prompt })
    };
    let items = examples.par_iter().map(item).collect::<Result<_>>()?;
    Ok(Prompts { examples, items, tokenizer })
}

/// The files that examples are made of.
pub fn inputs<'a>(params: &ExampleParams, context: &Context<'a>) -> Result<Inputs<'a>> {
    let wanted = |role: &'static str, is_needed: bool| match is_needed {
        true => context.data(role),
        false => Ok(context.optional_data(role)),
    };
    let n_shots = match params {
        ExampleParams::Mmlu { few_shot, .. } | ExampleParams::Gsm8k { few_shot } => few_shot.get(),
        ExampleParams::Custom(custom) => custom.few_shot.get(),
        ExampleParams::Spider => 0,
    };
    Ok(Inputs {
        dataset: context.data(role::DATASET)?,
        few_shot: wanted(role::FEW_SHOT, n_shots > 0)?,
        tables: wanted(role::TABLES, matches!(params, ExampleParams::Spider))?,
        model: context.input(role::MODEL)?,
    })
}

/// The prompts of some of a session's examples.
pub fn of(session: &Session, indices: &[usize]) -> Vec<Prompt> {
    let prompt = |&i: &usize| Prompt { index: i as u64, ids: session.items()[i].ids.clone() };
    indices.iter().map(prompt).collect()
}

/// Tokens of the longest prompt.
pub fn longest(prompts: &[Prompt]) -> i64 {
    prompts.iter().map(|prompt| prompt.ids.len() as i64).max().unwrap_or(0)
}

/// Token ids of each continuation of a prompt, as they come out when both are tokenized together.
pub fn continuations(tokenizer: &TextTokenizer, prompt: &str, texts: &[String]) -> Result<Vec<Vec<u32>>> {
    // Tokenizers split at line ends before they merge, so the last line decides.
    let line = &prompt[prompt.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1)..];
    let alone = tokenizer.encode(line, false)?;
    texts
        .iter()
        .map(|text| {
            let together = tokenizer.encode(&format!("{line}{text}"), false)?;
            match together.strip_prefix(alone.as_slice()) {
                Some(rest) if !rest.is_empty() => Ok(rest.to_vec()),
                // The prompt's last token would merge with the text: what the model is asked for is the text by itself.
                _ => tokenizer.encode(text, false),
            }
        })
        .collect()
}
