//! Advisory locks: of one key, and of the gate between runs that begin and artifacts that go.
//!
//! The kernel releases them when a process ends, however it ends, so nobody ever unlocks by hand.

use super::{Store, StoreError};
use crate::fsx;
use crate::stage_key::StageKey;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The lock of one key, held: nobody else computes, moves or removes its artifact. Its file stays when it is let go:
/// [`Store::sweep_locks`] removes those that nobody holds. Removing each at once would slow down the making of others on
/// file systems that look out for numbers of files that went a moment ago (ext4).
#[derive(Debug)]
pub(super) struct KeyLock {
    path: PathBuf,
    // Held for its lock.
    _file: File,
}

impl KeyLock {
    /// Takes the lock; `None` if someone holds it.
    pub(super) fn try_take(store: &Store, key: &StageKey) -> Result<Option<Self>, StoreError> {
        let path = store.lock_path(key);
        fsx::create_dir_all(path.parent().expect("locks lie in a folder")).map_err(|e| store.error(e))?;
        loop {
            let file = fsx::open_lock(&path).map_err(|e| store.error(e))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::Lock { root: store.root().to_owned(), path, source });
                }
            }
            // Whoever sweeps may have removed the file between our open and our lock: then we hold a lock on
            // nothing, and start over.
            let ours = file.metadata().ok().map(|m| m.ino());
            let visible = fsx::metadata(&path).ok().map(|m| m.ino());
            if ours.is_some() && ours == visible {
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }
}

impl KeyLock {
    /// Lets go of the lock and removes its file. That goes while it is still locked, so that nobody can be holding a lock
    /// on a file that others do not see; [`Self::try_take`] checks for that.
    pub(super) fn remove(self) -> Result<(), fsx::FsError> {
        fsx::remove_file(&self.path)
    }
}

/// The store's gate. Runs pass it together while they say what they use; who removes artifacts passes it alone, so
/// that nothing goes between a run's look and its claim.
#[derive(Debug)]
pub(super) struct Gate(File);

impl Gate {
    /// Waits until nobody removes anything.
    pub(super) fn shared(store: &Store) -> Result<Self, StoreError> {
        Self::pass(store, File::lock_shared)
    }

    /// Waits until it is the only one.
    pub(super) fn alone(store: &Store) -> Result<Self, StoreError> {
        Self::pass(store, File::lock)
    }

    fn pass(store: &Store, lock: fn(&File) -> std::io::Result<()>) -> Result<Self, StoreError> {
        let path = store.gate_path();
        fsx::create_dir_all(path.parent().expect("the gate lies in a folder")).map_err(|e| store.error(e))?;
        let file = fsx::open_lock(&path).map_err(|e| store.error(e))?;
        match lock(&file) {
            Ok(()) => Ok(Self(file)),
            Err(source) => Err(StoreError::Lock { root: store.root().to_owned(), path, source }),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Closing the file does it too; the file itself stays, so that all meet at the same one.
        let _ = self.0.unlock();
    }
}
