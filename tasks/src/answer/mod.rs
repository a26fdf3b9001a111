//! How the answer is found in what a model wrote, and whether it is right.

mod custom;
mod gsm8k;

use crate::TaskError;
use crate::examples::Example;
use crate::sql::{Limits, Scorer, first_statement};
use custom::Extract;
use tacq_protocol::DataFile;
use tacq_protocol::task::{AnswerParams, ExampleParams};

/// What a model answered, and what was wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The answer found.
    pub prediction: String,
    /// The answer that was wanted.
    pub gold: String,
    /// Whether they count as the same.
    pub correct: bool,
    /// Why an answer does not count; may be empty.
    pub note: String,
}

impl Verdict {
    /// The verdict where a choice was picked: `chosen` counts from 0.
    pub fn of_choice(example: &Example, chosen: usize) -> Self {
        let prediction = example.choices[chosen].trim().to_owned();
        let correct = prediction == example.gold;
        Self { prediction, gold: example.gold.clone(), correct, note: String::new() }
    }
}

/// Finds and compares answers of one task.
#[derive(Debug)]
pub enum Judge {
    /// Numbers after "The answer is".
    Gsm8k,
    /// Results of SQL queries.
    Spider(Scorer),
    /// Text, found by a regular expression.
    Custom(Extract),
}

impl Judge {
    /// The judge of a task with generated answers.
    ///
    /// `databases` are Spider's.
    ///
    /// # Errors
    /// If the regular expression of `answer` is none, or a file is not named as a database.
    pub fn new(
        params: &ExampleParams,
        answer: Option<&AnswerParams>,
        databases: &[DataFile],
    ) -> Result<Self, TaskError> {
        match params {
            ExampleParams::Gsm8k { .. } => Ok(Judge::Gsm8k),
            ExampleParams::Spider => Ok(Judge::Spider(Scorer::open(databases, Limits::default())?)),
            _ => Ok(Judge::Custom(Extract::new(answer.unwrap_or(&AnswerParams::default()))?)),
        }
    }

    /// Whether what it takes to judge an example is there: for Spider, its database.
    pub fn can_judge(&self, example: &Example) -> bool {
        match self {
            Judge::Spider(scorer) => scorer.has_database(&example.group),
            Judge::Gsm8k | Judge::Custom(_) => true,
        }
    }

    /// The part of a model's text that counts: for Spider up to the first semicolon, for custom tasks before the first
    /// text that ends generation.
    pub fn cut<'a>(&self, output: &'a str) -> &'a str {
        match self {
            Judge::Gsm8k => output,
            Judge::Spider(_) => output.split_inclusive(';').next().unwrap_or_default(),
            Judge::Custom(extract) => extract.cut(output),
        }
    }

    /// Finds the answer in a model's text and compares it.
    ///
    /// # Errors
    /// If Spider's database is missing or damaged, or the gold query fails; never for what the model wrote.
    pub fn judge(&self, example: &Example, output: &str) -> Result<Verdict, TaskError> {
        let output = self.cut(output);
        Ok(match self {
            Judge::Gsm8k => gsm8k::judge(example, output),
            Judge::Custom(extract) => extract.judge(example, output),
            Judge::Spider(scorer) => {
                let prediction = first_statement(output);
                let verdict = scorer.score(&example.group, &prediction, &example.gold)?;
                let gold = example.gold.clone();
                Verdict { prediction, gold, correct: verdict.correct, note: verdict.note }
            }
        })
    }

    /// Whether no continuation of a model's text can change the verdict, so that generation may end. A last character
    /// of which not all bytes are there yet, decoded as U+FFFD, is taken for one that can still become anything.
    pub fn is_final(&self, output: &str) -> bool {
        let settled = output.trim_end_matches(char::REPLACEMENT_CHARACTER);
        match self {
            Judge::Gsm8k => gsm8k::is_final(settled),
            Judge::Spider(_) => settled.contains(';'),
            Judge::Custom(extract) => extract.is_final(settled),
        }
    }
}

#[cfg(test)]
mod tests;
