//! The HTML report: one file that holds the tables, the figures' data and all that draws them, and needs no network.
//!
//! The data of each figure is a table of CSV, embedded as it is: what a reader downloads is what was drawn.

pub mod assets;
mod circuits;
mod error;
mod html;
mod kept;
mod names;
mod outputs;
mod saliency;
mod scores;
mod sizes;
mod stages;
mod table;
pub mod tensors;
mod weights;

pub use error::PageError;
pub use kept::{Kept, kept};
pub use saliency::Spread;
pub use table::Table;

use crate::fsx;
use crate::plan::Plan;
use crate::report::{self, Difference, Row};
use crate::spec::Experiment;
use crate::store::Store;
use std::path::PathBuf;

/// Name of the page in the report's folder.
pub const REPORT: &str = "report.html";

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What was asked for.
    pub experiment: &'a Experiment,
    /// Its stages.
    pub plan: &'a Plan,
    /// Their artifacts, as far as they are there.
    pub store: &'a Store,
    /// Results, in any order.
    pub rows: &'a [Row],
    /// Paired differences of these results.
    pub differences: &'a [Difference],
}

/// Writes the page into the report's folder, whole or not at all; its path.
///
/// # Errors
/// An artifact is damaged, or the page cannot be written.
pub fn write(source: Source<'_>) -> Result<PathBuf, PageError> {
    let path = source.experiment.report.dir.join(REPORT);
    fsx::create_dir_all(&source.experiment.report.dir)?;
    fsx::write_if_changed(&path, render(source)?.as_bytes())?;
    Ok(path)
}

/// The page as text.
///
/// # Errors
/// An artifact is damaged.
pub fn render(source: Source<'_>) -> Result<String, PageError> {
    with_parts(source, html::render)
}

/// What is on the page, to be put into another one that has [`assets`].
///
/// # Errors
/// An artifact is damaged.
pub fn fragment(source: Source<'_>) -> Result<String, PageError> {
    with_parts(source, html::fragment)
}

/// [`fragment`] with what a demonstration has besides: `extra`, for its template, and tables for its figures.
///
/// # Errors
/// An artifact is damaged.
pub fn demonstration(
    source: Source<'_>,
    extra: &serde_json::Value,
    tables: Vec<Table>,
) -> Result<String, PageError> {
    with_parts(source, |parts| {
        let tables = [parts.tables, &tables].concat();
        html::demonstration(&html::Parts { tables: &tables, ..*parts }, extra)
    })
}

/// What all methods made of the same texts, side by side.
///
/// # Errors
/// Records are damaged.
pub fn answers(source: Source<'_>) -> Result<String, PageError> {
    html::answers(&outputs::collect(source, &names::trials(source))?)
}

fn with_parts(
    source: Source<'_>,
    make: impl FnOnce(&html::Parts<'_>) -> Result<String, PageError>,
) -> Result<String, PageError> {
    let mut rows = source.rows.to_vec();
    rows.sort_by(Row::order);
    let groups = report::groups(&rows);
    let trials = names::trials(source);
    let scores = scores::collect(&groups, source.differences);
    let sizes = sizes::collect(source, &trials)?;
    let weights = weights::collect(source)?;
    let circuits = circuits::collect(source)?;
    let saliency = saliency::collect(source)?;
    let outputs = outputs::collect(source, &trials)?;
    let stages = stages::collect(source)?;
    let tables = [
        scores.tables()?,
        vec![sizes.table()?],
        weights.tables()?,
        circuits.tables()?,
        vec![saliency.table()?],
        vec![stages.table()?],
    ]
    .concat();
    make(&html::Parts {
        experiment: &source.experiment.name,
        rows: &rows,
        groups: &groups,
        differences: source.differences,
        sizes: &sizes,
        weights: &weights,
        circuits: &circuits,
        saliency: &saliency,
        outputs: &outputs,
        stages: &stages,
        tables: &tables,
    })
}
