//! What templates see. Values are converted when a template first asks for them: most need no `rows`.

use super::differences::Difference;
use super::layout;
use super::row::Row;
use super::summary::Group;
use super::wording::Worded;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, Serde};
use std::sync::{Arc, OnceLock};

/// The names that a template can use.
const NAMES: &[&str] =
    &["experiment", "rows", "groups", "columns", "lines", "matched", "n_seeds", "differences"];

/// Results of one experiment, for templates.
#[derive(Debug)]
pub struct Context {
    experiment: String,
    rows: Vec<Row>,
    groups: Vec<Group>,
    differences: Vec<Difference>,
    row_values: OnceLock<Value>,
    group_values: OnceLock<Value>,
    difference_values: OnceLock<Value>,
    /// Columns, lines, and lines of what matches its task.
    table_values: OnceLock<[Value; 3]>,
}

impl Context {
    /// Takes rows in table order, their groups and their differences.
    pub fn new(experiment: &str, rows: Vec<Row>, groups: Vec<Group>, differences: Vec<Difference>) -> Self {
        Self {
            experiment: experiment.to_owned(),
            rows,
            groups,
            differences,
            row_values: OnceLock::new(),
            group_values: OnceLock::new(),
            difference_values: OnceLock::new(),
            table_values: OnceLock::new(),
        }
    }

    fn table(&self) -> &[Value; 3] {
        self.table_values.get_or_init(|| {
            let (columns, lines) = layout::table(&self.rows, &self.groups);
            let matched = layout::matched(&columns, &self.groups);
            [Serde(columns).into(), Serde(lines).into(), Serde(matched).into()]
        })
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "experiment" => self.experiment.as_str().into(),
            "rows" => self.row_values.get_or_init(|| Serde(&self.rows).into()).clone(),
            "groups" => self.group_values.get_or_init(|| Serde(&self.groups).into()).clone(),
            "columns" => self.table()[0].clone(),
            "lines" => self.table()[1].clone(),
            "matched" => self.table()[2].clone(),
            "differences" => {
                let worded = || self.differences.iter().map(Worded::new).collect::<Vec<_>>();
                self.difference_values.get_or_init(|| Serde(worded()).into()).clone()
            }
            "n_seeds" => self.groups.iter().map(|group| group.n).max().unwrap_or(0).into(),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(NAMES)
    }
}
