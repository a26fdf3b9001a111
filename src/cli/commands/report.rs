//! `report`: the tables, from the store alone.

use super::Opened;
use crate::cli::args::ReportFormat;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count, table};
use crate::exec::RunSummary;
use crate::page;
use crate::report::printed::{Compared, Source};
use crate::report::{self, Difference, Refresh, Row, Worded, Written};
use std::collections::BTreeMap;

/// Problems that are named; the others are counted.
const LISTED_PROBLEMS: usize = 3;

/// Writes the tables, prints the paired differences, and says where all is; exits with 1 if there is nothing to write.
pub(super) fn report(
    opened: &Opened,
    compare: Option<&Source>,
    format: Option<ReportFormat>,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let Opened { experiment, plan, store, .. } = opened;
    let rows = report::collect(experiment, plan, store)?;
    let Some(written) = write(opened, &rows, Refresh::Always)? else {
        output.news(format!(
            "no trial has results yet, so no table was written; run: tacq-sweep run {}",
            opened.file.display()
        ));
        return Ok(ExitCode::Failed);
    };
    if !written.differences.is_empty() {
        output.data(differences(&written.differences));
        output.data("");
    }
    let mut paths = written.paths;
    if let Some(source) = compare {
        let n_samples = experiment.calibration.n_samples.get();
        let (path, compared) = report::write_comparison(&experiment.report.dir, &rows, source, n_samples)?;
        paths.push(path);
        match compared.is_empty() {
            true => output.news("nothing of what is printed there is among these results"),
            false => {
                output.data(comparison(&compared));
                output.data("");
            }
        }
    }
    if let Some(ReportFormat::Html) = format {
        let (rows, differences) = (&rows[..], &written.differences[..]);
        paths.push(page::write(page::Source { experiment, plan, store, rows, differences })?);
    }
    for path in &paths {
        output.data(path.display());
    }
    tell_problems(&written.problems, output);
    Ok(ExitCode::Done)
}

/// Writes all tables and templates of what was collected. Without any result nothing is written: tables
/// of an earlier state of the experiment are worth more than empty ones.
fn write(opened: &Opened, rows: &[Row], refresh: Refresh) -> Result<Option<Written>, CliError> {
    let experiment = &opened.experiment;
    if rows.is_empty() {
        return Ok(None);
    }
    let settings = report::ReportSettings {
        experiment: experiment.name.clone(),
        templates: experiment.report.templates.clone(),
    };
    let homes: BTreeMap<String, String> =
        experiment.tasks.iter().map(|(name, task)| (name.clone(), task.dataset.clone())).collect();
    let sources = report::Sources { store: &opened.store, homes: &homes };
    Ok(Some(report::write(&experiment.report.dir, rows, &settings, sources, refresh)?))
}

/// The tables after a run. They hold whatever is there: after a failure, or an interruption, the trials that are done. A
/// run that found everything, and the tables as they were made of it, reads no results.
pub(super) fn after_run(opened: &Opened, summary: &RunSummary) -> Result<Option<Written>, CliError> {
    let Opened { experiment, plan, store, .. } = opened;
    let is_whole = summary.trials_done == summary.trials;
    if summary.computed == 0
        && is_whole
        && let Some(paths) = report::as_left(experiment, plan, store)
    {
        return Ok(Some(Written { paths, differences: Vec::new(), problems: Vec::new() }));
    }
    // Of what is remembered, something is not as it was left: somebody edited it, or made it elsewhere.
    let is_other = is_whole && report::can_remember(experiment);
    let refresh = if summary.computed > 0 || is_other { Refresh::Always } else { Refresh::IfResultsChange };
    let written = write(opened, &report::collect(experiment, plan, store)?, refresh)?;
    if let Some(written) = written.as_ref().filter(|_| is_whole) {
        report::remember(experiment, plan, store, &written.paths);
    }
    Ok(written)
}

/// Says what could not be compared.
pub(super) fn tell_problems(problems: &[String], output: &Output) {
    for problem in problems.iter().take(LISTED_PROBLEMS) {
        output.news(format!("not compared: {problem}"));
    }
    if problems.len() > LISTED_PROBLEMS {
        output.news(format!("not compared: {} more", count(problems.len() - LISTED_PROBLEMS, "evaluation")));
    }
}

/// Differences as a table for people; `differences.csv` is that for programs.
fn differences(found: &[Difference]) -> String {
    let headings = [
        "model",
        "task",
        "condition_on",
        "bits",
        "method",
        "against",
        "seeds",
        "examples",
        "difference",
        "p",
    ];
    let right = [false, false, false, true, false, false, true, true, false, false];
    let row = |difference: &Difference| {
        let worded = Worded::new(difference);
        let found = &difference.found;
        let mut cells = vec![
            difference.of.model.clone(),
            format!("{} {}", found.task, found.metric),
            difference.of.condition_on.clone().unwrap_or_else(|| "–".to_owned()),
            difference.of.bits.to_string(),
            worded.of_name,
            worded.against_name,
            found.n_seeds.to_string(),
            found.n_examples.to_string(),
            worded.text,
            worded.p,
        ];
        if let Some(note) = &found.note {
            cells[8] = format!("not compared: {note}");
        }
        cells
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    table(&headings, &right, &rows)
}

/// Printed beside measured scores as a table for people.
fn comparison(compared: &[Compared]) -> String {
    let headings = [
        "place",
        "model",
        "task",
        "condition_on",
        "method",
        "bits",
        "printed",
        "measured",
        "difference",
        "note",
    ];
    let right = [false, false, false, false, false, true, true, true, true, false];
    let dash = || "–".to_owned();
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
    table(&headings, &right, &rows)
}
