//! How a task measures: the keys that it may have, what it needs, and the values that are not given.

use super::dataset::{Content, Dataset, Decoding, Measure, Part, no_examples};
use super::node::Place;
use super::raw;
use super::read::{Field, List, Reader};
use super::templates::{StopText, TaskType, TextTemplate};
use tacq_protocol::task::AnswerParams;
use tacq_protocol::units::{FewShot, MaxNewTokens, SeqLen};

/// The keys that a task of this type on this data set may have, beside `dataset` and `type`.
fn keys_of(content: &Content, task_type: TaskType) -> &'static [&'static str] {
    match (content, task_type) {
        (_, TaskType::Perplexity) => &["seq_len", "n_windows"],
        (Content::Custom(_), TaskType::MultipleChoice) => &["few_shot", "choices", "limit"],
        (_, TaskType::MultipleChoice) => &["few_shot", "limit"],
        (Content::Custom(_), _) => {
            &["few_shot", "decoding", "max_new_tokens", "extract", "ignore_case", "stop", "limit"]
        }
        (_, TaskType::ExactMatch) => &["few_shot", "decoding", "max_new_tokens", "limit"],
        (_, TaskType::ExecutionAccuracy) => {
            &["decoding", "max_new_tokens", "skip_missing_databases", "limit"]
        }
    }
}

/// Reports keys that such a task does not have; whether there are none.
pub fn check_keys(
    name: &str,
    content: &Content,
    task_type: TaskType,
    raw: &raw::Task,
    reader: &mut Reader,
) -> bool {
    let mut allowed = vec!["dataset", "type"];
    allowed.extend(keys_of(content, task_type));
    let wrong: Vec<_> = raw.keys.iter().filter(|(key, _)| !allowed.contains(key)).collect();
    for (key, place) in &wrong {
        let message = format!(
            "`{key}` is no key of task `{name}`, which is of type {}; allowed here: {}",
            task_type.name(),
            allowed.join(", ")
        );
        reader.report(place, message);
    }
    wrong.is_empty()
}

/// Checks what a task on the user's examples needs beside the right keys.
pub fn check_examples(
    name: &str,
    place: &Place,
    dataset: &Dataset,
    task_type: TaskType,
    raw: &raw::Task,
    reader: &mut Reader,
) -> bool {
    if !matches!(dataset.content, Content::Custom(_)) {
        return true;
    }
    let mut is_right = true;
    let has_file = dataset.parts.contains_key(&Part::FewShot);
    match &raw.few_shot {
        Field::Absent if has_file => {
            let message =
                format!("its data set has solved examples, but task `{name}` does not say how many");
            let hint = "give `few_shot: N`, 0 for none".to_owned();
            reader.report_with(place, message, Some(hint));
            is_right = false;
        }
        Field::Given(n) if n.get() > 0 && !has_file => {
            let message = format!("task `{name}` wants {n} solved examples, but its data set has none");
            let hint = "give `few_shot: FILE` under the data set".to_owned();
            let place = raw.place_of("few_shot").unwrap_or(place);
            reader.report_with(place, message, Some(hint));
            is_right = false;
        }
        _ => {}
    }
    let n_choices = match &raw.choices {
        Field::Given(list) => list.items.len(),
        Field::Absent => 0,
        Field::Invalid => return false,
    };
    if task_type == TaskType::MultipleChoice && n_choices < 2 {
        let message = format!("task `{name}` needs at least two `choices`");
        let hint = "give `choices: [\" yes\", \" no\"]`, or templates".to_owned();
        reader.report_with(raw.place_of("choices").unwrap_or(place), message, Some(hint));
        is_right = false;
    }
    is_right
}

/// How a task of this type on this data set is measured; nothing if a value is wrong.
pub fn measure(content: &Content, task_type: TaskType, raw: &raw::Task, seq_len: SeqLen) -> Option<Measure> {
    let few_shot = or_default(&raw.few_shot, || match content {
        Content::Mmlu(_) => FewShot::new(5).expect("in range"),
        Content::Gsm8k => FewShot::new(8).expect("in range"),
        _ => no_examples(),
    })?;
    let limit = optional(&raw.limit)?;
    Some(match task_type {
        TaskType::Perplexity => Measure::Perplexity {
            seq_len: or_default(&raw.seq_len, || seq_len)?,
            n_windows: optional(&raw.n_windows)?,
        },
        TaskType::MultipleChoice => {
            let choices = texts(&raw.choices, |TextTemplate(text)| text)?;
            Measure::MultipleChoice { few_shot, choices, limit }
        }
        TaskType::ExactMatch | TaskType::ExecutionAccuracy => Measure::Generate {
            few_shot,
            decoding: decoding(content, &raw.decoding)?,
            max_new_tokens: or_default(&raw.max_new_tokens, || {
                let n = if matches!(content, Content::Spider) { 300 } else { 256 };
                MaxNewTokens::new(n).expect("in range")
            })?,
            answer: match content {
                Content::Custom(_) => Some(AnswerParams {
                    extract: optional(&raw.extract)?.map(|pattern| pattern.0),
                    ignore_case: or_default(&raw.ignore_case, || false)?,
                    stop: texts(&raw.stop, |StopText(text)| text)?,
                }),
                _ => None,
            },
            skip_missing_databases: or_default(&raw.skip_missing_databases, || false)?,
            limit,
        },
    })
}

/// Temperature and top_p of the reference's answers to GSM8K.
const SAMPLED: (&str, &str) = ("0.8", "0.95");

fn decoding(content: &Content, raw: &Field<raw::Decoding>) -> Option<Decoding> {
    let default = || match content {
        Content::Gsm8k => raw::Decoding::Sampled { temperature: None, top_p: None },
        _ => raw::Decoding::Greedy,
    };
    Some(match or_default(raw, default)? {
        raw::Decoding::Greedy => Decoding::Greedy,
        raw::Decoding::Sampled { temperature, top_p } => Decoding::Sampled {
            temperature: temperature.unwrap_or_else(|| SAMPLED.0.parse().expect("in range")),
            top_p: top_p.unwrap_or_else(|| SAMPLED.1.parse().expect("in range")),
        },
    })
}

/// The value or the default; nothing if the value is wrong.
fn or_default<T: Clone>(field: &Field<T>, default: impl FnOnce() -> T) -> Option<T> {
    match field {
        Field::Given(value) => Some(value.clone()),
        Field::Absent => Some(default()),
        Field::Invalid => None,
    }
}

/// The value, if there is one; nothing at all if it is wrong.
fn optional<T: Clone>(field: &Field<T>) -> Option<Option<T>> {
    match field {
        Field::Given(value) => Some(Some(value.clone())),
        Field::Absent => Some(None),
        Field::Invalid => None,
    }
}

/// A list's values, none if it is absent; nothing if it is wrong.
fn texts<T: Clone>(field: &Field<List<T>>, text: impl Fn(T) -> String) -> Option<Vec<String>> {
    let list = optional(field)?;
    Some(list.map(|list| list.items.into_iter().map(|item| text(item.value)).collect()).unwrap_or_default())
}
