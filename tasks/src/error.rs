//! What can be wrong with a data set.

use std::path::{Path, PathBuf};

/// Why examples could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A file cannot be read.
    #[error("{}: {}", path.display(), in_words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what its data set's layout says.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which row or line.
        reason: String,
    },
    /// A prediction cannot be scored by executing it.
    #[error(transparent)]
    Sql(#[from] crate::sql::SqlError),
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

impl TaskError {
    /// A file that is not what it should be.
    pub fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        TaskError::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}
