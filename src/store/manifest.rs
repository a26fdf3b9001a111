//! The record that lies in each artifact: its identity, its files, and how it came to be.

use super::{Store, StoreError};
use crate::fsx;
use crate::stage_key::{KeyPayload, StageKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tacq_protocol::event::Provenance;
use tacq_protocol::stage::FileDigest;

/// Contents of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The stage's key: the hash of `payload`.
    pub key: StageKey,
    /// Everything that was hashed into the key.
    pub payload: KeyPayload,
    /// Name of the stage in the experiment that computed it.
    pub label: String,
    /// The artifact's files, in path order, this one excepted.
    pub files: Vec<FileDigest>,
    /// How it was computed; never part of the key.
    pub execution: Execution,
}

/// How an artifact came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// What the engine says.
    pub engine: Provenance,
    /// The driver's version.
    pub driver: String,
    /// The machine's name.
    pub host: String,
    /// Seconds since 1970 when it was committed.
    pub committed_unix: u64,
    /// Local paths of sources, by role.
    pub sources: BTreeMap<String, PathBuf>,
    /// The run's folder, with log and request.
    pub run: Option<PathBuf>,
}

impl Manifest {
    /// Name of the manifest inside an artifact.
    pub const FILE: &str = "manifest.json";

    /// Bytes of the artifact's files. Those of files of the hub lie in the hub's cache.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// A committed artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its folder.
    pub dir: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Artifact {
    /// Reads the manifest and checks that every file is there in its size.
    pub(super) fn open(store: &Store, dir: &Path, key: &StageKey) -> Result<Option<Self>, StoreError> {
        let damaged = |problem: String| StoreError::Damaged { path: dir.to_owned(), problem };
        let Some(bytes) = fsx::read_if_exists(&dir.join(Manifest::FILE)).map_err(|e| store.error(e))? else {
            return Ok(None);
        };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|e| damaged(format!("manifest.json: {e}")))?;
        if manifest.key != *key {
            return Err(damaged(format!("its manifest is that of {}", manifest.key)));
        }
        for file in &manifest.files {
            match fsx::metadata(&dir.join(&file.path)) {
                Ok(found) if found.len() == file.bytes => {}
                Ok(found) => {
                    return Err(damaged(format!(
                        "{} has {} bytes where the manifest says {}",
                        file.path,
                        found.len(),
                        file.bytes
                    )));
                }
                Err(error) => return Err(damaged(error.to_string())),
            }
        }
        Ok(Some(Self { dir: dir.to_owned(), manifest }))
    }

    /// Reads one of its JSON files.
    pub fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let damaged = |problem: String| StoreError::Damaged { path: self.dir.clone(), problem };
        read_json(&self.dir, name)?.ok_or_else(|| damaged(format!("{name} is missing")))
    }
}

/// Reads a JSON file of an artifact, if it is there.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    dir: &Path,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let damaged = |problem: String| StoreError::Damaged { path: dir.to_owned(), problem };
    let bytes = fsx::read_if_exists(&dir.join(name)).map_err(|e| damaged(e.to_string()))?;
    bytes.map(|b| serde_json::from_slice(&b).map_err(|e| damaged(format!("{name}: {e}")))).transpose()
}
