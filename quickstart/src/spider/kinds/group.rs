//! Groups of rows with the same value.

use super::aggregate::function;
use super::{Drawn, say};
use crate::pick::{between, pick};
use crate::spider::schema::{Table, sizes};
use tacq_testkit::random::Random;

/// A bound that some groups are larger than: its words and its SQL.
pub(super) fn bound(random: &mut Random, sizes: &[i64]) -> Option<(String, String)> {
    let largest = *sizes.iter().max()?;
    if largest < 2 {
        return None;
    }
    Some(if random.below(2) == 0 {
        let n = between(random, 1, largest - 1);
        (format!("more than {n}"), format!("HAVING count(*) > {n}"))
    } else {
        let n = between(random, 2, largest);
        (format!("at least {n}"), format!("HAVING count(*) >= {n}"))
    })
}

/// The different values.
pub(super) fn values(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "What are the different {values} of the {rows}?",
        "List all distinct {values} of {rows}.",
        "Show the different {values} among the {rows}.",
    ];
    let category = pick(random, &table.categories).plan;
    let words = [("values", category.noun.many), ("rows", table.noun().many)];
    let question = say(random, &templates, &words);
    Some(Drawn { question, query: format!("SELECT DISTINCT {} FROM {}", category.name, table.name()) })
}

/// How many rows each value has.
pub(super) fn counts(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "How many {rows} are there for each {value}?",
        "Show each {value} and the number of {rows}.",
        "Count the {rows} for each {value}.",
        "For each {value}, how many {rows} are there?",
    ];
    let category = pick(random, &table.categories).plan;
    let words = [("value", category.noun.one), ("rows", table.noun().many)];
    let question = say(random, &templates, &words);
    let (column, table) = (category.name, table.name());
    let query = format!("SELECT {column}, count(*) FROM {table} GROUP BY {column}");
    Some(Drawn { question, query })
}

/// A number made from those of each group.
pub(super) fn measures(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "What is the {function} {measure} of {rows} for each {value}?",
        "For each {value}, show the {function} {measure} of the {rows}.",
        "Show each {value} and the {function} {measure} of its {rows}.",
    ];
    let category = pick(random, &table.categories).plan;
    let measure = pick(random, &table.measures).plan;
    let function = function(random, measure);
    let words = [
        ("function", function.word),
        ("measure", measure.noun.one),
        ("value", category.noun.one),
        ("rows", table.noun().many),
    ];
    let question = say(random, &templates, &words);
    let (column, table) = (category.name, table.name());
    let query =
        format!("SELECT {column}, {}({}) FROM {table} GROUP BY {column}", function.name, measure.name);
    Some(Drawn { question, query })
}

/// The value that most rows have; there is only one.
pub(super) fn most_common(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = [
        "What is the most common {value} of {rows}?",
        "Which {value} has the most {rows}?",
        "Find the most frequent {value} among the {rows}.",
    ];
    let category = pick(random, &table.categories).plan;
    let words = [("value", category.noun.one), ("rows", table.noun().many)];
    let question = say(random, &templates, &words);
    let (column, table) = (category.name, table.name());
    let query = format!("SELECT {column} FROM {table} GROUP BY {column} ORDER BY count(*) DESC LIMIT 1");
    Some(Drawn { question, query })
}

/// The values that many rows have.
pub(super) fn large(random: &mut Random, table: &Table) -> Option<Drawn> {
    let templates = ["Which {values} have {bound} {rows}?", "List the {values} that have {bound} {rows}."];
    let category = pick(random, &table.categories);
    let (bound, having) = bound(random, &sizes(&category.values))?;
    let words = [("values", category.plan.noun.many), ("bound", bound.as_str()), ("rows", table.noun().many)];
    let question = say(random, &templates, &words);
    let (column, table) = (category.plan.name, table.name());
    let query = format!("SELECT {column} FROM {table} GROUP BY {column} {having}");
    Some(Drawn { question, query })
}
