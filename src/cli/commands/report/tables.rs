//! Results as tables for people; the files of a report are those for programs.

use crate::cli::output::Output;
use crate::cli::table::Cells::{self, Names, Numbers, Sentences, Words};
use crate::report::printed::Compared;
use crate::report::{self, Column, Difference, NamedLine, Row, Worded};
use tacq_protocol::artifact::metric;

/// What stands above scores where a line is several models.
const MATCHED: &str =
    "In each column the model that was conditioned on that task; bits and size are those of the first.";

/// The scores, a table per model, as the page has them.
pub(super) fn scores(rows: &[Row], output: &Output) -> Vec<String> {
    let mut rows = rows.to_vec();
    rows.sort_by(Row::order);
    let groups = report::groups(&rows);
    let scores = report::scores(&rows, &groups);
    let names: Vec<String> = scores.columns.iter().map(heading).collect();
    let tasks = names.iter().map(|name| (&name[..], Numbers));
    let first = [("quantized", Names), ("bits a weight", Numbers), ("size", Numbers)];
    let headings: Vec<(&str, Cells)> = first.into_iter().chain(tasks).collect();
    let of_model = |lines: &[NamedLine<'_>]| {
        let rows: Vec<Vec<String>> = lines.iter().map(line).collect();
        format!("{}\n{}", lines[0].line.of.trial.model, output.table(&headings, &rows))
    };
    let models = scores.lines.chunk_by(|a, b| a.line.of.trial.model == b.line.of.trial.model);
    let note = scores.is_matched.then(|| output.sentence(MATCHED));
    note.into_iter().chain(models.map(of_model)).collect()
}

fn heading(column: &Column) -> String {
    let unit = if metric::is_share(&column.metric) { ", %" } else { "" };
    format!("{} {}{unit}", column.task, column.metric.replace('_', " "))
}

fn line(named: &NamedLine<'_>) -> Vec<String> {
    let of = named.line.of;
    let bits = of.avg_bits.map_or_else(|| "16".to_owned(), |bits| format!("{bits:.3}"));
    let size = of.bytes_on_disk.map_or_else(dash, |bytes| report::megabytes_text(bytes as f64));
    let scores = named.line.cells.iter().map(|cell| cell.map_or_else(dash, report::Group::score));
    [named.name.clone(), bits, size].into_iter().chain(scores).collect()
}

fn dash() -> String {
    "–".to_owned()
}

/// Paired differences.
pub(super) fn differences(found: &[Difference], output: &Output) -> String {
    let headings = [
        ("model", Names),
        ("task", Names),
        ("condition_on", Names),
        ("bits", Numbers),
        ("method", Names),
        ("against", Names),
        ("seeds", Numbers),
        ("examples", Numbers),
        ("difference", Sentences),
        ("p", Words),
    ];
    let row = |difference: &Difference| {
        let worded = Worded::new(difference);
        let found = &difference.found;
        let text = match &found.note {
            Some(note) => format!("not compared: {note}"),
            None => worded.text,
        };
        vec![
            difference.of.model.clone(),
            format!("{} {}", found.task, found.metric),
            difference.of.condition_on.clone().unwrap_or_else(dash),
            difference.of.bits.to_string(),
            worded.of_name,
            worded.against_name,
            found.n_seeds.to_string(),
            found.n_examples.to_string(),
            text,
            worded.p,
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    output.table(&headings, &rows)
}

/// Printed beside measured scores.
pub(super) fn comparison(compared: &[Compared], output: &Output) -> String {
    let headings = [
        ("place", Names),
        ("model", Names),
        ("task", Names),
        ("condition_on", Names),
        ("method", Names),
        ("bits", Numbers),
        ("printed", Numbers),
        ("measured", Numbers),
        ("difference", Numbers),
        ("note", Sentences),
    ];
    let row = |line: &Compared| {
        let trial = &line.measured.trial;
        let saliency = trial.saliency.as_ref().filter(|saliency| **saliency != trial.method);
        let mut method = vec![trial.method.clone()];
        method.extend(saliency.cloned());
        method.extend(trial.variant.clone());
        let [printed, measured, difference] = line.words();
        vec![
            line.printed.place.clone(),
            trial.model.clone(),
            format!("{} {}", line.measured.task, line.measured.metric),
            trial.condition_on.clone().unwrap_or_else(dash),
            method.join(" "),
            trial.bits.to_string(),
            printed,
            measured,
            difference,
            line.printed.note.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = compared.iter().map(row).collect();
    output.table(&headings, &rows)
}
