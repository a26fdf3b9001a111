//! Taking artifacts out: moved into the trash by one rename, then deleted, so that a kill leaves nothing half there.

use super::lock::{Gate, KeyLock};
use super::{Pins, Store, StoreError};
use crate::fsx;
use crate::stage_key::StageKey;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tacq_protocol::StageKind;

/// Artifacts that are moved while the gate is closed: a run that begins meanwhile waits for so many renames.
const BATCH: usize = 64;

/// What became of an artifact that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed {
        /// Bytes that it had on disk.
        bytes: u64,
    },
    /// It was not there.
    Absent,
    /// A process is computing it.
    Reserved,
    /// It belongs to the plan of a run that is alive.
    InUse,
}

/// A folder, or a file, of a key that is to go.
pub(super) struct Doomed {
    pub key: StageKey,
    pub dir: PathBuf,
    /// How it is called in the trash.
    pub name: String,
    /// The kind of an artifact whose summary stays.
    pub keep_summary: Option<StageKind>,
}

impl Store {
    /// Removes an artifact, unless a process computes it or a living run uses it. `own` are the caller's pins, which
    /// are no obstacle. What tables need of it stays.
    pub fn remove(&self, kind: StageKind, key: &StageKey, own: Option<&Pins>) -> Result<Removal, StoreError> {
        let doomed = Doomed {
            key: *key,
            dir: self.artifact_dir(kind, key),
            name: format!("artifact-{key}"),
            keep_summary: Some(kind),
        };
        let mut removed = Removal::Absent;
        self.remove_doomed(&[doomed], own, &mut |removal| removed = removal)?;
        Ok(removed)
    }

    /// Removes many folders; `each` hears of each in turn.
    pub(super) fn remove_doomed(
        &self,
        all: &[Doomed],
        own: Option<&Pins>,
        each: &mut dyn FnMut(Removal),
    ) -> Result<(), StoreError> {
        for batch in all.chunks(BATCH) {
            let gate = Gate::alone(self)?;
            let in_use = self.pinned(own)?;
            let moved: Vec<_> = batch.iter().map(|doomed| self.discard(doomed, &in_use)).collect();
            drop(gate);
            for moved in moved {
                let (removal, trash) = moved?;
                if let Some(trash) = trash {
                    fsx::remove_any(&trash).map_err(|e| self.error(e))?;
                }
                each(removal);
            }
        }
        Ok(())
    }

    fn discard(
        &self,
        doomed: &Doomed,
        in_use: &BTreeSet<StageKey>,
    ) -> Result<(Removal, Option<PathBuf>), StoreError> {
        let Doomed { key, dir, name, keep_summary } = doomed;
        if !fsx::exists(dir) {
            return Ok((Removal::Absent, None));
        }
        if in_use.contains(key) {
            return Ok((Removal::InUse, None));
        }
        let Some(_lock) = KeyLock::try_take(self, key)? else { return Ok((Removal::Reserved, None)) };
        if let Some(kind) = keep_summary {
            self.keep_summary(*kind, key)?;
        }
        let bytes = fsx::disk_bytes(dir).map_err(|e| self.error(e))?;
        let trash = self.to_trash(dir, name)?;
        Ok((Removal::Removed { bytes }, Some(trash)))
    }

    /// Moves a folder of the store into the trash; the caller deletes it there.
    pub(super) fn to_trash(&self, dir: &Path, name: &str) -> Result<PathBuf, StoreError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let folder = self.trash_dir();
        fsx::create_dir_all(&folder).map_err(|e| self.error(e))?;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let to = folder.join(format!("{name}-{}-{}-{unique}", since.as_nanos(), std::process::id()));
        fsx::move_away(dir, &to).map_err(|e| self.error(e))?;
        Ok(to)
    }
}
