//! Why a report is not complete.

use crate::fsx::FsError;
use polars::error::PolarsError;
use std::path::PathBuf;

/// Why a report is not complete. Errors of templates come last: the tables are written before.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A table cannot be encoded.
    #[error("cannot encode {table}: {source}")]
    Encode {
        /// The file's name.
        table: &'static str,
        /// Why.
        source: PolarsError,
    },
    /// A table cannot be written as CSV.
    #[error("cannot encode {table}: {source}")]
    Csv {
        /// The file's name.
        table: &'static str,
        /// Why.
        source: csv::Error,
    },
    /// Printed scores cannot be read.
    #[error("{}: {source}; expected the columns of results/paper/2504.07389v1.csv", path.display())]
    Printed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// Templates that could not be rendered; all others and the tables are there.
    #[error("{}\nthe tables are in {}", list(failures), dir.display())]
    Templates {
        /// At least one.
        failures: Vec<TemplateError>,
        /// Folder of the tables.
        dir: PathBuf,
    },
}

/// What is wrong with one template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {template}{}: {message}", place(line))]
pub struct TemplateError {
    /// As named in the experiment file, or as included.
    pub template: String,
    /// Counted from one.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

fn place(line: &Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

fn list(failures: &[TemplateError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
