//! `report`: the tables, from the store alone.

use super::Opened;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::report;
use std::path::PathBuf;

/// Writes the tables and says where.
pub(super) fn report(opened: &Opened, output: &Output) -> Result<ExitCode, CliError> {
    for path in write(opened)? {
        output.data(path.display());
    }
    Ok(ExitCode::Done)
}

/// Collects rows from the store and writes all tables and templates.
pub(super) fn write(opened: &Opened) -> Result<Vec<PathBuf>, CliError> {
    let experiment = &opened.experiment;
    let rows = report::collect(experiment, &opened.plan, &opened.store)?;
    let settings = report::ReportSettings {
        experiment: experiment.name.clone(),
        templates: experiment.report.templates.clone(),
    };
    Ok(report::write(&experiment.report.dir, &rows, &settings)?)
}
