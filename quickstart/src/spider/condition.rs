//! Conditions that a given row meets, so that questions about such rows have an answer.

use super::plan::{Frames, Scale};
use super::schema::{Category, Measure, Table};
use crate::pick::{self, pick};
use tacq_testkit::random::Random;

/// What rows must meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// In both ways, see [`Frames`].
    words: [String; 2],
    /// In SQL.
    pub(super) sql: String,
    /// Which columns of the rows it is about, so that a question does not ask for what it says.
    pub(super) columns: Vec<&'static str>,
}

impl Condition {
    /// Puts the same words into both frames.
    pub(super) fn new(frames: Frames, words: &str, sql: String) -> Self {
        Self { words: frames.map(|frame| fill(frame, words)), sql, columns: Vec::new() }
    }

    fn on(self, column: &'static str) -> Self {
        Self { columns: vec![column], ..self }
    }

    /// Words that follow the plural of the table's noun.
    pub(super) fn words(&self, random: &mut Random) -> &str {
        pick::<String>(random, &self.words)
    }

    /// Both conditions.
    pub(super) fn and(&self, other: &Condition) -> Self {
        let ([phrase, clause], [other_phrase, other_clause]) = (&self.words, &other.words);
        Self {
            words: [format!("{phrase} {other_phrase}"), format!("{clause} and {other_clause}")],
            sql: format!("{} AND {}", self.sql, other.sql),
            columns: [self.columns.as_slice(), &other.columns].concat(),
        }
    }
}

/// Puts words into the place of a frame.
pub(super) fn fill(frame: &str, words: &str) -> String {
    frame.replace("{}", words)
}

/// A condition on some category or measure. `prefix` is what SQL puts before the column, such as `T1.`.
pub(super) fn any(random: &mut Random, table: &Table, row: usize, prefix: &str) -> Option<Condition> {
    let column = random.below(table.categories.len() + table.measures.len());
    on_column(random, table, column, row, prefix)
}

/// A condition on each of two columns.
pub(super) fn any_two(random: &mut Random, table: &Table, row: usize) -> Option<Condition> {
    let n = table.categories.len() + table.measures.len();
    let (one, other) = (random.below(n), random.below(n));
    if one == other {
        return None;
    }
    // Always in the order of the columns, so that words and SQL have one order too.
    let first = on_column(random, table, one.min(other), row, "")?;
    let second = on_column(random, table, one.max(other), row, "")?;
    Some(first.and(&second))
}

/// Columns are the categories and then the measures.
fn on_column(
    random: &mut Random,
    table: &Table,
    column: usize,
    row: usize,
    prefix: &str,
) -> Option<Condition> {
    match table.categories.get(column) {
        Some(category) => Some(equal(category, row, prefix)),
        None => compared(random, &table.measures[column - table.categories.len()], row, prefix),
    }
}

/// The row's value.
pub(super) fn equal(category: &Category, row: usize, prefix: &str) -> Condition {
    let (name, value) = (category.plan.name, category.values[row]);
    Condition::new(category.plan.is, value, format!("{prefix}{name} = '{value}'")).on(name)
}

/// Any value but one that the row does not have.
pub(super) fn unequal(random: &mut Random, category: &Category, row: usize) -> Option<Condition> {
    let value = other_value(random, category, row)?;
    let sql = format!("{} != '{value}'", category.plan.name);
    Some(Condition::new([category.plan.is_not; 2], value, sql).on(category.plan.name))
}

/// The row's value or another one.
pub(super) fn either(random: &mut Random, category: &Category, row: usize) -> Option<Condition> {
    let (name, first) = (category.plan.name, category.values[row]);
    let second = other_value(random, category, row)?;
    let sql = format!("{name} = '{first}' OR {name} = '{second}'");
    Some(Condition::new(category.plan.is, &format!("{first} or {second}"), sql))
}

fn other_value(random: &mut Random, category: &Category, row: usize) -> Option<&'static str> {
    let value = *pick(random, &category.values);
    (value != category.values[row]).then_some(value)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Over,
    Under,
    AtLeast,
    AtMost,
    Equal,
}

impl Operator {
    const ALL: &[Operator] =
        &[Operator::Over, Operator::Under, Operator::AtLeast, Operator::AtMost, Operator::Equal];

    fn sql(self) -> &'static str {
        match self {
            Operator::Over => ">",
            Operator::Under => "<",
            Operator::AtLeast => ">=",
            Operator::AtMost => "<=",
            Operator::Equal => "=",
        }
    }

    /// Ways to compare with a number.
    fn frames(self, scale: Scale) -> &'static [&'static str] {
        use Scale::{Age, Amount, Count, Length, Time};
        match (self, scale) {
            (Operator::Over, Count | Amount | Length) => &["more than {}", "over {}"],
            (Operator::Over, Age) => &["older than {}", "over {} years old"],
            (Operator::Over, Time) => &["after {}", "later than {}"],
            (Operator::Under, Count) => &["fewer than {}", "under {}"],
            (Operator::Under, Amount | Length) => &["less than {}", "under {}"],
            (Operator::Under, Age) => &["younger than {}", "under {} years old"],
            (Operator::Under, Time) => &["before {}", "earlier than {}"],
            (Operator::AtLeast, Count) => &["at least {}", "no fewer than {}"],
            (Operator::AtLeast, Amount | Length) => &["at least {}", "no less than {}"],
            (Operator::AtLeast, Age) => &["at least {} years old", "no younger than {}"],
            (Operator::AtLeast, Time) => &["in or after {}", "in {} or later"],
            (Operator::AtMost, Count | Amount | Length) => &["at most {}", "no more than {}"],
            (Operator::AtMost, Age) => &["at most {} years old", "no older than {}"],
            (Operator::AtMost, Time) => &["in or before {}", "in {} or earlier"],
            (Operator::Equal, Count | Amount | Length) => &["exactly {}"],
            (Operator::Equal, Age) => &["aged {}", "exactly {} years old"],
            (Operator::Equal, Time) => &["in {}", "in the year {}"],
        }
    }
}

/// A comparison that the row meets and, unless it asks for one number, some other row does not.
fn compared(random: &mut Random, measure: &Measure, row: usize, prefix: &str) -> Option<Condition> {
    let (least, greatest) = bounds(measure);
    let (value, step) = (measure.values[row], measure.plan.step);
    let operator = *pick(random, Operator::ALL);
    let (low, high) = match operator {
        Operator::Over => (least, value - step),
        Operator::Under => (value + step, greatest),
        Operator::AtLeast => (least + step, value),
        Operator::AtMost => (value, greatest - step),
        Operator::Equal => (value, value),
    };
    let number = multiple(random, low, high, step)?;
    let comparison = fill(pick::<&str>(random, operator.frames(measure.plan.scale)), &number.to_string());
    let sql = format!("{prefix}{} {} {number}", measure.plan.name, operator.sql());
    Some(Condition::new(measure.plan.is, &comparison, sql).on(measure.plan.name))
}

/// From one number to another, both included.
pub(super) fn between(random: &mut Random, measure: &Measure, row: usize) -> Option<Condition> {
    let (least, greatest) = bounds(measure);
    let (value, step) = (measure.values[row], measure.plan.step);
    let low = multiple(random, least, value, step)?;
    let high = multiple(random, value, greatest, step)?;
    if low == high {
        return None;
    }
    let unit = if measure.plan.scale == Scale::Age { " years old" } else { "" };
    let sql = format!("{} BETWEEN {low} AND {high}", measure.plan.name);
    Some(
        Condition::new(measure.plan.is, &format!("between {low} and {high}{unit}"), sql)
            .on(measure.plan.name),
    )
}

/// The least and the greatest number.
fn bounds(measure: &Measure) -> (i64, i64) {
    let fold = |(least, greatest): (i64, i64), &value: &i64| (least.min(value), greatest.max(value));
    measure.values.iter().fold((i64::MAX, i64::MIN), fold)
}

/// A number from `low` to `high` that is some steps above `low`; none if `high` is below.
fn multiple(random: &mut Random, low: i64, high: i64, step: i64) -> Option<i64> {
    (low <= high).then(|| low + pick::between(random, 0, (high - low) / step) * step)
}
