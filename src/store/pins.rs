//! What a run uses, marked for as long as it lives, so that nobody removes an artifact under a stage that reads it.

use super::lock::Gate;
use super::{Store, StoreError};
use crate::fsx::{self, FsError};
use crate::stage_key::StageKey;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys that a process uses, in a file that it keeps locked. Dropping it, or dying, frees them.
#[derive(Debug)]
pub struct Pins {
    path: PathBuf,
    // Held for its lock.
    _file: File,
}

impl Store {
    /// Marks artifacts, there or not, as in use: until the answer is dropped or the process ends, no other process
    /// removes them. What was looked up before must be looked up again: it may have gone in between.
    pub fn pin(&self, keys: impl IntoIterator<Item = StageKey>) -> Result<Pins, StoreError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let text: String = keys.into_iter().map(|key| format!("{key}\n")).collect();
        let _gate = Gate::shared(self)?;
        let folder = self.pins_dir();
        fsx::create_dir_all(&folder).map_err(|e| self.error(e))?;
        // Nanoseconds, because process ids of several machines may meet in one store.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{}-{unique}", since.as_nanos(), std::process::id()));
        let file = fsx::open_lock(&path).map_err(|e| self.error(e))?;
        let locked = file.try_lock().map_err(std::io::Error::from);
        if let Err(source) = locked {
            return Err(StoreError::Lock { root: self.root().to_owned(), path, source });
        }
        let mut pins = Pins { path, _file: file };
        // Flushed, so that it can be read on another machine as soon as the gate is open.
        let written = pins._file.write_all(text.as_bytes()).and_then(|()| pins._file.sync_data());
        written.map_err(|source| self.error(FsError { action: "write", path: pins.path.clone(), source }))?;
        Ok(pins)
    }

    /// Keys that living processes use, those of `own` excepted. For who has passed the gate alone; what dead
    /// processes left is removed.
    pub(super) fn pinned(&self, own: Option<&Pins>) -> Result<BTreeSet<StageKey>, StoreError> {
        let at = |e| self.error(e);
        let mut found = BTreeSet::new();
        let folder = self.pins_dir();
        if !fsx::exists(&folder) {
            return Ok(found);
        }
        for path in fsx::list_dir(&folder).map_err(at)? {
            if own.is_some_and(|own| own.path == path) {
                continue;
            }
            let file = match fsx::open(&path) {
                // Its process ended just now.
                Err(error) if error.is_not_found() => continue,
                other => other.map_err(at)?,
            };
            match file.try_lock_shared() {
                Ok(()) => fsx::remove_file(&path).map_err(at)?,
                Err(TryLockError::WouldBlock) => {
                    let text = fsx::read_if_exists(&path).map_err(at)?.unwrap_or_default();
                    let text = String::from_utf8_lossy(&text);
                    found.extend(text.lines().filter_map(|line| line.parse::<StageKey>().ok()));
                }
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::Lock { root: self.root().to_owned(), path, source });
                }
            }
        }
        Ok(found)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = fsx::remove_file(&self.path) {
            tracing::debug!("{error}");
        }
    }
}
