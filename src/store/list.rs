//! What lies in a store, whole or not.

use super::{Artifact, Manifest, Store, StoreError};
use crate::fsx;
use crate::stage_key::StageKey;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tacq_protocol::StageKind;

/// A folder where an artifact lies, whole or damaged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its kind.
    pub kind: StageKind,
    /// Its key.
    pub key: StageKey,
    /// Its folder.
    pub dir: PathBuf,
}

impl Entry {
    /// The artifact, its manifest read and its files' sizes checked; `Damaged` says what is wrong with it.
    pub fn open(&self, store: &Store) -> Result<Artifact, StoreError> {
        let no_manifest =
            || StoreError::Damaged { path: self.dir.clone(), problem: "it has no manifest.json".to_owned() };
        Artifact::open(store, &self.dir, &self.key)?.ok_or_else(no_manifest)
    }

    /// Time since it came into this store.
    pub fn age(&self) -> Duration {
        let written = fsx::metadata(&self.dir.join(Manifest::FILE)).or_else(|_| fsx::metadata(&self.dir));
        age(written.ok().and_then(|found| found.modified().ok()).unwrap_or(SystemTime::now()))
    }
}

/// Time since a moment; none for one that is still to come, by a clock that was set back.
pub(super) fn age(since: SystemTime) -> Duration {
    since.elapsed().unwrap_or_default()
}

impl Store {
    /// All folders of artifacts of a kind, in key order.
    pub fn entries(&self, kind: StageKind) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        let folder = self.kind_dir(kind);
        if !fsx::exists(&folder) {
            return Ok(found);
        }
        for prefix in fsx::list_dir(&folder).map_err(|e| self.error(e))? {
            for dir in fsx::list_dir(&prefix).map_err(|e| self.error(e))? {
                let key = dir.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
                found.extend(key.map(|key| Entry { kind, key, dir }));
            }
        }
        Ok(found)
    }

    /// [`Self::entries`] of several kinds; of all if none is named.
    pub fn entries_of(&self, kinds: &[StageKind]) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        for kind in StageKind::ALL {
            if kinds.is_empty() || kinds.contains(&kind) {
                found.extend(self.entries(kind)?);
            }
        }
        Ok(found)
    }
}
