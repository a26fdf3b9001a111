//! The children of parents. `T1` is the child and `T2` the parent.

use super::aggregate::{COUNT_WITH_CONDITION, MEASURE_WITH_CONDITION, function};
use super::list::{WITH_CONDITION, attribute, other_attribute};
use super::{Drawn, row, say};
use crate::pick::pick;
use crate::spider::condition::{self, Condition};
use crate::spider::schema::Link;
use tacq_testkit::random::Random;

/// Both tables, joined.
pub(super) fn joined(link: &Link<'_>) -> String {
    let (child, parent, column) = (link.child.name(), link.parent.name(), link.reference.plan.name);
    format!("{child} AS T1 JOIN {parent} AS T2 ON T1.{column} = T2.id")
}

/// Being a child of the same parent as the row.
fn same_parent(link: &Link<'_>, row: usize) -> Condition {
    let name = &link.parent.label.values[link.reference.values[row]];
    let sql = format!("T2.{} = '{name}'", link.parent.label().name);
    Condition::new(link.reference.plan.child_of, name, sql)
}

/// Being a child of a parent that meets a condition, as the row is.
fn such_a_parent(random: &mut Random, link: &Link<'_>, row: usize) -> Option<Condition> {
    let condition = condition::any(random, link.parent, link.reference.values[row], "T2.")?;
    let parents = format!("{} {}", link.parent.noun().many, condition.words(random));
    Some(Condition::new(link.reference.plan.child_of, &parents, condition.sql))
}

/// Children of one parent.
pub(super) fn of_parent(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let row = row(random, link.child);
    let condition = same_parent(link, row);
    Some(listed(random, link, &condition))
}

/// Children of one parent that meet a condition.
pub(super) fn of_parent_with_condition(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let row = row(random, link.child);
    let own = condition::any(random, link.child, row, "T1.")?;
    let condition = own.and(&same_parent(link, row));
    Some(listed(random, link, &condition))
}

/// Children of the parents that meet a condition.
pub(super) fn of_parents(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let row = row(random, link.child);
    let condition = such_a_parent(random, link, row)?;
    Some(listed(random, link, &condition))
}

fn listed(random: &mut Random, link: &Link<'_>, condition: &Condition) -> Drawn {
    let column = other_attribute(random, link.child, condition);
    let words = [
        ("columns", column.noun.many),
        ("rows", link.child.noun().many),
        ("condition", condition.words(random)),
    ];
    let question = say(random, WITH_CONDITION, &words);
    Drawn {
        question,
        query: format!("SELECT T1.{} FROM {} WHERE {}", column.name, joined(link), condition.sql),
    }
}

/// How many children one parent has.
pub(super) fn count_of_parent(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let row = row(random, link.child);
    let condition = same_parent(link, row);
    Some(counted(random, link, &condition))
}

/// How many children the parents that meet a condition have together.
pub(super) fn count_of_parents(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let row = row(random, link.child);
    let condition = such_a_parent(random, link, row)?;
    Some(counted(random, link, &condition))
}

fn counted(random: &mut Random, link: &Link<'_>, condition: &Condition) -> Drawn {
    let words = [("rows", link.child.noun().many), ("condition", condition.words(random))];
    let question = say(random, COUNT_WITH_CONDITION, &words);
    Drawn { question, query: format!("SELECT count(*) FROM {} WHERE {}", joined(link), condition.sql) }
}

/// A number made from those of one parent's children.
pub(super) fn measure_of_parent(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let row = row(random, link.child);
    let condition = same_parent(link, row);
    let measure = pick(random, &link.child.measures).plan;
    let function = function(random, measure);
    let words = [
        ("function", function.word),
        ("measure", measure.noun.one),
        ("rows", link.child.noun().many),
        ("condition", condition.words(random)),
    ];
    let question = say(random, MEASURE_WITH_CONDITION, &words);
    let (function, measure) = (function.name, measure.name);
    let query = format!("SELECT {function}(T1.{measure}) FROM {} WHERE {}", joined(link), condition.sql);
    Some(Drawn { question, query })
}

/// Each child with its parent.
pub(super) fn with_parents(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "For each {row}, show the {column} and the {label} of the {parent}.",
        "List the {columns} of all {rows} with the {labels} of their {parents}.",
        "Show the {column} of every {row} and the {label} of the {parent}.",
    ];
    let (column, label) = (attribute(random, link.child), link.parent.label());
    let words = [
        ("row", link.child.noun().one),
        ("rows", link.child.noun().many),
        ("column", column.noun.one),
        ("columns", column.noun.many),
        ("label", label.noun.one),
        ("labels", label.noun.many),
        ("parent", link.parent.noun().one),
        ("parents", link.parent.noun().many),
    ];
    let question = say(random, &templates, &words);
    let query = format!("SELECT T1.{}, T2.{} FROM {}", column.name, label.name, joined(link));
    Some(Drawn { question, query })
}
