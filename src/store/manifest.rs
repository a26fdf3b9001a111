//! The record that lies in each artifact: its identity, its files, and how it came to be.

use super::{Store, StoreError};
use crate::fsx;
use crate::stage_key::{KeyPayload, StageKey};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
    pub const FILE: &str = tacq_protocol::artifact::file::MANIFEST;

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
        let Some(bytes) = Self::manifest_bytes(store, dir)? else { return Ok(None) };
        let manifest: Manifest = parse(dir, &bytes)?;
        check(dir, key, &manifest.key, manifest.files.iter().map(|file| (file.path.as_str(), file.bytes)))?;
        Ok(Some(Self { dir: dir.to_owned(), manifest }))
    }

    /// Checks the same, and reads of the manifest only what computing the artifact took.
    pub(super) fn glance(store: &Store, dir: &Path, key: &StageKey) -> Result<Option<Glance>, StoreError> {
        let Some(bytes) = Self::manifest_bytes(store, dir)? else { return Ok(None) };
        let seen: Seen<'_> = parse(dir, &bytes)?;
        check(dir, key, &seen.key, seen.files.iter().map(|file| (&*file.path, file.bytes)))?;
        let bytes = seen.files.iter().map(|file| file.bytes).sum();
        Ok(Some(Glance { wall_secs: seen.execution.engine.wall_secs, bytes }))
    }

    fn manifest_bytes(store: &Store, dir: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        fsx::read_if_exists(&dir.join(Manifest::FILE)).map_err(|e| store.error(e))
    }

    /// Reads one of its JSON files.
    pub fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let damaged = |problem: String| StoreError::Damaged { path: self.dir.clone(), problem };
        read_json(&self.dir, name)?.ok_or_else(|| damaged(format!("{name} is missing")))
    }
}

/// What computing an artifact took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glance {
    /// Seconds.
    pub wall_secs: f64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// The few fields of a manifest that a lookup needs, without copies: plans look at ten thousand.
#[derive(Deserialize)]
struct Seen<'a> {
    key: StageKey,
    #[serde(borrow)]
    files: Vec<SeenFile<'a>>,
    execution: SeenExecution,
}

#[derive(Deserialize)]
struct SeenFile<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    bytes: u64,
}

#[derive(Deserialize)]
struct SeenExecution {
    engine: SeenEngine,
}

#[derive(Deserialize)]
struct SeenEngine {
    wall_secs: f64,
}

fn damaged(dir: &Path, problem: String) -> StoreError {
    StoreError::Damaged { path: dir.to_owned(), problem }
}

fn parse<'a, T: Deserialize<'a>>(dir: &Path, bytes: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| damaged(dir, format!("{}: {e}", Manifest::FILE)))
}

/// Whether a manifest is the one of this key, and its files are there in their sizes.
fn check<'a>(
    dir: &Path,
    key: &StageKey,
    found: &StageKey,
    files: impl Iterator<Item = (&'a str, u64)>,
) -> Result<(), StoreError> {
    if found != key {
        return Err(damaged(dir, format!("its manifest is that of {found}")));
    }
    for (path, bytes) in files {
        match fsx::metadata(&dir.join(path)) {
            Ok(found) if found.len() == bytes => {}
            Ok(found) => {
                let problem = format!("{path} has {} bytes where the manifest says {bytes}", found.len());
                return Err(damaged(dir, problem));
            }
            Err(error) => return Err(damaged(dir, error.to_string())),
        }
    }
    Ok(())
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
