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

impl Store {
    /// Removes an artifact, unless a process computes it or a living run uses it. `own` are the caller's pins, which
    /// are no obstacle.
    pub fn remove(&self, kind: StageKind, key: &StageKey, own: Option<&Pins>) -> Result<Removal, StoreError> {
        let mut removed = Removal::Absent;
        self.remove_all(&[(kind, *key)], own, &mut |_, removal| removed = removal)?;
        Ok(removed)
    }

    /// [`Self::remove`] for many; `each` hears of each in turn.
    pub fn remove_all(
        &self,
        artifacts: &[(StageKind, StageKey)],
        own: Option<&Pins>,
        each: &mut dyn FnMut(&(StageKind, StageKey), Removal),
    ) -> Result<(), StoreError> {
        for batch in artifacts.chunks(BATCH) {
            let gate = Gate::alone(self)?;
            let in_use = self.pinned(own)?;
            let moved: Vec<_> = batch.iter().map(|(kind, key)| self.discard(*kind, key, &in_use)).collect();
            drop(gate);
            for (artifact, moved) in batch.iter().zip(moved) {
                let (removal, trash) = moved?;
                if let Some(trash) = trash {
                    fsx::remove_dir_all(&trash).map_err(|e| self.error(e))?;
                }
                each(artifact, removal);
            }
        }
        Ok(())
    }

    fn discard(
        &self,
        kind: StageKind,
        key: &StageKey,
        in_use: &BTreeSet<StageKey>,
    ) -> Result<(Removal, Option<PathBuf>), StoreError> {
        let dir = self.artifact_dir(kind, key);
        if !fsx::exists(&dir) {
            return Ok((Removal::Absent, None));
        }
        if in_use.contains(key) {
            return Ok((Removal::InUse, None));
        }
        let Some(_lock) = KeyLock::try_take(self, key)? else { return Ok((Removal::Reserved, None)) };
        let bytes = fsx::disk_bytes(&dir).map_err(|e| self.error(e))?;
        let trash = self.to_trash(&dir, &format!("{kind}-{key}"))?;
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
