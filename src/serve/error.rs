//! Why a server cannot start.

use crate::fsx::FsError;
use std::net::SocketAddr;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}; choose another with --port or --host")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Threads or random numbers are not to be had.
    #[error("cannot {action}: {why}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        why: String,
    },
    /// A token that could be guessed.
    #[error(
        "the token has {found} characters; use at least {least}, of letters, digits and -._~, or none to have one made"
    )]
    BadToken {
        /// Characters it has.
        found: usize,
        /// Characters it needs.
        least: usize,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The server's own template is wrong.
    #[error("the server's template: {0:#}")]
    Template(#[from] minijinja::Error),
}
