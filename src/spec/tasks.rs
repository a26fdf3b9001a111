//! The tasks on data sets: those of their own names, and the declared ones.

use super::builtin;
use super::dataset::{Content, Dataset, Decoding, Measure, Part, Task, no_examples};
use super::node::Place;
use super::raw;
use super::read::{Field, List, Names, Reader, Spanned};
use super::scalar::Name;
use super::suggest::suggest;
use super::templates::{StopText, TaskType, TextTemplate};
use std::collections::{BTreeMap, BTreeSet};
use tacq_protocol::task::AnswerParams;
use tacq_protocol::units::{FewShot, MaxNewTokens, SeqLen};

/// What the file declares, and what is built in. A name without a value was declared, but wrongly; that has been
/// reported.
pub struct Declared {
    /// Data sets by name.
    pub datasets: BTreeMap<String, Option<Dataset>>,
    /// Tasks by name.
    pub tasks: BTreeMap<String, Option<Task>>,
    /// Names of data sets and tasks that the file declares; the others are built in.
    pub in_file: BTreeSet<String>,
    /// Whether the names are all there; if not, an unknown name is no error.
    pub is_complete: bool,
}

impl Declared {
    /// Reports a reference to a data set that there is not.
    pub fn unknown_dataset(&self, place: &Place, name: &str, reader: &mut Reader) {
        self.unknown(place, name, "data set", self.datasets.keys().map(String::as_str), reader);
    }

    /// Reports a reference to a task that there is not.
    pub fn unknown_task(&self, place: &Place, name: &str, reader: &mut Reader) {
        match self.datasets.get(name) {
            Some(Some(dataset)) => report_no_task(place, name, dataset, "", reader),
            Some(None) => {}
            None => self.unknown(place, name, "task", self.tasks.keys().map(String::as_str), reader),
        }
    }

    fn unknown<'a>(
        &self,
        place: &Place,
        name: &str,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
        reader: &mut Reader,
    ) {
        if !self.is_complete {
            return;
        }
        let declared: Vec<&str> = known.clone().filter(|name| self.in_file.contains(*name)).collect();
        let declared = match declared.as_slice() {
            [] => String::new(),
            names => format!("declared: {}; ", names.join(", ")),
        };
        let built_in: Vec<&str> = builtin::NAMES.into_iter().filter(|n| !self.in_file.contains(*n)).collect();
        let message = format!("`{name}` is not a {what}; {declared}built in: {}", built_in.join(", "));
        let hint = match suggest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: `datasets: {{{name}: {{train: FILE, test: FILE}}}}`"),
        };
        reader.report_with(place, message, Some(hint));
    }

    /// The tasks on a data set.
    pub fn tasks_on(&self, dataset: &str) -> impl Iterator<Item = &str> {
        self.tasks.iter().filter_map(move |(name, task)| match task {
            Some(task) if task.dataset == dataset => Some(name.as_str()),
            None if name == dataset => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Reports that there is no task on a data set, and what to do.
pub fn report_no_task(place: &Place, name: &str, dataset: &Dataset, why: &str, reader: &mut Reader) {
    let (message, hint) = if dataset.parts.contains_key(&Part::Test) || builtin::content(name).is_some() {
        (
            format!("there is no task on data set `{name}`{why}"),
            format!("declare it: `tasks: {{{name}: {{type: exact_match}}}}`, or multiple_choice"),
        )
    } else {
        (
            format!("data set `{name}` has no test split, so there is no task on it{why}"),
            format!("give `test: FILE` under datasets.{name}"),
        )
    };
    reader.report_with(place, message, Some(hint));
}

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
fn check_keys(
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
fn check_examples(
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
fn measure(content: &Content, task_type: TaskType, raw: &raw::Task, seq_len: SeqLen) -> Option<Measure> {
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

/// The tasks on a data set, by name.
pub fn matched<'a>(tasks: &'a BTreeMap<String, Task>, dataset: &str) -> impl Iterator<Item = &'a str> {
    tasks.iter().filter(move |(_, task)| task.dataset == dataset).map(|(name, _)| name.as_str())
}
