//! What revisions pointed to and what commits hold: remembered beside the store, so that a branch that moves invalidates
//! nothing and a plan needs no network.
//!
//! One JSON file per repository. Losing it costs asking again.

use super::Snapshot;
use super::cache::folder_name;
use super::listing::ListedFile;
use crate::fsx;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tacq_protocol::stage::RepoType;

#[derive(Debug)]
pub(super) struct Memory {
    folder: PathBuf,
    /// Ask again what revisions point to.
    update: bool,
    /// Folder names and revisions that this process has asked for.
    asked: Mutex<BTreeSet<(String, String)>>,
}

/// Contents of a repository's file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// Commits by branch or tag.
    revisions: BTreeMap<String, String>,
    /// Files by commit.
    listings: BTreeMap<String, Vec<ListedFile>>,
}

impl Memory {
    pub(super) fn new(folder: PathBuf, update: bool) -> Self {
        Self { folder, update, asked: Mutex::default() }
    }

    fn path(&self, repo_type: RepoType, repo: &str) -> PathBuf {
        self.folder.join(folder_name(repo_type, repo) + ".json")
    }

    fn known(&self, repo_type: RepoType, repo: &str) -> Known {
        let bytes = fsx::read(&self.path(repo_type, repo)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// The commit that a branch or tag stands for, unless it is to be asked for again.
    pub(super) fn commit(&self, repo_type: RepoType, repo: &str, revision: &str) -> Option<String> {
        if self.update && !self.was_asked(repo_type, repo, revision) {
            return None;
        }
        self.known(repo_type, repo).revisions.remove(revision)
    }

    /// What a commit holds.
    pub(super) fn files(&self, snapshot: &Snapshot) -> Option<Vec<ListedFile>> {
        self.known(snapshot.repo_type, &snapshot.repo).listings.remove(&snapshot.commit)
    }

    /// Whether this process has asked the hub for the revision.
    pub(super) fn was_asked(&self, repo_type: RepoType, repo: &str, revision: &str) -> bool {
        let key = (folder_name(repo_type, repo), revision.to_owned());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    /// Remembers what the hub said; a store that cannot be written just asks again next time.
    pub(super) fn remember(&self, snapshot: &Snapshot, revision: Option<&str>, files: Option<&[ListedFile]>) {
        let Snapshot { repo_type, repo, commit } = snapshot;
        let mut known = self.known(*repo_type, repo);
        if let Some(revision) = revision {
            known.revisions.insert(revision.to_owned(), commit.clone());
            let key = (folder_name(*repo_type, repo), revision.to_owned());
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        if let Some(files) = files {
            known.listings.insert(commit.clone(), files.to_vec());
        }
        let text = serde_json::to_vec(&known).expect("names and hashes serialize without error");
        let written = fsx::create_dir_all(&self.folder)
            .and_then(|()| fsx::write_if_changed(&self.path(*repo_type, repo), &text));
        if let Err(error) = written {
            tracing::debug!("revisions are not remembered: {error}");
        }
    }
}
