//! Digests of the user's own files, so that a model of many gigabytes is hashed once.

use crate::digest::Digest;
use crate::fsx::{self, FsError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells an unchanged file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    bytes: u64,
    modified_ns: i64,
    changed_ns: i64,
    inode: u64,
    device: u64,
}

impl Fingerprint {
    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether both are of one unchanged file, seen from different machines perhaps: they number file systems as they
    /// like.
    pub fn is_same_file(&self, other: &Self) -> bool {
        *self == Self { device: self.device, ..other.clone() }
    }

    /// Looks at a file.
    pub fn of(path: &Path) -> Result<Self, FsError> {
        let m = fsx::metadata(path)?;
        let nanoseconds = |secs: i64, nanos: i64| secs.saturating_mul(1_000_000_000).saturating_add(nanos);
        Ok(Self {
            bytes: m.len(),
            modified_ns: nanoseconds(m.mtime(), m.mtime_nsec()),
            changed_ns: nanoseconds(m.ctime(), m.ctime_nsec()),
            inode: m.ino(),
            device: m.dev(),
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    fingerprint: Fingerprint,
    digest: Digest,
}

/// A cache of digests by path. Losing it costs reading the files again; it is never trusted for a file whose
/// size, times or inode differ.
#[derive(Debug)]
pub struct SourceDigests {
    path: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    changed: bool,
}

impl SourceDigests {
    pub(super) fn load(path: PathBuf) -> Self {
        let entries =
            fsx::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, entries, changed: false }
    }

    /// Digest of a file, read only if it changed since it was last seen, and what the file was then.
    pub fn digest(&mut self, file: &Path) -> Result<(Fingerprint, Digest), FsError> {
        let file = fsx::canonicalize(file)?;
        let before = Fingerprint::of(&file)?;
        if let Some(entry) = self.entries.get(&file).filter(|e| e.fingerprint == before) {
            return Ok((before, entry.digest));
        }
        loop {
            let before = Fingerprint::of(&file)?;
            let digest = Digest::of_file(&file)?;
            // A file written while it was read has a digest of nothing: read it again.
            if Fingerprint::of(&file)? == before {
                // A file as young as the clock's grain could change again without a new time: do not remember it.
                if !is_fresh(&before) {
                    self.entries.insert(file, Entry { fingerprint: before.clone(), digest });
                    self.changed = true;
                }
                return Ok((before, digest));
            }
        }
    }

    /// Writes the cache back. A read-only store just does without.
    pub fn save(&self) {
        if !self.changed {
            return;
        }
        let text = serde_json::to_vec(&self.entries).expect("the digest cache serializes without error");
        let written = match self.path.parent() {
            Some(parent) => fsx::create_dir_all(parent).and_then(|()| fsx::write_atomic(&self.path, &text)),
            None => Ok(()),
        };
        if let Err(error) = written {
            tracing::debug!("digests are not remembered: {error}");
        }
    }
}

/// Modified within the last 50 ms, by a clock whose grain may be 10 ms.
fn is_fresh(fingerprint: &Fingerprint) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    now - fingerprint.changed_ns.max(fingerprint.modified_ns) < 50_000_000
}
