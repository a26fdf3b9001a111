//! Writes the report's folder.

use super::context::Context;
use super::error::{ReportError, TemplateError};
use super::frame;
use super::render;
use super::row::Row;
use super::summary::groups;
use crate::fsx;
use minijinja::Value;
use std::path::{Path, PathBuf};

const RESULTS_CSV: &str = "results.csv";
const RESULTS_PARQUET: &str = "results.parquet";
const SUMMARY_CSV: &str = "summary.csv";

/// What is rendered beside the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSettings {
    /// Name of the experiment, for headings.
    pub experiment: String,
    /// Names of built-in templates, or files.
    pub templates: Vec<String>,
}

/// Writes `results.csv`, `results.parquet`, `summary.csv` and each template's result into `dir`; returns their
/// paths. Each file is replaced as a whole, and only if its contents change.
///
/// # Errors
/// A file cannot be written, or a template cannot be rendered; the tables are written first, and one
/// template's error does not keep the others from being rendered.
pub fn write(dir: &Path, rows: &[Row], settings: &ReportSettings) -> Result<Vec<PathBuf>, ReportError> {
    let mut rows = rows.to_vec();
    rows.sort_by(Row::order);
    let groups = groups(&rows);

    fsx::create_dir_all(dir)?;
    let mut written = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        fsx::write_if_changed(&path, bytes)?;
        written.push(path);
        Ok::<(), ReportError>(())
    };
    put(RESULTS_CSV, &frame::csv(RESULTS_CSV, frame::results(&rows))?)?;
    put(RESULTS_PARQUET, &frame::parquet(RESULTS_PARQUET, frame::results(&rows))?)?;
    put(SUMMARY_CSV, &frame::csv(SUMMARY_CSV, frame::summary(&groups))?)?;

    let context = Value::from_object(Context::new(&settings.experiment, rows, groups));
    let mut failures = Vec::new();
    let mut taken = vec![RESULTS_CSV.to_owned(), RESULTS_PARQUET.to_owned(), SUMMARY_CSV.to_owned()];
    for template in &settings.templates {
        match rendered(template, &taken, &context) {
            Ok((name, text)) => {
                put(&name, text.as_bytes())?;
                taken.push(name);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        Ok(written)
    } else {
        Err(ReportError::Templates { failures, dir: dir.to_owned() })
    }
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
