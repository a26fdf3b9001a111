//! Prompts of GSM8K: chain-of-thought exemplars, then the problem.

use super::{Example, ExampleSet, Inputs, enough};
use crate::TaskError;
use crate::source::gsm8k::{read, read_exemplars, solved};

/// Problems in file order, each after the first `few_shot` exemplars in theirs. The reference shuffles the exemplars
/// anew for each prompt; in one order, all prompts share their beginning, which is then computed once.
pub fn load(few_shot: u32, inputs: &Inputs<'_>) -> Result<ExampleSet, TaskError> {
    let exemplars = if few_shot > 0 { read_exemplars(inputs.few_shot)? } else { Vec::new() };
    enough(exemplars.len(), few_shot, "GSM8K", inputs.few_shot)?;
    let shots = exemplars[..few_shot as usize].iter();
    let prefix: String =
        shots.map(|shot| format!("{} {}\n\n", asked(&shot.question), shot.solution)).collect();
    let problems = read(inputs.dataset)?;
    let examples = problems.into_iter().enumerate().map(|(i, problem)| Example {
        id: i.to_string(),
        prompt: format!("{prefix}{}", asked(&problem.question)),
        completion: format!(" {}\n\n", solved(&problem.answer, &problem.number)),
        gold: problem.number,
        ..Example::default()
    });
    Ok(ExampleSet { examples: examples.collect(), add_special_tokens: true })
}

fn asked(question: &str) -> String {
    format!("Q: {question}\nA:")
}
