//! Why a page cannot be made.

use crate::fsx::FsError;
use crate::report::records::RecordsError;
use crate::store::StoreError;
use std::path::PathBuf;

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// An artifact is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Records are damaged.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A tensor file is damaged.
    #[error("{} cannot be read: {why}; remove its folder and run again", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Figures' data cannot be encoded.
    #[error("cannot encode the data of a figure: {0}")]
    Csv(#[from] csv::Error),
    /// The page's own template is wrong.
    #[error("the page's template: {0:#}")]
    Template(#[from] minijinja::Error),
}
