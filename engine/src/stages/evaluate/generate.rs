//! Generated answers: word problems, queries, custom exact match.

use super::prompts::{self, Prompts};
use super::session::{Outcome, Session};
use super::{batch_size, load_model};
use crate::Result;
use crate::data::{GrowingText, end_tokens};
use crate::infer::{self, Generation};
use crate::stages::Context;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tacq_protocol::artifact::{metric, role};
use tacq_protocol::task::{AnswerParams, Decoding, EvaluateParams, ExampleParams};
use tacq_protocol::units::{MaxNewTokens, NExamples};
use tacq_tasks::{Example, Judge};

/// What is asked; see [`tacq_protocol::task::TaskParams::Generate`].
pub struct Task<'a> {
    /// How questions become prompts.
    pub examples: &'a ExampleParams,
    /// How tokens are chosen.
    pub decoding: Decoding,
    /// Tokens after which generation ends.
    pub max_new_tokens: MaxNewTokens,
    /// How a custom task's answer is found.
    pub answer: Option<&'a AnswerParams>,
    /// Whether Spider's questions on databases that are not there are left out.
    pub skip_missing_databases: bool,
    /// Examples scored.
    pub limit: Option<NExamples>,
}

/// Generates batches of answers, judges them, and writes records and metrics.
pub fn run(task: &Task<'_>, params: &EvaluateParams, context: &mut Context<'_>) -> Result<()> {
    let databases = context.optional_data(role::DATABASES);
    let judge = Judge::new(task.examples, task.answer, databases)?;
    let is_there = |example: &Example| !task.skip_missing_databases || judge.can_judge(example);
    let Prompts { examples, items, tokenizer } =
        prompts::load(task.examples, &[], &is_there, task.limit, context)?;
    let mut session = Session::open(items, "questions", context)?;
    let missing = session.missing();
    if !missing.is_empty() {
        let model = load_model(params.dtype, context)?;
        let asked = prompts::of(&session, &missing);
        let longest = prompts::longest(&asked) + i64::from(task.max_new_tokens.get());
        context.look_at_length(&model.config, longest);
        let options = infer::Options { batch_size: batch_size(params, context), ..infer::Options::default() };
        let generation = Generation {
            decoding: task.decoding,
            max_new_tokens: task.max_new_tokens.get() as usize,
            eos: end_tokens(context.input(role::MODEL)?)?,
        };
        // A text that cannot be decoded runs to its end; the failure is told when it is judged.
        let texts: RefCell<BTreeMap<usize, GrowingText<'_>>> = RefCell::default();
        let is_final = |prompt: usize, ids: &[u32]| {
            let mut texts = texts.borrow_mut();
            if ids.len() == 1 {
                // The first token, perhaps of a second try.
                texts.remove(&prompt);
            }
            let text = texts.entry(prompt).or_insert_with(|| tokenizer.growing());
            text.grow(ids).is_some_and(|text| judge.is_final(text))
        };
        infer::generate(&model, &asked, &generation, &options, &is_final, &mut |batch| {
            let mut outcomes = Vec::with_capacity(batch.len());
            for (at, generated) in batch {
                texts.borrow_mut().remove(&at);
                let text = tokenizer.decode(&generated.ids)?;
                let output = judge.cut(&text);
                let verdict = judge.judge(&examples[missing[at]], output)?;
                let (output, n_tokens) = (output.to_owned(), generated.ids.len() as u64);
                let outcome = Outcome { output, n_tokens, ..Outcome::judged(verdict) };
                outcomes.push((missing[at], outcome));
            }
            session.push(outcomes, context)
        })?;
    }
    let name = match task.examples {
        ExampleParams::Spider => metric::EXECUTION_ACCURACY,
        _ => metric::EXACT_MATCH,
    };
    session.finish(name, |mean| mean, context)
}
