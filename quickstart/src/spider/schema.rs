//! Databases with their rows, kept column by column.

use super::plan::{CategoryPlan, LabelPlan, MeasurePlan, Noun, ReferencePlan, TablePlan};
use std::collections::{BTreeMap, BTreeSet};

/// A database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name, which its file bears.
    pub id: &'static str,
    /// Its tables, parents before their children.
    pub tables: Vec<Table>,
}

impl Database {
    /// Every child with its parent.
    pub(super) fn links(&self) -> Vec<Link<'_>> {
        let mut links = Vec::new();
        for child in &self.tables {
            for reference in &child.references {
                links.push(Link { child, reference, parent: &self.tables[reference.plan.parent] });
            }
        }
        links
    }
}

/// A table with its rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) plan: &'static TablePlan,
    pub(super) label: Label,
    pub(super) categories: Vec<Category>,
    pub(super) measures: Vec<Measure>,
    pub(super) references: Vec<Reference>,
}

/// The names of the rows.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) plan: &'static LabelPlan,
    pub(super) values: Vec<String>,
}

/// A column with one of a few texts.
#[derive(Debug, Clone)]
pub(super) struct Category {
    pub(super) plan: &'static CategoryPlan,
    pub(super) values: Vec<&'static str>,
}

/// A column with whole numbers.
#[derive(Debug, Clone)]
pub(super) struct Measure {
    pub(super) plan: &'static MeasurePlan,
    pub(super) values: Vec<i64>,
}

impl Measure {
    /// Whether the numbers put the rows in one order only.
    pub(super) fn has_no_ties(&self) -> bool {
        self.values.iter().collect::<BTreeSet<_>>().len() == self.values.len()
    }
}

/// A column with ids of a parent's rows.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) plan: &'static ReferencePlan,
    /// Places among the parent's rows; the ids are greater by one.
    pub(super) values: Vec<usize>,
}

/// A column that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) noun: Noun,
}

/// A column as the files declare it.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) is_text: bool,
    /// The parent's place among the tables.
    pub(super) parent: Option<usize>,
}

impl Table {
    /// Its name in the database.
    pub fn name(&self) -> &'static str {
        self.plan.name
    }

    /// The names of its columns, in order.
    pub fn column_names(&self) -> Vec<&'static str> {
        self.columns().iter().map(|column| column.name).collect()
    }

    /// All columns, in order.
    pub(super) fn columns(&self) -> Vec<Column> {
        let column = |name, is_text| Column { name, is_text, parent: None };
        let mut columns = vec![column("id", false), column(self.label.plan.name, true)];
        columns.extend(self.categories.iter().map(|c| column(c.plan.name, true)));
        columns.extend(self.measures.iter().map(|m| column(m.plan.name, false)));
        columns.extend(self.references.iter().map(|r| {
            let parent = Some(r.plan.parent);
            Column { parent, ..column(r.plan.name, false) }
        }));
        columns
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.plan.rows
    }

    /// What its rows are called.
    pub(super) fn noun(&self) -> Noun {
        self.plan.noun
    }

    /// The column that names the rows.
    pub(super) fn label(&self) -> Attribute {
        Attribute { name: self.label.plan.name, noun: self.label.plan.noun }
    }

    /// The columns besides ids and names.
    pub(super) fn properties(&self) -> Vec<Attribute> {
        let categories = self.plan.categories.iter().map(|c| Attribute { name: c.name, noun: c.noun });
        let measures = self.plan.measures.iter().map(|m| Attribute { name: m.name, noun: m.noun });
        categories.chain(measures).collect()
    }
}

/// A child with its parent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) child: &'a Table,
    pub(super) reference: &'a Reference,
    pub(super) parent: &'a Table,
}

/// How often each of the values occurs.
pub(super) fn sizes<T: Ord>(values: &[T]) -> Vec<i64> {
    let mut sizes: BTreeMap<&T, i64> = BTreeMap::new();
    for value in values {
        *sizes.entry(value).or_default() += 1;
    }
    sizes.into_values().collect()
}
