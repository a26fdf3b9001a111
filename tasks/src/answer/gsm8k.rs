//! GSM8K's answers: a number after "the answer is", else the last number.

use super::Verdict;
use crate::examples::Example;
use regex::Regex;
use std::sync::LazyLock;

/// What announces the answer, in lower case.
const TRIGGER: &str = "the answer is";

/// The prediction where there is no number.
const INVALID: &str = "[invalid]";

/// A number with commas dropped. Digits are decimal digits of any script, in Python as here.
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-?\d+\.?\d*").expect("the pattern is a regular expression"));

/// Compares the number in the output with the gold number, as texts.
pub fn judge(example: &Example, output: &str) -> Verdict {
    let found = number(output);
    Verdict {
        correct: found.as_ref() == Some(&example.gold),
        note: if found.is_none() { "no number".to_owned() } else { String::new() },
        prediction: found.unwrap_or_else(|| INVALID.to_owned()),
        gold: example.gold.clone(),
    }
}

/// The text between the first trigger and the second, if there is a first, in lower case and without commas; and
/// whether there is a second.
fn after_trigger(lower: &str) -> Option<(String, bool)> {
    let mut parts = lower.split(TRIGGER).skip(1);
    let part = parts.next()?.replace(',', "");
    Some((part, parts.next().is_some()))
}

/// The first number after the trigger, else the last number of all; a point at its end is dropped.
fn number(output: &str) -> Option<String> {
    let lower = output.to_lowercase();
    let found = match after_trigger(&lower) {
        Some((part, _)) => NUMBER.find(&part)?.as_str().to_owned(),
        None => NUMBER.find_iter(&lower.replace(',', "")).last()?.as_str().to_owned(),
    };
    Some(found.strip_suffix('.').unwrap_or(&found).to_owned())
}

/// Whether what follows can no longer change the number. It can until there is a trigger, for a later one would count.
/// After a trigger, a second one ends the part that counts; before that, the first number is whole as soon as a
/// character follows it that cannot belong to it. Digits, commas (which are dropped) and one point can; a second
/// trigger has none of them, so it cannot begin inside the number.
pub fn is_final(output: &str) -> bool {
    let lower = output.to_lowercase();
    match after_trigger(&lower) {
        None => false,
        Some((_, true)) => true,
        Some((part, false)) => NUMBER.find(&part).is_some_and(|number| number.end() < part.len()),
    }
}
