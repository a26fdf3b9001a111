//! Answers of custom tasks: the text, or what a regular expression finds in it.

use super::Verdict;
use crate::TaskError;
use crate::examples::Example;
use regex::Regex;
use tacq_protocol::task::AnswerParams;

/// [`AnswerParams`], ready for use.
#[derive(Debug)]
pub struct Extract {
    pattern: Option<Regex>,
    ignore_case: bool,
    stop: Vec<String>,
}

impl Extract {
    /// Compiles the pattern.
    pub fn new(params: &AnswerParams) -> Result<Self, TaskError> {
        let compiled = params.extract.as_deref().map(|pattern| {
            Regex::new(pattern)
                .map_err(|e| TaskError::Pattern { pattern: pattern.to_owned(), reason: e.to_string() })
        });
        Ok(Self {
            pattern: compiled.transpose()?,
            ignore_case: params.ignore_case,
            // Nothing is contained in every text.
            stop: params.stop.iter().filter(|text| !text.is_empty()).cloned().collect(),
        })
    }

    /// Up to the first text that ends generation.
    pub fn cut<'a>(&self, output: &'a str) -> &'a str {
        let ends = self.stop.iter().filter_map(|stop| output.find(stop.as_str()));
        &output[..ends.min().unwrap_or(output.len())]
    }

    /// A text that ends generation was written. It may be that another one, longer and as yet unfinished, began before
    /// it: then the verdict is not final.
    pub fn is_final(&self, output: &str) -> bool {
        let cut = self.cut(output);
        let begins = |stop: &String| {
            let starts = cut.char_indices().map(|(i, _)| i);
            starts.into_iter().any(|i| stop.len() > output.len() - i && stop.starts_with(&output[i..]))
        };
        cut.len() < output.len() && !self.stop.iter().any(begins)
    }

    /// Compares what was found with what was wanted, without white space around either.
    pub fn judge(&self, example: &Example, output: &str) -> Verdict {
        let found = self.find(output);
        let gold = self.find(&example.gold).unwrap_or_else(|| example.gold.trim());
        let case = |text: &str| if self.ignore_case { text.to_lowercase() } else { text.to_owned() };
        Verdict {
            prediction: found.unwrap_or_default().to_owned(),
            gold: gold.to_owned(),
            correct: found.is_some_and(|found| case(found) == case(gold)),
            note: if found.is_none() { "no match of the pattern".to_owned() } else { String::new() },
        }
    }

    /// The first group of the last match, or the whole match where the pattern has no group (or it took no part); the
    /// whole text where there is no pattern.
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        let Some(pattern) = &self.pattern else { return Some(text.trim()) };
        let last = pattern.captures_iter(text).last()?;
        Some(last.get(1).or(last.get(0))?.as_str().trim())
    }
}
