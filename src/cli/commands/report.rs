//! `report`: the tables, from the store alone.

mod tables;
mod watch;

use super::Opened;
use crate::cli::args::ReportFormat;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count};
use crate::exec::RunSummary;
use crate::page;
use crate::report::printed::{Compared, Source};
use crate::report::{self, Difference, Refresh, Row, Written};
use std::path::PathBuf;

/// Problems that are named; the others are counted.
const LISTED_PROBLEMS: usize = 3;

/// What was typed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a> {
    pub compare: Option<&'a Source>,
    pub format: Option<ReportFormat>,
    pub watch: bool,
}

/// What was made of the results.
struct Made {
    rows: Vec<Row>,
    differences: Vec<Difference>,
    /// Absent if nothing was to be compared.
    compared: Option<Vec<Compared>>,
    paths: Vec<PathBuf>,
    problems: Vec<String>,
}

/// Writes the tables, prints scores and paired differences, and says where all is; exits with 1 if there is nothing to
/// write.
pub(super) fn report(opened: &Opened, options: Options<'_>, output: &Output) -> Result<ExitCode, CliError> {
    if options.watch {
        return watch::watch(opened, options, output);
    }
    let Some(made) = make(opened, options)? else {
        output.news(nothing_yet(opened));
        return Ok(ExitCode::Failed);
    };
    for table in made.tables(output) {
        output.data(table);
        output.data("");
    }
    for path in &made.paths {
        output.data(path.display());
    }
    for note in made.notes() {
        output.news(note);
    }
    Ok(ExitCode::Done)
}

/// Writes everything that is asked for; none if there are no results.
fn make(opened: &Opened, options: Options<'_>) -> Result<Option<Made>, CliError> {
    let Opened { experiment, plan, store, .. } = opened;
    let rows = report::collect(experiment, plan, store)?;
    let Some(written) = write(opened, &rows, Refresh::Always)? else { return Ok(None) };
    let Written { mut paths, differences, problems } = written;
    let mut compared = None;
    if let Some(source) = options.compare {
        let n_samples = experiment.calibration.n_samples.get();
        let (path, found) = report::write_comparison(&experiment.report.dir, &rows, source, n_samples)?;
        paths.push(path);
        compared = Some(found);
    }
    if let Some(ReportFormat::Html) = options.format {
        let (rows, differences) = (&rows[..], &differences[..]);
        paths.push(page::write(page::Source { experiment, plan, store, rows, differences })?);
    }
    Ok(Some(Made { rows, differences, compared, paths, problems }))
}

fn nothing_yet(opened: &Opened) -> String {
    let file = opened.file.display();
    format!("no trial has results yet, so no table was written; run: tacq-sweep run {file}")
}

impl Made {
    /// What is printed.
    fn tables(&self, output: &Output) -> Vec<String> {
        let mut found = tables::scores(&self.rows, output);
        if !self.differences.is_empty() {
            found.push(tables::differences(&self.differences, output));
        }
        if let Some(compared) = self.compared.as_ref().filter(|compared| !compared.is_empty()) {
            found.push(tables::comparison(compared, output));
        }
        found
    }

    /// What is said about it.
    fn notes(&self) -> Vec<String> {
        let is_alone = self.compared.as_ref().is_some_and(Vec::is_empty);
        let none = is_alone.then(|| "nothing of what is printed there is among these results".to_owned());
        none.into_iter().chain(not_compared(&self.problems)).collect()
    }
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
    let homes = experiment.homes();
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

/// What could not be compared, in a few lines.
pub(super) fn not_compared(problems: &[String]) -> Vec<String> {
    let listed = problems.iter().take(LISTED_PROBLEMS).map(|problem| format!("not compared: {problem}"));
    let rest = problems.len().saturating_sub(LISTED_PROBLEMS);
    let rest = (rest > 0).then(|| format!("not compared: {} more", count(rest, "evaluation")));
    listed.chain(rest).collect()
}
