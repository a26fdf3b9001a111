//! The names that an experiment file can use for data sets and tasks, and what is said of one that there is not.

use super::builtin;
use super::dataset::{Dataset, Part, Task};
use super::node::Place;
use super::read::Reader;
use super::suggest::suggest;
use std::collections::{BTreeMap, BTreeSet};

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
