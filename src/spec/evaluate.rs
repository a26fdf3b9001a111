//! Which tasks the trials are evaluated on.

use super::declared::{Declared, report_no_task};
use super::experiment::{Evaluate, TaskChoice};
use super::node::Place;
use super::raw;
use super::read::{Field, Reader, Spanned};
use super::scalar::Name;
use super::suggest::suggest;
use std::collections::BTreeMap;

/// What `evaluate` is resolved against.
pub struct Context<'a> {
    /// Whether there is a `condition_on`, right or wrong.
    pub has_condition: bool,
    /// The data sets conditioned on.
    pub condition_on: &'a [Spanned<Name>],
    /// Those that may be named: of a choice that several sweeps share, the data sets of all.
    pub named: &'a [Spanned<Name>],
    /// Data sets and tasks.
    pub declared: &'a Declared,
    /// Where `evaluate` would stand if it is absent.
    pub experiment: &'a Place,
}

/// Resolves `evaluate`.
pub fn evaluate(
    raw: Field<Spanned<raw::Evaluate>>,
    context: &Context<'_>,
    reader: &mut Reader,
) -> Option<Evaluate> {
    let (raw, place) = match raw {
        Field::Invalid => return None,
        Field::Absent if context.has_condition => {
            let place = context.experiment.key("evaluate", context.experiment.position);
            (raw::Evaluate::Same(raw::Choice::Matched), place)
        }
        Field::Absent => (raw::Evaluate::Same(raw::Choice::All), context.experiment.clone()),
        Field::Given(Spanned { value, place }) => (value, place),
    };
    match raw {
        raw::Evaluate::Same(choice) => {
            let choice = choose(choice, &place, context.condition_on, context, reader)?;
            Some(Evaluate::same(choice))
        }
        raw::Evaluate::ByCondition { default, named } => {
            by_condition(default, named, &place, context, reader)
        }
    }
}

fn by_condition(
    default: Field<Spanned<raw::Choice>>,
    named: Vec<(Spanned<String>, Option<Spanned<raw::Choice>>)>,
    place: &Place,
    context: &Context<'_>,
    reader: &mut Reader,
) -> Option<Evaluate> {
    if !context.has_condition {
        let message = "this is a choice by the data set conditioned on, but there is no sweep.condition_on";
        reader.report_with(place, message, Some("write `evaluate: all`".to_owned()));
        return None;
    }
    let conditions = || context.named.iter().map(|name| name.value.0.as_str());
    let mut by_condition = BTreeMap::new();
    let mut is_right = true;
    for (Spanned { value: name, place }, choice) in named {
        let at: Vec<_> = context.named.iter().filter(|c| c.value.0 == name).cloned().collect();
        if at.is_empty() {
            let message = format!(
                "`{name}` is not in sweep.condition_on, which has {}",
                conditions().collect::<Vec<_>>().join(", ")
            );
            let words = conditions().chain([raw::Evaluate::DEFAULT]);
            let hint = suggest(&name, words).map(|near| format!("did you mean `{near}`?"));
            reader.report_with(&place, message, hint);
            is_right = false;
            continue;
        }
        let choice = choice.and_then(|choice| choose(choice.value, &choice.place, &at, context, reader));
        match choice {
            Some(choice) => _ = by_condition.insert(name, choice),
            None => is_right = false,
        }
    }
    let (default, place) = match default {
        Field::Invalid => return None,
        Field::Absent => (raw::Choice::Matched, place.clone()),
        Field::Given(Spanned { value, place }) => (value, place),
    };
    let others: Vec<_> =
        context.condition_on.iter().filter(|c| !by_condition.contains_key(&c.value.0)).cloned().collect();
    let default = choose(default, &place, &others, context, reader)?;
    is_right.then_some(Evaluate { default, by_condition })
}

/// The choice for trials conditioned on these data sets.
fn choose(
    raw: raw::Choice,
    place: &Place,
    condition_on: &[Spanned<Name>],
    context: &Context<'_>,
    reader: &mut Reader,
) -> Option<TaskChoice> {
    let declared = context.declared;
    match raw {
        raw::Choice::Matched => {
            if !context.has_condition {
                let message =
                    "`matched` means the data set conditioned on, but there is no sweep.condition_on";
                reader.report_with(place, message, Some("write `evaluate: all`".to_owned()));
                return None;
            }
            for Spanned { value: Name(name), place } in condition_on {
                if let (Some(Some(dataset)), None) =
                    (declared.datasets.get(name), declared.tasks_on(name).next())
                {
                    report_no_task(place, name, dataset, ", which `evaluate: matched` needs", reader);
                }
            }
            Some(TaskChoice::Matched)
        }
        raw::Choice::All => {
            let is_named = |dataset: &String| {
                declared.in_file.contains(dataset)
                    || context.condition_on.iter().any(|condition| condition.value.0 == *dataset)
            };
            let tasks: Vec<String> = declared
                .tasks
                .iter()
                .filter(|(name, task)| {
                    is_named(name) || task.as_ref().is_some_and(|task| is_named(&task.dataset))
                })
                .map(|(name, _)| name.clone())
                .collect();
            if tasks.is_empty() && declared.is_complete {
                let hint = "name a task: `evaluate: [wikitext2]`, or declare one: `datasets: {NAME: {train: FILE, test: FILE}}`";
                let message = "there is nothing to evaluate on: no data set with a test split is named";
                reader.report_with(place, message, Some(hint.to_owned()));
                return None;
            }
            Some(TaskChoice::Tasks(tasks))
        }
        raw::Choice::Tasks(list) => {
            let names = reader.distinct(list);
            for Spanned { value: Name(name), place } in &names {
                if !declared.tasks.contains_key(name) {
                    declared.unknown_task(place, name, reader);
                }
            }
            Some(TaskChoice::Tasks(names.into_iter().map(|name| name.value.0).collect()))
        }
    }
}
