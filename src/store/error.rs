//! What can go wrong with the store.

use crate::fsx::FsError;
use std::path::PathBuf;

/// A store that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An operation of the file system failed.
    #[error("store {}: {source}", root.display())]
    Fs {
        /// The store's folder.
        root: PathBuf,
        /// The failed operation.
        source: FsError,
    },
    /// A lock could not be taken, and not because someone else holds it.
    #[error("store {}: cannot lock {}: {source}; the file system must support advisory locks (flock)", root.display(), path.display())]
    Lock {
        /// The store's folder.
        root: PathBuf,
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A manifest that does not say what it should.
    #[error("artifact {}: {problem}; remove that folder to compute it again", path.display())]
    Damaged {
        /// The artifact's folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}
