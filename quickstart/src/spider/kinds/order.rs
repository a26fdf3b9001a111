//! Rows in the order of a measure. Where two rows tie there are two right orders, so such measures are left out.

use super::{Drawn, any, row, say};
use crate::pick::{between, pick};
use crate::spider::condition;
use crate::spider::plan::MeasurePlan;
use crate::spider::schema::{Measure, Table};
use tacq_testkit::random::Random;

/// Which end of a measure comes first.
#[derive(Debug, Clone, Copy)]
struct Order {
    measure: &'static MeasurePlan,
    sql: &'static str,
    /// "ascending" or "descending".
    direction: &'static str,
    /// What the first value and the last are called: "lowest" and "highest".
    ends: (&'static str, &'static str),
    /// What the first row and the last are called, if there are words for it: "cheapest", "most expensive".
    superlatives: Option<(&'static str, &'static str)>,
}

impl Order {
    fn any(random: &mut Random, table: &Table) -> Option<Self> {
        let measures: Vec<&Measure> = table.measures.iter().filter(|m| m.has_no_ties()).collect();
        let measure = any(random, &measures)?.plan;
        let (greatest, least) = measure.scale.extremes();
        Some(if random.below(2) == 0 {
            let superlatives = measure.superlatives.map(|(greatest, least)| (least, greatest));
            Self { measure, sql: "ASC", direction: "ascending", ends: (least, greatest), superlatives }
        } else {
            let (ends, superlatives) = ((greatest, least), measure.superlatives);
            Self { measure, sql: "DESC", direction: "descending", ends, superlatives }
        })
    }

    /// A question with superlatives where there are some, or else one that names the measure.
    fn say(
        &self,
        random: &mut Random,
        superlative: &[&str],
        plain: &[&str],
        words: &[(&str, &str)],
    ) -> String {
        let mut words = words.to_vec();
        words.extend([
            ("measure", self.measure.noun.one),
            ("direction", self.direction),
            ("end", self.ends.0),
            ("other_end", self.ends.1),
        ]);
        match self.superlatives {
            Some((first, last)) if random.below(2) == 0 => {
                words.extend([("first", first), ("last", last)]);
                say(random, superlative, &words)
            }
            _ => say(random, plain, &words),
        }
    }

    fn clause(&self) -> String {
        format!("ORDER BY {} {}", self.measure.name, self.sql)
    }
}

/// All rows in order.
pub(super) fn all_rows(random: &mut Random, table: &Table) -> Option<Drawn> {
    let superlative = [
        "List the {labels} of the {rows} from the {first} to the {last}.",
        "Show the {labels} of all {rows}, the {first} first.",
    ];
    let plain = [
        "List the {labels} of all {rows} in {direction} order of {measure}.",
        "Show the {labels} of the {rows} sorted by {measure} in {direction} order.",
        "What are the {labels} of the {rows} from the {end} to the {other_end} {measure}?",
    ];
    let (order, label) = (Order::any(random, table)?, table.label());
    let words = [("labels", label.noun.many), ("rows", table.noun().many)];
    let question = order.say(random, &superlative, &plain, &words);
    let query = format!("SELECT {} FROM {} {}", label.name, table.name(), order.clause());
    Some(Drawn { question, query })
}

/// The name of the first row.
pub(super) fn first_row(random: &mut Random, table: &Table) -> Option<Drawn> {
    let superlative = ["Which {row} is the {first}?", "What is the {label} of the {first} {row}?"];
    let plain = [
        "Which {row} has the {end} {measure}?",
        "What is the {label} of the {row} with the {end} {measure}?",
    ];
    let (order, label) = (Order::any(random, table)?, table.label());
    let words = [("label", label.noun.one), ("row", table.noun().one)];
    let question = order.say(random, &superlative, &plain, &words);
    let query = format!("SELECT {} FROM {} {} LIMIT 1", label.name, table.name(), order.clause());
    Some(Drawn { question, query })
}

/// The name of the first row with a value.
pub(super) fn first_row_with_condition(random: &mut Random, table: &Table) -> Option<Drawn> {
    let superlative = [
        "Which of the {rows} {condition} is the {first}?",
        "What is the {label} of the {first} of the {rows} {condition}?",
    ];
    let plain = [
        "Which of the {rows} {condition} has the {end} {measure}?",
        "Of the {rows} {condition}, which one has the {end} {measure}?",
    ];
    let (order, label, row) = (Order::any(random, table)?, table.label(), row(random, table));
    let category = pick(random, &table.categories);
    let condition = condition::equal(category, row, "");
    let words =
        [("label", label.noun.one), ("rows", table.noun().many), ("condition", condition.words(random))];
    let question = order.say(random, &superlative, &plain, &words);
    let (column, table) = (label.name, table.name());
    let query = format!("SELECT {column} FROM {table} WHERE {} {} LIMIT 1", condition.sql, order.clause());
    Some(Drawn { question, query })
}

/// What the first row has in another column.
pub(super) fn value_of_first_row(random: &mut Random, table: &Table) -> Option<Drawn> {
    let superlative =
        ["What is the {column} of the {first} {row}?", "Show the {column} of the {first} {row}."];
    let plain = [
        "What is the {column} of the {row} with the {end} {measure}?",
        "Show the {column} of the {row} that has the {end} {measure}.",
    ];
    let order = Order::any(random, table)?;
    let column = *pick(random, &table.properties());
    if column.name == order.measure.name {
        return None;
    }
    let words = [("column", column.noun.one), ("row", table.noun().one)];
    let question = order.say(random, &superlative, &plain, &words);
    let query = format!("SELECT {} FROM {} {} LIMIT 1", column.name, table.name(), order.clause());
    Some(Drawn { question, query })
}

/// The names of some first rows.
pub(super) fn first_rows(random: &mut Random, table: &Table) -> Option<Drawn> {
    let superlative =
        ["List the {labels} of the {n} {first} {rows}.", "What are the {labels} of the {n} {first} {rows}?"];
    let plain = [
        "List the {labels} of the {n} {rows} with the {end} {measure}.",
        "Which {n} {rows} have the {end} {measure}?",
    ];
    let (order, label) = (Order::any(random, table)?, table.label());
    let n = between(random, 2, 9).to_string();
    let words = [("labels", label.noun.many), ("rows", table.noun().many), ("n", n.as_str())];
    let question = order.say(random, &superlative, &plain, &words);
    let query = format!("SELECT {} FROM {} {} LIMIT {n}", label.name, table.name(), order.clause());
    Some(Drawn { question, query })
}
