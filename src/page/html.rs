//! Everything → one file.

use super::assets;
use super::circuits::Circuits;
use super::error::PageError;
use super::outputs::OfTask;
use super::saliency::Saliencies;
use super::sizes::Sizes;
use super::stages::Stages;
use super::table::Table;
use super::weights::QuantizedWeights;
use crate::report::{self, Column, Difference, Group, NamedLine, Row, Worded};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The page; its name makes all that is written into it escaped.
const PAGE: &str = "report.html";
/// What is of it in another page.
const FRAGMENT: &str = "fragment.html";
/// What is of it in a demonstration.
const DEMONSTRATION: &str = "demonstration.html";
/// Answers to one text.
const ANSWERS: &str = "answers.html";
const TEMPLATES: [(&str, &str); 6] = [
    (DEMONSTRATION, include_str!("../../templates/page/demonstration.html.j2")),
    (ANSWERS, include_str!("../../templates/page/answers.html.j2")),
    (PAGE, include_str!("../../templates/page/report.html.j2")),
    (FRAGMENT, include_str!("../../templates/page/fragment.html.j2")),
    ("nav.html", include_str!("../../templates/page/nav.html.j2")),
    ("sections.html", include_str!("../../templates/page/sections.html.j2")),
];

/// What is on the page.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub experiment: &'a str,
    pub rows: &'a [Row],
    pub groups: &'a [Group],
    pub differences: &'a [Difference],
    pub sizes: &'a Sizes,
    pub weights: &'a QuantizedWeights,
    pub circuits: &'a Circuits,
    pub saliency: &'a Saliencies,
    pub outputs: &'a [OfTask],
    pub stages: &'a Stages,
    pub tables: &'a [Table],
}

/// A model's lines of the score table.
#[derive(Serialize)]
struct OfModel<'a> {
    model: &'a str,
    columns: &'a [Column],
    lines: &'a [NamedLine<'a>],
}

/// What the template sees.
#[derive(Serialize)]
struct Seen<'a> {
    version: &'a str,
    experiment: &'a str,
    is_matched: bool,
    models: Vec<OfModel<'a>>,
    columns: &'a [Column],
    differences: Vec<Worded<'a>>,
    sizes: &'a Sizes,
    weights: &'a QuantizedWeights,
    circuits: &'a Circuits,
    saliency: &'a Saliencies,
    outputs: &'a [OfTask],
    stages: &'a Stages,
    /// What only a demonstration has.
    extra: &'a Json,
}

/// The page's text, whole in itself.
pub(super) fn render(parts: &Parts<'_>) -> Result<String, PageError> {
    let page = expand(PAGE, parts, &Json::Null)?;
    // What is trusted, or has its own way of being made safe, is put in afterwards.
    let data = data(parts);
    Ok(filled(
        &page,
        &[
            ("style", assets::STYLE),
            ("d3", assets::D3),
            ("plot", assets::PLOT),
            ("data", &data),
            ("script", assets::SCRIPT),
        ],
    ))
}

/// What is on the page and the data of its figures, without what draws them.
pub(super) fn fragment(parts: &Parts<'_>) -> Result<String, PageError> {
    Ok(filled(&expand(FRAGMENT, parts, &Json::Null)?, &[("data", &data(parts))]))
}

/// [`fragment`] with what a demonstration has besides.
pub(super) fn demonstration(parts: &Parts<'_>, extra: &Json) -> Result<String, PageError> {
    Ok(filled(&expand(DEMONSTRATION, parts, extra)?, &[("data", &data(parts))]))
}

/// Answers to one text, without all else.
pub(super) fn answers(outputs: &[OfTask]) -> Result<String, PageError> {
    let examples: Vec<_> = outputs.iter().flat_map(|of_task| &of_task.examples).collect();
    let values = Value::from(Serde(BTreeMap::from([("examples", examples)])));
    Ok(environment()?.get_template(ANSWERS)?.render(values)?)
}

/// The figures' tables for an element of a page, which no name in them ends.
fn data(parts: &Parts<'_>) -> String {
    serde_json::to_string(parts.tables).expect("plain data").replace('<', "\\u003c")
}

fn environment() -> Result<Environment<'static>, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("these options do not conflict"));
    report::add_filters(&mut environment);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

fn expand(template: &str, parts: &Parts<'_>, extra: &Json) -> Result<String, PageError> {
    let scores = report::scores(parts.rows, parts.groups);
    let columns = &scores.columns[..];
    let model = |line: &NamedLine<'_>| line.line.of.trial.model.clone();
    let models = scores.lines.chunk_by(|a, b| model(a) == model(b)).map(|lines| OfModel {
        model: &lines[0].line.of.trial.model,
        columns,
        lines,
    });
    let models: Vec<OfModel<'_>> = models.collect();
    let differences: Vec<Worded<'_>> = parts.differences.iter().map(Worded::new).collect();
    let seen = Seen {
        version: env!("CARGO_PKG_VERSION"),
        experiment: parts.experiment,
        is_matched: scores.is_matched,
        models,
        columns,
        differences,
        sizes: parts.sizes,
        weights: parts.weights,
        circuits: parts.circuits,
        saliency: parts.saliency,
        outputs: parts.outputs,
        stages: parts.stages,
        extra,
    };
    Ok(environment()?.get_template(template)?.render(Value::from(Serde(seen)))?)
}

/// Puts texts into the places `<!--slot:NAME-->`. Nothing that a user names can be such a place: it is escaped.
fn filled(page: &str, slots: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(page.len() + slots.iter().map(|slot| slot.1.len()).sum::<usize>());
    let mut rest = page;
    for (name, content) in slots {
        let slot = format!("<!--slot:{name}-->");
        let (before, after) = rest.split_once(&slot).expect("the template has each slot, in this order");
        text.push_str(before);
        text.push_str(content);
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Coordinates;

    #[test]
    fn names_are_text_wherever_they_stand() {
        let hostile = "</script><img src=x>\"'<!--slot:data-->";
        let trial = Coordinates {
            experiment: hostile.into(),
            model: hostile.into(),
            method: hostile.into(),
            condition_on: Some(hostile.into()),
            ..Coordinates::default()
        };
        let row = Row { trial, task: hostile.into(), metric: hostile.into(), value: 0.5, ..Row::default() };
        let rows = [row];
        let groups = report::groups(&rows);
        let tables = [Table { name: "scores", csv: format!("name\n\"{hostile}\"\n") }];
        let example = super::super::outputs::Example {
            id: hostile.into(),
            prompt: hostile.into(),
            gold: hostile.into(),
            answers: Vec::new(),
        };
        let outputs = [OfTask { model: hostile.into(), task: hostile.into(), examples: vec![example] }];
        let page = render(&Parts {
            experiment: hostile,
            rows: &rows,
            groups: &groups,
            differences: &[],
            sizes: &Sizes::default(),
            weights: &QuantizedWeights { checkpoints: vec![hostile.into()], ..QuantizedWeights::default() },
            circuits: &Circuits { masks: vec![hostile.into()], ..Circuits::default() },
            saliency: &Saliencies { stages: vec![hostile.into()], bins: Vec::new() },
            outputs: &outputs,
            stages: &Stages::default(),
            tables: &tables,
        })
        .unwrap();
        assert!(!page.contains("<img"), "something is not escaped");
        assert_eq!(page.matches("</script").count(), 4, "two libraries, the data, and what draws it");
        assert!(page.contains("&lt;img src=x&gt;") && page.contains("\\u003cimg src=x>"));
    }
}
