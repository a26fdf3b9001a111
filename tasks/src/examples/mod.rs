//! Examples of a task: the prompt that a model sees, what follows it when it is solved, and the answer.

mod custom;
mod gsm8k;
mod mmlu;
mod spider;
mod subjects;

use crate::TaskError;
use std::path::Path;
use tacq_protocol::DataFile;
use tacq_protocol::task::ExampleParams;

/// One example.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// What the data set calls it; different for each example of a set.
    pub id: String,
    /// Subject, database or another part of the data set that scores are also wanted for; may be empty.
    pub group: String,
    /// What the model is given.
    pub prompt: String,
    /// What follows the prompt in a calibration text; empty for Spider, whose calibration texts are prompts alone.
    pub completion: String,
    /// The answer that is wanted, without white space around it.
    pub gold: String,
    /// Texts of the choices, to be compared as continuations of the prompt; empty where none were asked for.
    pub choices: Vec<String>,
}

impl Example {
    /// The text that a calibration sequence is made of.
    pub fn calibration_text(&self) -> String {
        format!("{}{}", self.prompt, self.completion)
    }
}

/// Examples in the order of the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleSet {
    /// The examples.
    pub examples: Vec<Example>,
    /// Whether the tokenizer is to add its special tokens (such as one for the beginning of a text); false where a chat
    /// template wrote them.
    pub add_special_tokens: bool,
}

/// What examples are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Texts that a calibration set is drawn from.
    Calibration,
    /// Prompts whose answers are scored.
    Evaluation,
}

/// Where examples come from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The split that is drawn from or evaluated on.
    pub dataset: &'a [DataFile],
    /// Solved examples that prompts begin with.
    pub few_shot: &'a [DataFile],
    /// Spider's schemas.
    pub tables: &'a [DataFile],
    /// The model's folder: its chat template and special tokens.
    pub model: &'a Path,
}

/// Makes all examples of a data set. `choices` are templates of the choices of custom multiple-choice tasks; MMLU has
/// its own.
///
/// # Errors
/// If a file is missing or not in its data set's layout, if there are fewer solved examples than asked for, or if a
/// template fails; the message names the file and the record.
pub fn load(
    params: &ExampleParams,
    purpose: Purpose,
    choices: &[String],
    inputs: &Inputs<'_>,
) -> Result<ExampleSet, TaskError> {
    match params {
        ExampleParams::Mmlu { split, few_shot } => mmlu::load(*split, few_shot.get(), purpose, inputs),
        ExampleParams::Gsm8k { few_shot } => gsm8k::load(few_shot.get(), inputs),
        ExampleParams::Spider => spider::load(inputs),
        ExampleParams::Custom(custom) => custom::load(custom, choices, inputs),
    }
}

/// An error unless there are at least as many solved examples as asked for.
fn enough(got: usize, wanted: u32, of: &str, files: &[DataFile]) -> Result<(), TaskError> {
    if got >= wanted as usize {
        return Ok(());
    }
    let files = files.iter().map(|file| file.path.clone()).collect();
    Err(TaskError::TooFewShots { wanted, got, of: of.to_owned(), files })
}

#[cfg(test)]
mod tests;
