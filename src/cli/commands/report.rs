//! `report`: the tables, from the store alone.

use super::Opened;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::report;
use std::path::PathBuf;

/// Writes the tables and says where; exits with 1 if there is nothing to write.
pub(super) fn report(opened: &Opened, output: &Output) -> Result<ExitCode, CliError> {
    let written = write(opened)?;
    if written.is_empty() {
        output.news(format!(
            "no trial has results yet, so no table was written; run: tacq-sweep run {}",
            opened.file.display()
        ));
        return Ok(ExitCode::Failed);
    }
    for path in written {
        output.data(path.display());
    }
    Ok(ExitCode::Done)
}

/// Collects rows from the store and writes all tables and templates. Without any result nothing is written: tables
/// of an earlier state of the experiment are worth more than empty ones.
pub(super) fn write(opened: &Opened) -> Result<Vec<PathBuf>, CliError> {
    let experiment = &opened.experiment;
    let rows = report::collect(experiment, &opened.plan, &opened.store)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let settings = report::ReportSettings {
        experiment: experiment.name.clone(),
        templates: experiment.report.templates.clone(),
    };
    Ok(report::write(&experiment.report.dir, &rows, &settings)?)
}
