//! Counts, and numbers made from the numbers of many rows.

use super::{Drawn, row, say};
use crate::pick::pick;
use crate::spider::condition::{self, Condition};
use crate::spider::plan::{MeasurePlan, Scale};
use crate::spider::schema::Table;
use tacq_testkit::random::Random;

/// Asks how many rows meet a condition.
pub(super) const COUNT_WITH_CONDITION: &[&str] = &[
    "How many {rows} are there {condition}?",
    "Count the {rows} {condition}.",
    "What is the number of {rows} {condition}?",
    "How many {rows} {condition} do we have?",
];

/// Asks for a number made from those of the rows that meet a condition.
pub(super) const MEASURE_WITH_CONDITION: &[&str] = &[
    "What is the {function} {measure} of the {rows} {condition}?",
    "Find the {function} {measure} of {rows} {condition}.",
    "Show the {function} {measure} of all {rows} {condition}.",
];

/// A function of SQL and what its result is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) word: &'static str,
}

/// One that has a meaning for the measure.
pub(super) fn function(random: &mut Random, measure: &MeasurePlan) -> Function {
    let (greatest, least) = measure.scale.extremes();
    let mut functions = vec![("max", vec![greatest]), ("min", vec![least])];
    if measure.scale != Scale::Time {
        functions[0].1.push("maximum");
        functions[1].1.push("minimum");
        functions.push(("avg", vec!["average", "mean"]));
    }
    if measure.adds_up {
        functions.push(("sum", vec!["total"]));
    }
    let (name, words) = pick(random, &functions);
    Function { name, word: pick::<&str>(random, words) }
}

/// All rows.
pub(super) fn count(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "How many {rows} are there?",
        "Count the {rows}.",
        "What is the number of {rows}?",
        "How many {rows} do we have?",
    ];
    let question = say(random, &templates, &[("rows", table.noun().many)]);
    Some(Drawn { question, query: format!("SELECT count(*) FROM {}", table.name()) })
}

/// Rows that meet a condition.
pub(super) fn count_with_condition(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let condition = condition::any(random, table, row, "")?;
    Some(counted(random, table, &condition))
}

/// Rows that meet two conditions.
pub(super) fn count_with_two_conditions(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let condition = condition::any_two(random, table, row)?;
    Some(counted(random, table, &condition))
}

fn counted(random: &mut Random, table: &Table, condition: &Condition) -> Drawn {
    let words = [("rows", table.noun().many), ("condition", condition.words(random))];
    let question = say(random, COUNT_WITH_CONDITION, &words);
    Drawn { question, query: format!("SELECT count(*) FROM {} WHERE {}", table.name(), condition.sql) }
}

/// Different values.
pub(super) fn count_values(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "How many different {values} are there among the {rows}?",
        "Count the distinct {values} of the {rows}.",
        "What is the number of different {values} of {rows}?",
    ];
    let category = pick(random, &table.categories).plan;
    let words = [("values", category.noun.many), ("rows", table.noun().many)];
    let question = say(random, &templates, &words);
    let query = format!("SELECT count(DISTINCT {}) FROM {}", category.name, table.name());
    Some(Drawn { question, query })
}

/// A number made from those of all rows.
pub(super) fn measure(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "What is the {function} {measure} of all {rows}?",
        "Find the {function} {measure} of the {rows}.",
        "Show the {function} {measure} among all {rows}.",
    ];
    let measure = pick(random, &table.measures).plan;
    let function = function(random, measure);
    let words = [("function", function.word), ("measure", measure.noun.one), ("rows", table.noun().many)];
    let question = say(random, &templates, &words);
    let query = format!("SELECT {}({}) FROM {}", function.name, measure.name, table.name());
    Some(Drawn { question, query })
}

/// A number made from those of the rows with a value.
pub(super) fn measure_with_condition(random: &mut Random, table: &Table) -> Option<Drawn> {
    let row = row(random, table);
    let category = pick(random, &table.categories);
    let condition = condition::equal(category, row, "");
    let measure = pick(random, &table.measures).plan;
    let function = function(random, measure);
    let words = [
        ("function", function.word),
        ("measure", measure.noun.one),
        ("rows", table.noun().many),
        ("condition", condition.words(random)),
    ];
    let question = say(random, MEASURE_WITH_CONDITION, &words);
    let (function, measure) = (function.name, measure.name);
    let query = format!("SELECT {function}({measure}) FROM {} WHERE {}", table.name(), condition.sql);
    Some(Drawn { question, query })
}
