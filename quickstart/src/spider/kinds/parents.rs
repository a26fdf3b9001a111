//! The parents of children. `T1` is the child and `T2` the parent.

use super::aggregate::function;
use super::children::joined;
use super::group::bound;
use super::list::{WITH_CONDITION, attribute};
use super::{Drawn, row, say};
use crate::pick::pick;
use crate::spider::condition::{self, fill};
use crate::spider::schema::{Link, sizes};
use tacq_testkit::random::Random;

/// The name of one child's parent.
pub(super) fn of_child(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "Which {parent} {which}?",
        "What is the {label} of the {parent} {of}?",
        "Find the {label} of the {parent} {of}.",
    ];
    let (label, name) = (link.parent.label(), pick(random, &link.child.label.values));
    let of = fill(pick::<&str>(random, link.reference.plan.parent_of), name);
    let which = fill(link.reference.plan.which, name);
    let words = [
        ("parent", link.parent.noun().one),
        ("label", label.noun.one),
        ("of", of.as_str()),
        ("which", which.as_str()),
    ];
    let question = say(random, &templates, &words);
    Some(Drawn { question, query: of_named_child(link, label.name, name) })
}

/// What one child's parent has in another column.
pub(super) fn value_of_child(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = ["What is the {column} of the {parent} {of}?", "Show the {column} of the {parent} {of}."];
    let column = *pick(random, &link.parent.properties());
    let name = pick(random, &link.child.label.values);
    let of = fill(pick::<&str>(random, link.reference.plan.parent_of), name);
    let words = [("column", column.noun.one), ("parent", link.parent.noun().one), ("of", of.as_str())];
    let question = say(random, &templates, &words);
    Some(Drawn { question, query: of_named_child(link, column.name, name) })
}

fn of_named_child(link: &Link<'_>, column: &str, name: &str) -> String {
    format!("SELECT T2.{column} FROM {} WHERE T1.{} = '{name}'", joined(link), link.child.label().name)
}

/// The parents of the children that meet a condition.
pub(super) fn of_children(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let column = attribute(random, link.parent);
    let row = row(random, link.child);
    let condition = condition::any(random, link.child, row, "T1.")?;
    let children = format!("{} {}", link.child.noun().many, condition.words(random));
    let of = fill(pick::<&str>(random, link.reference.plan.parent_of), &children);
    let words =
        [("columns", column.noun.many), ("rows", link.parent.noun().many), ("condition", of.as_str())];
    let question = say(random, WITH_CONDITION, &words);
    let query = format!("SELECT DISTINCT T2.{} FROM {} WHERE {}", column.name, joined(link), condition.sql);
    Some(Drawn { question, query })
}

/// How many children each parent has.
pub(super) fn counts(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "How many {children} does each {parent} have?",
        "For each {parent}, show the {label} and the number of {children}.",
        "Show the {label} of each {parent} and the number of {children}.",
    ];
    let label = link.parent.label();
    let words =
        [("children", link.child.noun().many), ("parent", link.parent.noun().one), ("label", label.noun.one)];
    let question = say(random, &templates, &words);
    let (joined, label) = (joined(link), label.name);
    let query = format!("SELECT T2.{label}, count(*) FROM {joined} GROUP BY T2.{label}");
    Some(Drawn { question, query })
}

/// A number made from those of each parent's children.
pub(super) fn measures(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "What is the {function} {measure} of {children} for each {parent}?",
        "For each {parent}, show the {label} and the {function} {measure} of the {children}.",
    ];
    let label = link.parent.label();
    let measure = pick(random, &link.child.measures).plan;
    let function = function(random, measure);
    let words = [
        ("function", function.word),
        ("measure", measure.noun.one),
        ("children", link.child.noun().many),
        ("parent", link.parent.noun().one),
        ("label", label.noun.one),
    ];
    let question = say(random, &templates, &words);
    let (joined, label, function, measure) = (joined(link), label.name, function.name, measure.name);
    let query = format!("SELECT T2.{label}, {function}(T1.{measure}) FROM {joined} GROUP BY T2.{label}");
    Some(Drawn { question, query })
}

/// The parent with the most children; there is only one.
pub(super) fn with_most_children(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "Which {parent} has the most {children}?",
        "What is the {label} of the {parent} with the most {children}?",
        "Show the {label} of the {parent} with the highest number of {children}.",
    ];
    let label = link.parent.label();
    let words =
        [("parent", link.parent.noun().one), ("children", link.child.noun().many), ("label", label.noun.one)];
    let question = say(random, &templates, &words);
    let (joined, label) = (joined(link), label.name);
    let query = format!("SELECT T2.{label} FROM {joined} GROUP BY T2.{label} ORDER BY count(*) DESC LIMIT 1");
    Some(Drawn { question, query })
}

/// The parents with many children.
pub(super) fn with_many_children(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "Which {parents} have {bound} {children}?",
        "List the {labels} of the {parents} with {bound} {children}.",
    ];
    let (bound, having) = bound(random, &sizes(&link.reference.values))?;
    let label = link.parent.label();
    let words = [
        ("parents", link.parent.noun().many),
        ("children", link.child.noun().many),
        ("labels", label.noun.many),
        ("bound", bound.as_str()),
    ];
    let question = say(random, &templates, &words);
    let query = format!("SELECT T2.{0} FROM {1} GROUP BY T2.{0} {having}", label.name, joined(link));
    Some(Drawn { question, query })
}

/// The parents that no child refers to.
pub(super) fn without_children(random: &mut Random, link: &Link<'_>) -> Option<Drawn> {
    let templates = [
        "Which {parents} have no {children}?",
        "List the {labels} of {parents} without {children}.",
        "What are the {labels} of the {parents} with no {children}?",
    ];
    let label = link.parent.label();
    let words = [
        ("parents", link.parent.noun().many),
        ("children", link.child.noun().many),
        ("labels", label.noun.many),
    ];
    let question = say(random, &templates, &words);
    let children = format!("SELECT {} FROM {}", link.reference.plan.name, link.child.name());
    let query = format!("SELECT {} FROM {} WHERE id NOT IN ({children})", label.name, link.parent.name());
    Some(Drawn { question, query })
}
