//! Data sets, the tasks on them, and which tasks a trial is evaluated on.

use super::experiment::{Dataset, Evaluate, SplitSource, Task};
use super::node::Place;
use super::raw;
use super::read::{Field, Names, Reader, Spanned};
use super::scalar::{FilePath, Name};
use super::suggest::suggest;
use std::collections::BTreeMap;
use tacq_protocol::units::SeqLen;

/// What the file declares. A name without a value was declared, but wrongly; that has been reported.
pub struct Declared {
    /// Data sets by name.
    pub datasets: BTreeMap<String, Option<Dataset>>,
    /// Tasks by name.
    pub tasks: BTreeMap<String, Option<Task>>,
    /// Whether the names are all there; if not, an unknown name is no error.
    pub is_complete: bool,
}

impl Declared {
    /// Reports a reference to a data set that is not declared.
    pub fn unknown_dataset(&self, place: &Place, name: &str, reader: &mut Reader) {
        self.unknown(place, name, "data set", self.datasets.keys().map(String::as_str), reader);
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
        let list = known.clone().collect::<Vec<_>>().join(", ");
        let message = match list.as_str() {
            "" => format!("`{name}` is not a {what}; none is declared"),
            _ => format!("`{name}` is not a {what}; declared: {list}"),
        };
        let hint = match suggest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: `datasets: {{{name}: {{train: FILE, test: FILE}}}}`"),
        };
        reader.report_with(place, message, Some(hint));
    }

    /// The tasks on a data set.
    fn tasks_on(&self, dataset: &str) -> impl Iterator<Item = &str> {
        self.tasks.iter().filter_map(move |(name, task)| match task {
            Some(task) if task.dataset == dataset => Some(name.as_str()),
            None if name == dataset => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Reads the declarations; `seq_len` is the default of a window.
pub fn declare(
    datasets: Option<Names<raw::Dataset>>,
    tasks: Field<Names<raw::Task>>,
    seq_len: SeqLen,
    reader: &mut Reader,
) -> Declared {
    let is_complete = !matches!(tasks, Field::Invalid);
    let mut declared = Declared { datasets: BTreeMap::new(), tasks: BTreeMap::new(), is_complete };
    for (Spanned { value: name, place }, raw) in datasets.map(|names| names.entries).unwrap_or_default() {
        check_reserved(&name, &place, reader);
        let dataset = raw.and_then(|raw| dataset(&name, &place, raw, reader));
        match &dataset {
            Some(Dataset { test: None, .. }) => {}
            Some(_) => {
                let task = Task { dataset: name.clone(), seq_len, n_windows: None };
                declared.tasks.insert(name.clone(), Some(task));
            }
            None => {
                declared.tasks.insert(name.clone(), None);
            }
        }
        declared.datasets.insert(name, dataset);
    }
    for (Spanned { value: name, place }, raw) in tasks.given().map(|names| names.entries).unwrap_or_default()
    {
        check_reserved(&name, &place, reader);
        let task = raw.and_then(|raw| task(&name, &place, raw, seq_len, &declared, reader));
        declared.tasks.insert(name, task);
    }
    declared
}

fn check_reserved(name: &str, place: &Place, reader: &mut Reader) {
    if raw::Evaluate::WORDS.contains(&name) {
        let message = format!("`{name}` cannot be a name: `evaluate: {name}` has a meaning of its own");
        reader.report_with(place, message, Some("choose another name".to_owned()));
    }
}

fn dataset(name: &str, place: &Place, raw: raw::Dataset, reader: &mut Reader) -> Option<Dataset> {
    if [&raw.path, &raw.train, &raw.test].into_iter().any(|field| matches!(field, Field::Invalid)) {
        return None;
    }
    let source = |field: Field<Spanned<FilePath>>| {
        field.given().map(|Spanned { value: FilePath(path), place }| SplitSource {
            path: path.into(),
            position: place.position,
        })
    };
    let folder = source(raw.path);
    let train = source(raw.train).or_else(|| folder.clone());
    let test = source(raw.test).or(folder);
    if train.is_none() && test.is_none() {
        let message = format!("data set `{name}` has no text");
        let hint = "give `train: FILE` and `test: FILE`, or `path: FOLDER`".to_owned();
        reader.report_with(place, message, Some(hint));
        return None;
    }
    Some(Dataset { format: raw.format.given().unwrap_or_default(), train, test })
}

fn task(
    name: &str,
    place: &Place,
    raw: raw::Task,
    seq_len: SeqLen,
    declared: &Declared,
    reader: &mut Reader,
) -> Option<Task> {
    let is_of_dataset = declared.datasets.contains_key(name);
    let (dataset, dataset_place) = match raw.dataset {
        Field::Invalid => return None,
        Field::Given(Spanned { value: Name(dataset), place }) => {
            if is_of_dataset && dataset != name {
                let message = format!("task `{name}` bears the name of a data set, but is on `{dataset}`");
                reader.report_with(&place, message, Some("give the task another name".to_owned()));
                return None;
            }
            (dataset, place)
        }
        Field::Absent if is_of_dataset => (name.to_owned(), place.clone()),
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
            return None;
        }
    };
    match declared.datasets.get(&dataset) {
        None => {
            declared.unknown_dataset(&dataset_place, &dataset, reader);
            return None;
        }
        Some(Some(Dataset { test: None, .. })) => {
            report_no_test(&dataset_place, &dataset, "so there is no task on it", reader);
            return None;
        }
        Some(None) => return None,
        Some(Some(_)) => {}
    }
    Some(Task { dataset, seq_len: raw.seq_len.given().unwrap_or(seq_len), n_windows: raw.n_windows.given() })
}

fn report_no_test(place: &Place, dataset: &str, consequence: &str, reader: &mut Reader) {
    let message = format!("data set `{dataset}` has no test split, {consequence}");
    let hint = format!("give `test: FILE` under datasets.{dataset}");
    reader.report_with(place, message, Some(hint));
}

/// Resolves `evaluate`; `experiment` is where it would stand if it is absent.
pub fn evaluate(
    raw: Field<Spanned<raw::Evaluate>>,
    has_condition: bool,
    condition_on: &[Spanned<Name>],
    declared: &Declared,
    experiment: &Place,
    reader: &mut Reader,
) -> Option<Evaluate> {
    let (raw, place) = match raw {
        Field::Invalid => return None,
        Field::Absent if has_condition => {
            (raw::Evaluate::Matched, experiment.key("evaluate", experiment.position))
        }
        Field::Absent => (raw::Evaluate::All, experiment.clone()),
        Field::Given(Spanned { value, place }) => (value, place),
    };
    match raw {
        raw::Evaluate::Matched => {
            if !has_condition {
                let message =
                    "`matched` means the data set conditioned on, but there is no sweep.condition_on";
                reader.report_with(&place, message, Some("write `evaluate: all`".to_owned()));
                return None;
            }
            for Spanned { value: Name(name), place } in condition_on {
                if declared.datasets.contains_key(name) && declared.tasks_on(name).next().is_none() {
                    report_no_test(place, name, "which `evaluate: matched` needs", reader);
                }
            }
            Some(Evaluate::Matched)
        }
        raw::Evaluate::All => {
            if declared.tasks.is_empty() && declared.is_complete {
                let hint = "declare one: `datasets: {NAME: {train: FILE, test: FILE}}`".to_owned();
                reader.report_with(
                    &place,
                    "there is nothing to evaluate on: no data set has a test split",
                    Some(hint),
                );
                return None;
            }
            Some(Evaluate::Tasks(declared.tasks.keys().cloned().collect()))
        }
        raw::Evaluate::Tasks(list) => {
            let names = reader.distinct(list);
            for Spanned { value: Name(name), place } in &names {
                if declared.tasks.contains_key(name) {
                    continue;
                }
                if declared.datasets.contains_key(name) {
                    report_no_test(place, name, "so there is no task on it", reader);
                } else {
                    declared.unknown(place, name, "task", declared.tasks.keys().map(String::as_str), reader);
                }
            }
            Some(Evaluate::Tasks(names.into_iter().map(|name| name.value.0).collect()))
        }
    }
}

/// The tasks on a data set, by name.
pub fn matched<'a>(tasks: &'a BTreeMap<String, Task>, dataset: &str) -> impl Iterator<Item = &'a str> {
    tasks.iter().filter(move |(_, task)| task.dataset == dataset).map(|(name, _)| name.as_str())
}
