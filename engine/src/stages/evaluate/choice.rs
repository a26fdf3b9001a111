//! Multiple choice: which of the choices' texts is the most likely continuation of the prompt.

use super::prompts::{self, Prompts};
use super::session::{Outcome, Session};
use super::{batch_size, load_model};
use crate::Result;
use crate::infer;
use crate::stages::Context;
use tacq_protocol::artifact::metric;
use tacq_protocol::task::{EvaluateParams, ExampleParams};
use tacq_protocol::units::NExamples;
use tacq_tasks::Verdict;

/// What is asked; see [`tacq_protocol::task::TaskParams::MultipleChoice`].
pub struct Task<'a> {
    /// How questions become prompts.
    pub examples: &'a ExampleParams,
    /// Templates of custom examples' choices.
    pub choices: &'a [String],
    /// Examples scored.
    pub limit: Option<NExamples>,
}

/// Scores batches of questions and writes records and metrics.
pub fn run(task: &Task<'_>, params: &EvaluateParams, context: &mut Context<'_>) -> Result<()> {
    let Prompts { examples, items, tokenizer } =
        prompts::load(task.examples, task.choices, &|_| true, task.limit, context)?;
    let mut session = Session::open(items, "questions", context)?;
    let missing = session.missing();
    if !missing.is_empty() {
        let model = load_model(params.dtype, context)?;
        let choices = missing
            .iter()
            .map(|&i| prompts::continuations(&tokenizer, &examples[i].prompt, &examples[i].choices))
            .collect::<Result<Vec<_>>>()?;
        let asked = prompts::of(&session, &missing);
        context.look_at_length(&model.config, prompts::longest(&asked));
        let options = infer::Options { batch_size: batch_size(params, context), ..infer::Options::default() };
        infer::score(&model, &asked, &choices, &options, &mut |batch| {
            let outcome = |(at, logprobs): (usize, Vec<f64>)| {
                let example = &examples[missing[at]];
                let best = argmax(&logprobs);
                let verdict = Verdict::of_choice(example, best);
                let n_tokens = choices[at][best].len() as u64;
                let outcome = Outcome { n_tokens, logprobs, ..Outcome::judged(verdict) };
                (missing[at], outcome)
            };
            session.push(batch.into_iter().map(outcome).collect(), context)
        })?;
    }
    session.finish(metric::ACCURACY, |mean| mean, context)
}

/// The largest value's place; of equals the first.
fn argmax(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::argmax;

    #[test]
    fn the_first_of_equal_choices_wins() {
        assert_eq!(argmax(&[-2.0, -1.0, -1.0, -3.0]), 1);
        assert_eq!(argmax(&[-1.0]), 0);
    }
}
