use crate::fsx::FsError;
use std::io;

/// Why something of the hub or the web cannot be had. Each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The network may not be used, and what is on disk is not enough.
    #[error(
        "HF_HUB_OFFLINE is set and {what} is not in {place}; unset it once to download, or point HF_HOME at a cache that has it"
    )]
    Offline {
        /// What is missing.
        what: String,
        /// Where it was looked for.
        place: String,
    },
    /// 401 or 403: no token, a wrong one, or a licence that was not accepted.
    #[error(
        "the hub does not give out {what} (HTTP {status}): it is private, gated or not there; accept its licence at {page}, then set HF_TOKEN to a token of that account (https://huggingface.co/settings/tokens)"
    )]
    Denied {
        /// What was asked for.
        what: String,
        /// 401 or 403.
        status: u16,
        /// The repository's page.
        page: String,
    },
    /// There is no such repository, revision, file or address.
    #[error("there is no {what}{}", hint.as_deref().map(|h| format!("; {h}")).unwrap_or_default())]
    NotFound {
        /// What was asked for.
        what: String,
        /// What else may have been meant.
        hint: Option<String>,
    },
    /// The server refuses for another reason.
    #[error("{what} cannot be downloaded: the server answers HTTP {status}")]
    Status {
        /// What was asked for.
        what: String,
        /// The status.
        status: u16,
    },
    /// The network failed again and again.
    #[error(
        "{what} cannot be downloaded: {problem} ({attempts} attempts); check the network and run again: what has arrived is kept"
    )]
    Network {
        /// What was asked for.
        what: String,
        /// What happened last.
        problem: String,
        /// How often it was tried without getting any further.
        attempts: u32,
    },
    /// An answer that makes no sense.
    #[error("{what}: the server's answer is not understood: {problem}; is HF_ENDPOINT the address of a hub?")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The contents are not what they must be.
    #[error("{what} arrived with {found} instead of {expected}; {advice}")]
    Mismatch {
        /// What was downloaded.
        what: String,
        /// Its size or hash.
        found: String,
        /// What it should be.
        expected: String,
        /// What to do.
        advice: String,
    },
    /// Not enough room on the disk.
    #[error(
        "{what} needs {needed} bytes and {folder} has {free} free; free some space, or point HF_HOME (files of the hub) or the store elsewhere"
    )]
    NoRoom {
        /// What is to be downloaded.
        what: String,
        /// Bytes that are still to come.
        needed: u64,
        /// Where they would go.
        folder: String,
        /// Bytes free there.
        free: u64,
    },
    /// A file or folder cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The run was interrupted.
    #[error("the download was interrupted; run again to go on")]
    Stopped,
}

impl HubError {
    /// Whether the cause is this machine's disk.
    pub fn is_of_disk(&self) -> bool {
        matches!(self, HubError::Fs(_) | HubError::NoRoom { .. })
    }

    /// Whether the hub could not be asked, so that what is known from before may serve.
    pub(super) fn is_of_network(&self) -> bool {
        matches!(self, HubError::Network { .. })
    }

    /// A failed write while a body arrives.
    pub(super) fn write(path: &std::path::Path, source: io::Error) -> Self {
        HubError::Fs(FsError { action: "write", path: path.to_owned(), source })
    }
}
