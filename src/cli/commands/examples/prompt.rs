//! What the prompts of a task have in common, and what its choices are called.

use std::collections::BTreeMap;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::Record;
use tacq_protocol::task::{ExampleParams, TaskParams};

/// Letters of MMLU's choices.
const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// By group, bytes that all of its prompts begin with: solved examples. Empty where prompts have none, such as
/// Spider's, whose common beginning is a schema that one wants to see.
pub fn shared(params: &StageParams, records: &[Record]) -> BTreeMap<String, usize> {
    let mut shared: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    if !has_few_shot(params) {
        return BTreeMap::new();
    }
    for record in records {
        let prompt = record.prompt.as_str();
        shared
            .entry(record.group.clone())
            .and_modify(|(beginning, several)| {
                *beginning = common(beginning, prompt);
                *several = true;
            })
            .or_insert((prompt, false));
    }
    // Questions that begin alike differ within a line: cut at the last whole one.
    let whole_lines = |text: &str| text.rfind('\n').map_or(0, |end| end + 1);
    let several = shared.into_iter().filter(|(_, (_, several))| *several);
    several.map(|(group, (beginning, _))| (group, whole_lines(beginning))).collect()
}

/// What the choices are called, in the order of their log-probabilities; empty if they have no names.
pub fn choices(params: &StageParams) -> &'static [&'static str] {
    match task(params) {
        Some(TaskParams::MultipleChoice { examples: ExampleParams::Mmlu { .. }, .. }) => &LETTERS,
        _ => &[],
    }
}

fn has_few_shot(params: &StageParams) -> bool {
    let (Some(TaskParams::MultipleChoice { examples, .. }) | Some(TaskParams::Generate { examples, .. })) =
        task(params)
    else {
        return false;
    };
    match examples {
        ExampleParams::Mmlu { few_shot, .. } | ExampleParams::Gsm8k { few_shot } => few_shot.get() > 0,
        ExampleParams::Custom(custom) => custom.few_shot.get() > 0,
        ExampleParams::Spider => false,
    }
}

fn task(params: &StageParams) -> Option<&TaskParams> {
    match params {
        StageParams::Evaluate(params) => Some(&params.task),
        _ => None,
    }
}

/// The longest text that both begin with.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let end = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y).map(|((place, _), _)| place);
    &a[..end.unwrap_or(a.len().min(b.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(examples: &str) -> StageParams {
        serde_json::from_str(&format!(
            r#"{{"kind": "evaluate", "params": {{"dtype": "f32", "task": {{"protocol": "multiple_choice", "examples": {examples}}}}}}}"#
        ))
        .unwrap()
    }

    fn records(prompts: &[(&str, &str)]) -> Vec<Record> {
        let record = |(group, prompt): &(&str, &str)| Record {
            group: (*group).to_owned(),
            prompt: (*prompt).to_owned(),
            ..Record::default()
        };
        prompts.iter().map(record).collect()
    }

    #[test]
    fn solved_examples_are_shared_by_a_group() {
        let few = evaluate(r#"{"kind": "mmlu", "split": "all", "few_shot": 1}"#);
        let asked = records(&[
            ("law", "Solved ä\n\nWhich of A?\nAnswer:"),
            ("law", "Solved ä\n\nWhich of B?\nAnswer:"),
            ("law", "Solved ä\n\nWhich ö\nAnswer:"),
            ("art", "Another\n\nWhy?"),
        ]);
        assert_eq!(shared(&few, &asked), BTreeMap::from([("law".to_owned(), "Solved ä\n\n".len())]));
        assert_eq!(choices(&few), ["A", "B", "C", "D"]);
        let none = evaluate(r#"{"kind": "mmlu", "split": "all", "few_shot": 0}"#);
        assert_eq!(shared(&none, &asked), BTreeMap::new());
    }

    #[test]
    fn the_common_beginning_ends_between_characters() {
        assert_eq!(common("aä", "aö"), "a");
        assert_eq!(common("ab", "abc"), "ab");
        assert_eq!(common("abc", "ab"), "ab");
        assert_eq!(common("x", "y"), "");
    }
}
