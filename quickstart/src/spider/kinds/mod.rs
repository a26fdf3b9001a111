//! The kinds of questions. Each has one query, and templates whose places in braces are named.

mod aggregate;
mod children;
mod group;
mod list;
mod order;
mod parents;

use super::schema::{Database, Link, Table};
use crate::pick::pick;
use tacq_testkit::random::Random;

/// A question and its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) question: String,
    pub(super) query: String,
}

/// Draws a question of one kind, if there is something to ask.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// About a table.
    Table(fn(&mut Random, &Table) -> Option<Drawn>),
    /// About a child and its parent.
    Link(fn(&mut Random, &Link<'_>) -> Option<Drawn>),
}

impl Kind {
    /// A question about some table or link of the database.
    pub(super) fn draw(self, random: &mut Random, database: &Database) -> Option<Drawn> {
        match self {
            Kind::Table(draw) => {
                let table = pick(random, &database.tables);
                draw(random, table)
            }
            Kind::Link(draw) => {
                let links = database.links();
                let link = pick(random, &links);
                draw(random, link)
            }
        }
    }
}

/// All kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind::Table(list::column),
    Kind::Table(list::two_columns),
    Kind::Table(list::value_of_row),
    Kind::Table(list::with_condition),
    Kind::Table(list::with_two_conditions),
    Kind::Table(list::with_either_value),
    Kind::Table(list::without_value),
    Kind::Table(list::within_range),
    Kind::Table(list::beyond_average),
    Kind::Table(aggregate::count),
    Kind::Table(aggregate::count_with_condition),
    Kind::Table(aggregate::count_with_two_conditions),
    Kind::Table(aggregate::count_values),
    Kind::Table(aggregate::measure),
    Kind::Table(aggregate::measure_with_condition),
    Kind::Table(order::all_rows),
    Kind::Table(order::first_row),
    Kind::Table(order::first_row_with_condition),
    Kind::Table(order::value_of_first_row),
    Kind::Table(order::first_rows),
    Kind::Table(group::values),
    Kind::Table(group::counts),
    Kind::Table(group::measures),
    Kind::Table(group::most_common),
    Kind::Table(group::large),
    Kind::Link(children::of_parent),
    Kind::Link(children::of_parent_with_condition),
    Kind::Link(children::of_parents),
    Kind::Link(children::count_of_parent),
    Kind::Link(children::count_of_parents),
    Kind::Link(children::measure_of_parent),
    Kind::Link(children::with_parents),
    Kind::Link(parents::of_child),
    Kind::Link(parents::value_of_child),
    Kind::Link(parents::of_children),
    Kind::Link(parents::counts),
    Kind::Link(parents::measures),
    Kind::Link(parents::with_most_children),
    Kind::Link(parents::with_many_children),
    Kind::Link(parents::without_children),
];

/// One of the templates with its places filled.
fn say(random: &mut Random, templates: &[&str], words: &[(&str, &str)]) -> String {
    let mut text = (*pick(random, templates)).to_owned();
    for (place, word) in words {
        text = text.replace(&format!("{{{place}}}"), word);
    }
    text
}

/// One of the items, if there is one.
fn any<'a, T>(random: &mut Random, items: &'a [T]) -> Option<&'a T> {
    if items.is_empty() { None } else { Some(pick(random, items)) }
}

/// A row of the table.
fn row(random: &mut Random, table: &Table) -> usize {
    random.below(table.n_rows())
}
