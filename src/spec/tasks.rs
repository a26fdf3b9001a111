//! The tasks on data sets: those of their own names, and the declared ones.

use super::builtin;
use super::dataset::{Content, Dataset, Part, Task};
use super::declared::{Declared, report_no_task};
use super::measure::{check_examples, check_keys, measure};
use super::node::Place;
use super::raw;
use super::read::{Field, Names, Reader, Spanned};
use super::scalar::Name;
use super::suggest::suggest;
use super::templates::TaskType;
use std::collections::{BTreeMap, BTreeSet};
use tacq_protocol::units::SeqLen;

/// Reads the declared tasks, and makes those of the data sets' names; `seq_len` is the default of a window.
pub fn declare(
    datasets: BTreeMap<String, Option<Dataset>>,
    in_file: BTreeSet<String>,
    tasks: Field<Names<raw::Task>>,
    seq_len: SeqLen,
    reader: &mut Reader,
) -> Declared {
    let is_complete = !matches!(tasks, Field::Invalid);
    let mut declared = Declared { datasets, tasks: BTreeMap::new(), in_file, is_complete };
    for (name, dataset) in &declared.datasets {
        let task = match dataset {
            Some(dataset) => match default_task(name, dataset, seq_len) {
                Some(task) => Some(task),
                None => continue,
            },
            None => None,
        };
        declared.tasks.insert(name.clone(), task);
    }
    for (Spanned { value: name, place }, raw) in tasks.given().map(|names| names.entries).unwrap_or_default()
    {
        check_reserved(&name, &place, reader);
        let task = raw.and_then(|raw| task(&name, &place, raw, seq_len, &declared, reader));
        declared.in_file.insert(name.clone());
        declared.tasks.insert(name, task);
    }
    for (name, dataset) in &mut declared.datasets {
        if let (Some(dataset), Some(Some(task))) = (dataset, declared.tasks.get(name)) {
            dataset.few_shot = task.few_shot();
        }
    }
    declared
}

/// Reports a name that means something else where tasks are listed.
pub fn check_reserved(name: &str, place: &Place, reader: &mut Reader) {
    if raw::Evaluate::WORDS.contains(&name) {
        let message = format!("`{name}` cannot be a name: it has a meaning of its own under `evaluate`");
        reader.report_with(place, message, Some("choose another name".to_owned()));
    }
}

/// The task of a data set's own name, if it has one without being told.
fn default_task(name: &str, dataset: &Dataset, seq_len: SeqLen) -> Option<Task> {
    let is_own = builtin::content(name).is_none();
    if matches!(dataset.content, Content::Custom(_)) || is_own && !dataset.parts.contains_key(&Part::Test) {
        return None;
    }
    let raw = raw::Task::default();
    let measure = measure(&dataset.content, type_of(&dataset.content)?, &raw, seq_len)?;
    Some(Task { dataset: name.to_owned(), measure })
}

/// The type of all tasks on a data set; for the user's examples the file says it.
fn type_of(content: &Content) -> Option<TaskType> {
    match content {
        Content::Text { .. } => Some(TaskType::Perplexity),
        Content::Mmlu(_) => Some(TaskType::MultipleChoice),
        Content::Gsm8k => Some(TaskType::ExactMatch),
        Content::Spider => Some(TaskType::ExecutionAccuracy),
        Content::Custom(_) => None,
    }
}

fn task(
    name: &str,
    place: &Place,
    raw: raw::Task,
    seq_len: SeqLen,
    declared: &Declared,
    reader: &mut Reader,
) -> Option<Task> {
    let (dataset_name, dataset_place) = dataset_of(name, place, &raw, declared, reader)?;
    let Some(dataset) = declared.datasets.get(&dataset_name) else {
        declared.unknown_dataset(&dataset_place, &dataset_name, reader);
        return None;
    };
    let dataset = dataset.as_ref()?;
    if builtin::content(&dataset_name).is_none() && !dataset.parts.contains_key(&Part::Test) {
        report_no_task(&dataset_place, &dataset_name, dataset, "", reader);
        return None;
    }
    let of_content = type_of(&dataset.content);
    let task_type = match (&raw.r#type, of_content) {
        (Field::Invalid, _) => return None,
        (Field::Absent, Some(of_content)) => of_content,
        (Field::Absent, None) => {
            let message = format!("task `{name}` has no `type`");
            let hint = "give `type: exact_match` or `type: multiple_choice`".to_owned();
            reader.report_with(place, message, Some(hint));
            return None;
        }
        (Field::Given(given), _) => {
            let is_one = match of_content {
                Some(of_content) => given.value == of_content,
                None => matches!(given.value, TaskType::MultipleChoice | TaskType::ExactMatch),
            };
            if !is_one {
                let possible = of_content.map_or("exact_match or multiple_choice", TaskType::name);
                let message = format!(
                    "a task on data set `{dataset_name}` cannot be of type {}, but of {possible}",
                    given.value.name()
                );
                reader.report(&given.place, message);
                return None;
            }
            given.value
        }
    };
    let is_right = check_keys(name, &dataset.content, task_type, &raw, reader)
        & check_examples(name, place, dataset, task_type, &raw, reader);
    let measure = measure(&dataset.content, task_type, &raw, seq_len);
    measure.filter(|_| is_right).map(|measure| Task { dataset: dataset_name, measure })
}

/// The name of a task's data set, and where it stands.
fn dataset_of(
    name: &str,
    place: &Place,
    raw: &raw::Task,
    declared: &Declared,
    reader: &mut Reader,
) -> Option<(String, Place)> {
    let is_of_dataset = declared.datasets.contains_key(name);
    match &raw.dataset {
        Field::Invalid => None,
        Field::Given(Spanned { value: Name(dataset), place }) => {
            if is_of_dataset && dataset != name {
                let message = format!("task `{name}` bears the name of a data set, but is on `{dataset}`");
                reader.report_with(place, message, Some("give the task another name".to_owned()));
                return None;
            }
            Some((dataset.clone(), place.clone()))
        }
        Field::Absent if is_of_dataset => Some((name.to_owned(), place.clone())),
        Field::Absent => {
            let message = format!("task `{name}` has no data set, and none is of its name");
            let near = suggest(name, declared.datasets.keys().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "give `dataset: NAME`".to_owned(),
            };
            if declared.is_complete {
                reader.report_with(place, message, Some(hint));
            }
            None
        }
    }
}

/// The tasks on a data set, by name.
pub fn matched<'a>(tasks: &'a BTreeMap<String, Task>, dataset: &str) -> impl Iterator<Item = &'a str> {
    tasks.iter().filter(move |(_, task)| task.dataset == dataset).map(|(name, _)| name.as_str())
}
