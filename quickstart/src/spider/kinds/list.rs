//! Columns of the rows that meet conditions.

use super::{Drawn, any, row, say};
use crate::pick::pick;
use crate::spider::condition::{self, Condition};
use crate::spider::plan::Scale;
use crate::spider::schema::{Attribute, Table};
use tacq_testkit::random::Random;

/// Asks for a column of the rows that meet a condition.
pub(super) const WITH_CONDITION: &[&str] = &[
    "List the {columns} of {rows} {condition}.",
    "What are the {columns} of the {rows} {condition}?",
    "Show the {columns} of all {rows} {condition}.",
    "Find the {columns} of the {rows} {condition}.",
];

/// The names of the rows or, one time in three, another column.
pub(super) fn attribute(random: &mut Random, table: &Table) -> Attribute {
    if random.below(3) > 0 { table.label() } else { *pick(random, &table.properties()) }
}

/// The same, except the columns that a condition on the rows is about.
pub(super) fn other_attribute(random: &mut Random, table: &Table, condition: &Condition) -> Attribute {
    loop {
        let attribute = attribute(random, table);
        if !condition.columns.contains(&attribute.name) {
            return attribute;
        }
    }
}

/// A column of all rows.
pub(super) fn column(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "List the {columns} of all {rows}.",
        "What are the {columns} of the {rows}?",
        "Show the {column} of every {row}.",
        "Give me the {columns} of all {rows}.",
    ];
    let column = attribute(random, table);
    let words = [
        ("columns", column.noun.many),
        ("column", column.noun.one),
        ("rows", table.noun().many),
        ("row", table.noun().one),
    ];
    let question = say(random, &templates, &words);
    Some(Drawn { question, query: format!("SELECT {} FROM {}", column.name, table.name()) })
}

/// Names and another column of all rows.
pub(super) fn two_columns(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "List the {labels} and {columns} of all {rows}.",
        "What are the {labels} and {columns} of the {rows}?",
        "Show the {label} and the {column} of every {row}.",
        "Give me the {label} and {column} of each {row}.",
    ];
    let (label, column) = (table.label(), *pick(random, &table.properties()));
    let words = [
        ("labels", label.noun.many),
        ("label", label.noun.one),
        ("columns", column.noun.many),
        ("column", column.noun.one),
        ("rows", table.noun().many),
        ("row", table.noun().one),
    ];
    let question = say(random, &templates, &words);
    let query = format!("SELECT {}, {} FROM {}", label.name, column.name, table.name());
    Some(Drawn { question, query })
}

/// What one row has in a column.
pub(super) fn value_of_row(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "What is the {column} of the {row} {name}?",
        "Show the {column} of the {row} {name}.",
        "Find the {column} of the {row} {name}.",
    ];
    let (label, column) = (table.label(), *pick(random, &table.properties()));
    let name = pick(random, &table.label.values);
    let words = [("column", column.noun.one), ("row", table.noun().one), ("name", name)];
    let question = say(random, &templates, &words);
    let query = format!("SELECT {} FROM {} WHERE {} = '{name}'", column.name, table.name(), label.name);
    Some(Drawn { question, query })
}

/// Rows that meet a condition.
pub(super) fn with_condition(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let condition = condition::any(random, table, row, "")?;
    Some(rows(random, table, &condition))
}

/// Rows that meet two conditions.
pub(super) fn with_two_conditions(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let condition = condition::any_two(random, table, row)?;
    Some(rows(random, table, &condition))
}

/// Rows with one value or another.
pub(super) fn with_either_value(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let category = pick(random, &table.categories);
    let condition = condition::either(random, category, row)?;
    Some(rows(random, table, &condition))
}

/// Rows with any other value.
pub(super) fn without_value(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let category = pick(random, &table.categories);
    let condition = condition::unequal(random, category, row)?;
    Some(rows(random, table, &condition))
}

/// Rows with a number between two others.
pub(super) fn within_range(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let measure = pick(random, &table.measures);
    let condition = condition::between(random, measure, row)?;
    Some(rows(random, table, &condition))
}

fn rows(random: &mut Random, table: &Table, condition: &Condition) -> Drawn {
    let column = other_attribute(random, table, condition);
    let words =
        [("columns", column.noun.many), ("rows", table.noun().many), ("condition", condition.words(random))];
    let question = say(random, WITH_CONDITION, &words);
    let query = format!("SELECT {} FROM {} WHERE {}", column.name, table.name(), condition.sql);
    Drawn { question, query }
}

/// Rows with a number above or below the average.
pub(super) fn beyond_average(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "List the {labels} of {rows} whose {measure} is {side} average.",
        "What are the {labels} of the {rows} whose {measure} is {side} the average?",
        "Show the {labels} of all {rows} whose {measure} lies {side} the average.",
    ];
    let measures: Vec<_> = table.measures.iter().filter(|m| m.plan.scale != Scale::Time).collect();
    let measure = any(random, &measures)?.plan;
    let (side, operator) = *pick(random, &[("above", ">"), ("below", "<")]);
    let label = table.label();
    let words = [
        ("labels", label.noun.many),
        ("rows", table.noun().many),
        ("measure", measure.noun.one),
        ("side", side),
    ];
    let question = say(random, &templates, &words);
    let (table, column) = (table.name(), measure.name);
    let average = format!("SELECT avg({column}) FROM {table}");
    let query = format!("SELECT {} FROM {table} WHERE {column} {operator} ({average})", label.name);
    Some(Drawn { question, query })
}
