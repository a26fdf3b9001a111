//! Everything → one file.

use super::circuits::Circuits;
use super::error::PageError;
use super::outputs::OfTask;
use super::saliency::Saliencies;
use super::sizes::Sizes;
use super::stages::Stages;
use super::table::Table;
use super::vendor;
use super::weights::QuantizedWeights;
use crate::report::{self, Column, Difference, Group, Line, Row, Worded};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// The page; its name makes all that is written into it escaped.
const TEMPLATE: &str = "report.html";
const SOURCE: &str = include_str!("../../templates/page/report.html.j2");
const STYLE: &str = include_str!("../../templates/page/page.css");
const SCRIPT: &str = include_str!("../../templates/page/page.js");

/// What is on the page.
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
    lines: Vec<NamedLine<'a>>,
}

#[derive(Serialize)]
struct NamedLine<'a> {
    name: String,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

impl<'a> NamedLine<'a> {
    fn new(line: &'a Line<'a>, is_matched: bool) -> Self {
        let mut trial = line.of.trial.clone();
        if is_matched {
            trial.condition_on = None;
        }
        Self { name: report::trial_name(&trial), line }
    }
}

/// Whether every model was asked the task that it was conditioned on alone, so that a line is better a method with all its
/// tasks than one of its models.
fn is_matched(columns: &[Column], lines: &[Line<'_>]) -> bool {
    let is_own = |line: &Line<'_>| {
        let Some(set) = &line.of.trial.condition_on else { return true };
        columns.iter().zip(&line.cells).all(|(column, cell)| cell.is_none() || column.task == *set)
    };
    let of_sets = lines.iter().filter(|line| line.of.trial.condition_on.is_some()).count();
    of_sets > 0 && columns.len() > 1 && lines.iter().all(is_own)
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
}

/// The page's text.
pub(super) fn render(parts: &Parts<'_>) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("these options do not conflict"));
    report::add_filters(&mut environment);
    environment.add_template(TEMPLATE, SOURCE)?;

    let (columns, mut lines) = report::table(parts.rows, parts.groups);
    let is_matched = is_matched(&columns, &lines);
    if is_matched {
        lines = report::matched(&columns, parts.groups);
    }
    let models = lines.chunk_by(|a, b| a.of.trial.model == b.of.trial.model).map(|lines| OfModel {
        model: &lines[0].of.trial.model,
        columns: &columns,
        lines: lines.iter().map(|line| NamedLine::new(line, is_matched)).collect(),
    });
    let models: Vec<OfModel<'_>> = models.collect();
    let differences: Vec<Worded<'_>> = parts.differences.iter().map(Worded::new).collect();
    let seen = Seen {
        version: env!("CARGO_PKG_VERSION"),
        experiment: parts.experiment,
        is_matched,
        models,
        columns: &columns,
        differences,
        sizes: parts.sizes,
        weights: parts.weights,
        circuits: parts.circuits,
        saliency: parts.saliency,
        outputs: parts.outputs,
        stages: parts.stages,
    };
    let page = environment.get_template(TEMPLATE)?.render(Value::from(Serde(seen)))?;
    // What is trusted, or has its own way of being made safe, is put in afterwards.
    let data = serde_json::to_string(parts.tables).expect("plain data").replace('<', "\\u003c");
    Ok(filled(
        &page,
        &[("style", STYLE), ("d3", vendor::D3), ("plot", vendor::PLOT), ("data", &data), ("script", SCRIPT)],
    ))
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
