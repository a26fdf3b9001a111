//! Writes the report's folder.

use super::by_group;
use super::context::Context;
use super::derived::{Sources, derive};
use super::differences::{self, Difference};
use super::error::{ReportError, TemplateError};
use super::frame;
use super::printed::{self, Compared};
use super::render;
use super::rendered::{self, Rendered};
use super::row::Row;
use super::summary::groups;
use crate::fsx;
use crate::plan::{Plan, StageId};
use crate::spec::Experiment;
use crate::store::Store;
use minijinja::Value;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{CheckpointSummary, file};

const RESULTS_CSV: &str = "results.csv";
const RESULTS_PARQUET: &str = "results.parquet";
const SUMMARY_CSV: &str = "summary.csv";
pub(super) const DIFFERENCES_CSV: &str = "differences.csv";
pub(super) const GROUPS_CSV: &str = "groups.csv";
const COMPARISON_CSV: &str = "comparison.csv";

/// The tables, which no template may overwrite.
const TABLES: [&str; 5] = [RESULTS_CSV, RESULTS_PARQUET, SUMMARY_CSV, DIFFERENCES_CSV, GROUPS_CSV];

/// What is rendered beside the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSettings {
    /// Name of the experiment, for headings.
    pub experiment: String,
    /// Names of built-in templates, or files.
    pub templates: Vec<String>,
}

/// Whether tables that rest on every single example are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Yes.
    Always,
    /// Only if `results.csv` changes, or they are not there: it names the artifacts that they are made of, so they are
    /// right as long as it is, and reading every record takes longer than all else that an idle run does.
    IfResultsChange,
}

/// What was written, and what is worth saying about it.
#[derive(Debug)]
pub struct Written {
    /// The files, whether they changed or not.
    pub paths: Vec<PathBuf>,
    /// Contents of `differences.csv`.
    pub differences: Vec<Difference>,
    /// Evaluations that could not be compared, a sentence each; none if nothing was made anew.
    pub problems: Vec<String>,
}

/// The files of an experiment's report, if all its results are there and the files are what was made of them; for a run
/// that found everything, so that it reads none of the results.
pub fn as_left(experiment: &Experiment, plan: &Plan, store: &Store) -> Option<Vec<PathBuf>> {
    let inputs = rendered::inputs_of_tables(experiment, plan)?;
    Rendered::load(store).current_tables(&experiment.report.dir, inputs)
}

/// Whether [`remember`] can do so: what a template of the user's includes is not known.
pub fn can_remember(experiment: &Experiment) -> bool {
    experiment.report.templates.iter().all(|template| render::built_in(template).is_some())
}

/// Remembers the files of a report of all results, for [`as_left`]; not if the size of a checkpoint is missing, which may
/// come yet.
pub fn remember(experiment: &Experiment, plan: &Plan, store: &Store, paths: &[PathBuf]) {
    let has_size = |id: StageId| {
        let stage = &plan.stages[id];
        let read = |key| store.read_json::<CheckpointSummary>(stage.kind(), key, file::CHECKPOINT_SUMMARY);
        stage.key().is_some_and(|key| matches!(read(key), Ok(Some(_))))
    };
    if !plan.trials.iter().filter_map(|planned| planned.checkpoint).all(has_size) {
        return;
    }
    if let Some(inputs) = rendered::inputs_of_tables(experiment, plan) {
        let mut rendered = Rendered::load(store);
        rendered.note_tables(&experiment.report.dir, inputs, paths);
        rendered.save();
    }
}

/// Writes the tables and each template's result into `dir`. Each file is replaced as a whole, and only if its contents
/// change.
///
/// # Errors
/// A file cannot be written, or a template cannot be rendered; the tables are written first, and one
/// template's error does not keep the others from being rendered.
pub fn write(
    dir: &Path,
    rows: &[Row],
    settings: &ReportSettings,
    sources: Sources<'_>,
    refresh: Refresh,
) -> Result<Written, ReportError> {
    let mut rows = rows.to_vec();
    rows.sort_by(Row::order);
    let groups = groups(&rows);

    fsx::create_dir_all(dir)?;
    fsx::remove_stale_temporaries(dir)?;
    let results = frame::csv(RESULTS_CSV, frame::results(&rows))?;
    let (differences, problems) = match kept(dir, &results, refresh)? {
        Some(differences) => (differences, Vec::new()),
        None => {
            let derived = derive(&rows, sources);
            // Before results.csv, which vouches for them.
            put(dir, DIFFERENCES_CSV, &differences::to_csv(&derived.differences)?)?;
            put(dir, GROUPS_CSV, &by_group::to_csv(&derived.by_group)?)?;
            (derived.differences, derived.problems)
        }
    };
    put(dir, RESULTS_CSV, &results)?;
    put(dir, RESULTS_PARQUET, &frame::parquet(RESULTS_PARQUET, frame::results(&rows))?)?;
    put(dir, SUMMARY_CSV, &frame::csv(SUMMARY_CSV, frame::summary(&groups))?)?;

    let context = Value::from_object(Context::new(&settings.experiment, rows, groups, differences.clone()));
    let mut failures = Vec::new();
    let mut names: Vec<String> = TABLES.map(str::to_owned).to_vec();
    for template in &settings.templates {
        match rendered(template, &names, &context) {
            Ok((name, text)) => {
                put(dir, &name, text.as_bytes())?;
                names.push(name);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        Ok(Written { paths: names.iter().map(|name| dir.join(name)).collect(), differences, problems })
    } else {
        Err(ReportError::Templates { failures, dir: dir.to_owned() })
    }
}

/// Puts printed scores beside the rows, `n_samples` of calibration, and writes `comparison.csv` into `dir`; its path.
pub fn write_comparison(
    dir: &Path,
    rows: &[Row],
    source: &printed::Source,
    n_samples: u32,
) -> Result<(PathBuf, Vec<Compared>), ReportError> {
    let mut rows = rows.to_vec();
    rows.sort_by(Row::order);
    let compared = printed::compare(&printed::read(source)?, &groups(&rows), n_samples);
    fsx::create_dir_all(dir)?;
    put(dir, COMPARISON_CSV, &printed::to_csv(COMPARISON_CSV, &compared)?)?;
    Ok((dir.join(COMPARISON_CSV), compared))
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
    Ok(fsx::write_if_changed(&dir.join(name), bytes)?)
}

/// The differences that are there, if they and the groups may stay as they are.
fn kept(dir: &Path, results: &[u8], refresh: Refresh) -> Result<Option<Vec<Difference>>, ReportError> {
    if refresh == Refresh::Always
        || fsx::read_if_exists(&dir.join(RESULTS_CSV))?.is_none_or(|old| old != results)
        || !fsx::exists(&dir.join(GROUPS_CSV))
    {
        return Ok(None);
    }
    Ok(fsx::read_if_exists(&dir.join(DIFFERENCES_CSV))?.and_then(|bytes| differences::from_csv(&bytes)))
}

/// Name and contents of what a template makes.
fn rendered(template: &str, taken: &[String], context: &Value) -> Result<(String, String), TemplateError> {
    let name = render::output_name(template)?;
    if taken.contains(&name) {
        let message =
            format!("it would overwrite {name}, which the report holds already; rename the template");
        return Err(TemplateError { template: template.to_owned(), line: None, message });
    }
    Ok((name, render::render(template, context)?))
}
