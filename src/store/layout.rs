//! Where things lie in a store.

use super::manifest::{self, Artifact, Glance};
use super::summary::summary_file;
use super::{Lookup, Reservation, SourceDigests, StoreError};
use crate::fsx;
use crate::stage_key::{KeyPayload, StageKey};
use std::path::{Path, PathBuf};
use tacq_protocol::StageKind;

/// Version of the layout; a store of another version lies beside, untouched.
const LAYOUT: &str = "v1";

/// A store's folder. Opening does no I/O: a store that is not there is an empty one.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store at this folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder it was opened with.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn base(&self) -> PathBuf {
        self.root.join(LAYOUT)
    }

    pub(super) fn kind_dir(&self, kind: StageKind) -> PathBuf {
        self.base().join(kind.name())
    }

    /// Folder of an artifact, whether it is there or not.
    pub fn artifact_dir(&self, kind: StageKind, key: &StageKey) -> PathBuf {
        let text = key.to_string();
        self.kind_dir(kind).join(&text[..2]).join(text)
    }

    pub(super) fn staging_root(&self) -> PathBuf {
        self.base().join("staging")
    }

    pub(super) fn staging_dir(&self, kind: StageKind, key: &StageKey) -> PathBuf {
        self.staging_root().join(format!("{kind}-{key}"))
    }

    pub(super) fn progress_root(&self) -> PathBuf {
        self.base().join("progress")
    }

    pub(super) fn progress_of(&self, kind: StageKind, key: &StageKey) -> PathBuf {
        self.progress_root().join(format!("{kind}-{key}"))
    }

    pub(super) fn locks_dir(&self) -> PathBuf {
        self.base().join("locks")
    }

    pub(super) fn lock_path(&self, key: &StageKey) -> PathBuf {
        self.locks_dir().join(format!("{key}.lock"))
    }

    pub(super) fn quarantine_dir(&self) -> PathBuf {
        self.base().join("quarantine")
    }

    pub(super) fn gate_path(&self) -> PathBuf {
        self.base().join("gate.lock")
    }

    pub(super) fn summaries_dir(&self) -> PathBuf {
        self.base().join("summaries")
    }

    pub(super) fn outbox_dir(&self) -> PathBuf {
        self.base().join("outbox")
    }

    pub(super) fn pins_dir(&self) -> PathBuf {
        self.base().join("pins")
    }

    pub(super) fn trash_dir(&self) -> PathBuf {
        self.base().join("trash")
    }

    /// Folder of what was submitted to Slurm.
    pub fn slurm_dir(&self) -> PathBuf {
        self.base().join("slurm")
    }

    /// Folder of what processes said that `serve` started.
    pub fn serve_dir(&self) -> PathBuf {
        self.base().join("serve")
    }

    /// Folder of all runs' records.
    pub fn runs_dir(&self) -> PathBuf {
        self.base().join("runs")
    }

    /// The committed artifact, its manifest read and its files' sizes checked; `None` on a miss.
    pub fn get(&self, kind: StageKind, key: &StageKey) -> Result<Option<Artifact>, StoreError> {
        Artifact::open(self, &self.artifact_dir(kind, key), key)
    }

    /// [`Self::get`], where it matters only that it is there and what it took.
    pub fn glance(&self, kind: StageKind, key: &StageKey) -> Result<Option<Glance>, StoreError> {
        Artifact::glance(self, &self.artifact_dir(kind, key), key)
    }

    /// Whether an artifact lies there, whole or damaged.
    pub fn has(&self, kind: StageKind, key: &StageKey) -> bool {
        fsx::exists(&self.artifact_dir(kind, key))
    }

    /// Bytes of a committed artifact, as its manifest says; `None` on a miss.
    pub fn bytes(&self, kind: StageKind, key: &StageKey) -> Result<Option<u64>, StoreError> {
        Ok(self.get(kind, key)?.map(|artifact| artifact.manifest.bytes()))
    }

    /// Reads a JSON file of a committed artifact without looking at the rest of it; `None` on a miss. What tables need
    /// is found also where the artifact has gone or is damaged.
    pub fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        kind: StageKind,
        key: &StageKey,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        let found = manifest::read_json(&self.artifact_dir(kind, key), name);
        if matches!(found, Ok(Some(_))) || summary_file(kind) != Some(name) {
            return found;
        }
        let path = self.summary_path(kind, key);
        let folder = path.parent().expect("summaries lie in a folder");
        match manifest::read_json(folder, &path.file_name().unwrap_or_default().to_string_lossy())? {
            Some(kept) => Ok(Some(kept)),
            // Damaged or absent, as it may be.
            None => found,
        }
    }

    /// All committed artifacts of a kind, in key order; damaged ones are left out.
    pub fn artifacts(&self, kind: StageKind) -> Result<Vec<Artifact>, StoreError> {
        let entries = self.entries(kind)?;
        Ok(entries.into_iter().filter_map(|entry| entry.open(self).ok()).collect())
    }

    /// Looks a stage up, and reserves it if it is missing.
    pub fn reserve(&self, payload: &KeyPayload) -> Result<Lookup, StoreError> {
        Reservation::take(self, payload)
    }

    /// Whether some process is computing this stage right now.
    pub fn is_reserved(&self, key: &StageKey) -> bool {
        let Ok(file) = fsx::open(&self.lock_path(key)) else { return false };
        matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
    }

    /// File in which it is remembered what rendered pages were made of.
    pub fn rendered_path(&self) -> PathBuf {
        self.base().join("rendered.json")
    }

    /// The cache of local files' digests.
    pub fn source_digests(&self) -> SourceDigests {
        SourceDigests::load(self.base().join("sources.json"))
    }

    /// Folder in which it is remembered what revisions of the hub point to.
    pub fn hub_memory(&self) -> PathBuf {
        self.base().join("hub")
    }

    pub(super) fn error(&self, source: fsx::FsError) -> StoreError {
        StoreError::Fs { root: self.root.clone(), source }
    }
}
