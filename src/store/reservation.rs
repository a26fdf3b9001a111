//! The right to compute one stage.

use super::lock::KeyLock;
use super::manifest::{Artifact, Execution, Manifest};
use super::{Store, StoreError};
use crate::digest::Digest;
use crate::fsx;
use crate::stage_key::{KeyPayload, StageKey};
use std::path::PathBuf;
use tacq_protocol::StageKind;
use tacq_protocol::stage::FileDigest;
use tacq_protocol::units::Device;

/// Seconds of computing that a wait for the disk protects: less is sooner computed again than waited for, stage by stage.
const WORTH_WAITING: f64 = 1.0;

/// Answer to looking a stage up.
#[derive(Debug)]
pub enum Lookup {
    /// It is there.
    Hit(Box<Artifact>),
    /// It is not, and whoever holds this may compute it.
    Miss(Reservation),
    /// It is not, and another process is computing it.
    Busy,
}

/// A missing stage that this process alone may compute. Dropping it, or dying, gives it back; staged progress
/// stays for whoever takes it next.
#[derive(Debug)]
pub struct Reservation {
    store: Store,
    payload: KeyPayload,
    key: StageKey,
    // Held for its lock.
    _lock: KeyLock,
}

impl Reservation {
    pub(super) fn take(store: &Store, payload: &KeyPayload) -> Result<Lookup, StoreError> {
        let key = payload.key();
        if let Some(artifact) = undamaged(store, payload, &key)? {
            return Ok(Lookup::Hit(Box::new(artifact)));
        }
        let Some(lock) = KeyLock::try_take(store, &key)? else { return Ok(Lookup::Busy) };
        let reservation = Self { store: store.clone(), payload: payload.clone(), key, _lock: lock };
        // Another process may have committed between the look and the lock.
        match undamaged(store, payload, &key)? {
            Some(artifact) => Ok(Lookup::Hit(Box::new(artifact))),
            None => Ok(Lookup::Miss(reservation)),
        }
    }

    /// The key reserved.
    pub fn key(&self) -> &StageKey {
        &self.key
    }

    /// What it is the hash of.
    pub fn payload(&self) -> &KeyPayload {
        &self.payload
    }

    /// The kind of stage reserved.
    pub fn kind(&self) -> StageKind {
        self.payload.kind
    }

    fn staging(&self) -> PathBuf {
        self.store.staging_dir(self.payload.kind, &self.key)
    }

    fn progress(&self) -> PathBuf {
        self.store.progress_of(self.payload.kind, &self.key)
    }

    /// Where progress is kept across attempts on one sort of device; the stage makes it when it has something to keep.
    /// What was begun on another sort is not continued, so that an artifact has the bytes of one.
    pub fn progress_dir(&self, device: Device) -> PathBuf {
        let sort = match device {
            Device::Cpu => "cpu",
            Device::Cuda(_) => "cuda",
        };
        self.progress().join(sort)
    }

    /// Where a download keeps what has arrived, across attempts; created if missing.
    pub fn partial_dir(&self) -> Result<PathBuf, StoreError> {
        let dir = self.progress().join("partial");
        fsx::create_dir_all(&dir).map_err(|e| self.store.error(e))?;
        Ok(dir)
    }

    /// An empty folder for the stage's files.
    pub fn output_dir(&self) -> Result<PathBuf, StoreError> {
        let dir = self.staging();
        fsx::remove_dir_all(&dir)
            .and_then(|()| fsx::create_dir_all(&dir))
            .map_err(|e| self.store.error(e))?;
        Ok(dir)
    }

    /// Makes what lies in the output folder the artifact: digests, manifest, flush, one rename.
    pub fn commit(self, label: &str, execution: Execution) -> Result<Artifact, StoreError> {
        self.commit_knowing(label, execution, &[])
    }

    /// [`Self::commit`] where digests of some files are known, so that they are not read again.
    pub fn commit_knowing(
        self,
        label: &str,
        execution: Execution,
        known: &[FileDigest],
    ) -> Result<Artifact, StoreError> {
        let at = |e| self.store.error(e);
        let output = self.staging();
        let names = fsx::list_files(&output).map_err(at)?;
        let is_known = |path: &String| known.iter().any(|known| known.path == *path);
        let unflushed: Vec<PathBuf> =
            names.iter().filter(|path| !is_known(path)).map(|path| output.join(path)).collect();
        let digest = |path: String| {
            if let Some(known) = known.iter().find(|known| known.path == path) {
                return Ok(known.clone());
            }
            let full = output.join(&path);
            let bytes = fsx::metadata(&full)?.len();
            Ok(FileDigest { bytes, blake3: Digest::of_file(&full)?.to_string(), path })
        };
        let files = names.into_iter().map(digest).collect::<Result<Vec<_>, _>>().map_err(at)?;
        let manifest = Manifest {
            key: self.key,
            payload: self.payload.clone(),
            label: label.to_owned(),
            files,
            execution,
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("manifests serialize without error");
        let (store, kind, key) = (self.store.clone(), self.payload.kind, self.key);
        // Tables do not depend on what happens to a checkpoint later. Before it is in its place: a run that is killed
        // between the two leaves none without it. If there is no room, they need the artifact.
        if let Err(error) = store.keep_summary_from(&output, kind, &key) {
            tracing::warn!("{error}");
        }
        self.put_in_place(manifest, &text, unflushed)
    }

    /// Makes what lies in the output folder, flushed and equal to the digests of a manifest from elsewhere, the
    /// artifact, with that manifest as it is.
    pub(super) fn commit_fetched(self, manifest: Manifest, text: &[u8]) -> Result<Artifact, StoreError> {
        self.put_in_place(manifest, text, Vec::new())
    }

    fn put_in_place(
        self,
        manifest: Manifest,
        text: &[u8],
        mut unflushed: Vec<PathBuf>,
    ) -> Result<Artifact, StoreError> {
        let at = |e| self.store.error(e);
        let output = self.staging();
        let path = output.join(Manifest::FILE);
        // Nobody reads it before the folder is in its place, as a whole.
        fsx::write(&path, text).map_err(at)?;
        unflushed.extend([path, output.clone()]);
        fsx::sync_all(&unflushed).map_err(at)?;
        let dir = self.store.artifact_dir(self.payload.kind, &self.key);
        // What is in the way is not a hit, or there would be no reservation: a damaged artifact.
        fsx::remove_dir_all(&dir).map_err(at)?;
        fsx::create_dir_all(dir.parent().expect("artifact folders have a parent")).map_err(at)?;
        // After a power failure it is in its place or not there at all, in any case. What took long is worth waiting until
        // the disk has that, too.
        match manifest.execution.engine.wall_secs < WORTH_WAITING {
            true => fsx::move_away(&output, &dir).map_err(at)?,
            false => fsx::rename(&output, &dir).map_err(at)?,
        }
        // The artifact is committed; left over progress is only untidy.
        if let Err(error) = fsx::remove_dir_all(&self.progress()) {
            tracing::warn!("{error}");
        }
        Ok(Artifact { dir, manifest })
    }
}

/// The committed artifact, if it is whole; a damaged one is computed again.
fn undamaged(store: &Store, payload: &KeyPayload, key: &StageKey) -> Result<Option<Artifact>, StoreError> {
    match store.get(payload.kind, key) {
        Err(error @ StoreError::Damaged { .. }) => {
            tracing::warn!("computing a stage again: {error}");
            Ok(None)
        }
        other => other,
    }
}
