//! From here to there: blobs first, the manifest last.

use super::client::Created;
use super::{Remote, RemoteError};
use crate::fsx;
use crate::stage_key::StageKey;
use crate::store::summary::summary_file;
use crate::store::{Artifact, Execution, Manifest, Store};
use std::time::Duration;
use tacq_protocol::StageKind;
use tacq_protocol::stage::FileDigest;

/// How often a manifest is written again that someone seemed to be writing, but did not.
const ATTEMPTS: u32 = 5;

/// How a push ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// It is there now.
    New {
        /// Bytes that were uploaded; files that other artifacts have too are there already.
        bytes: u64,
    },
    /// It was there already.
    Known {
        /// Bytes of blobs that were missing or wrong, and were uploaded again.
        bytes: u64,
    },
    /// Another result is there under the same key: the stage is not deterministic, or one of the machines is not
    /// right. What is there stays.
    Differs {
        /// Files that differ, or that one of the two lacks.
        files: Vec<String>,
        /// How the other one was computed.
        theirs: Box<Execution>,
    },
}

impl Remote {
    /// Uploads an artifact. A kill at any moment leaves blobs without a manifest, which the next push finds there,
    /// never a manifest without its blobs.
    ///
    /// # Panics
    /// On a `download`: its files are links to what anybody can download.
    pub fn push(&self, artifact: &Artifact) -> Result<Pushed, RemoteError> {
        self.check_writable()?;
        let Manifest { key, payload, .. } = &artifact.manifest;
        assert!(payload.kind != StageKind::Download, "downloads are not pushed");
        let (client, layout) = self.client()?;
        let path = layout.manifest(payload.kind, key);
        if let Some(theirs) = client.read(&path)?
            && let Some(differs) = difference(&artifact.manifest, &theirs)
        {
            return Ok(differs);
        }
        let mut bytes = 0;
        for file in &artifact.manifest.files {
            bytes += self.push_blob(artifact, file)?;
        }
        if let Some(name) = summary_file(payload.kind) {
            let text = fsx::read(&artifact.dir.join(name))?;
            client.create(&layout.summary(payload.kind, key), &text)?;
        }
        let text = fsx::read(&artifact.dir.join(Manifest::FILE))?;
        for attempt in 0..ATTEMPTS {
            if client.create(&path, &text)? == Created::New {
                return Ok(Pushed::New { bytes });
            }
            if let Some(theirs) = client.read(&path)? {
                return Ok(difference(&artifact.manifest, &theirs).unwrap_or(Pushed::Known { bytes }));
            }
            // Someone was writing it and failed.
            std::thread::sleep(Duration::from_millis(100) * 2u32.pow(attempt));
        }
        Err(RemoteError::Setup {
            place: self.place(),
            problem: format!("{path} cannot be written and is not there; try again"),
        })
    }

    /// Uploads the small file that tables need of an artifact, whether the artifact is pushed or not, and even if it
    /// has gone.
    pub fn push_summary(&self, store: &Store, kind: StageKind, key: &StageKey) -> Result<(), RemoteError> {
        let Some(text) = store.summary_text(kind, key)? else { return Ok(()) };
        self.check_writable()?;
        let (client, layout) = self.client()?;
        client.create(&layout.summary(kind, key), &text).map(|_| ())
    }

    /// Uploads a file if its blob is not there; returns the bytes that were sent.
    fn push_blob(&self, artifact: &Artifact, file: &FileDigest) -> Result<u64, RemoteError> {
        let (client, layout) = self.client()?;
        let path = layout.blob(&file.blake3);
        if client.size(&path)? == Some(file.bytes) && !self.is_damaged(&file.blake3) {
            return Ok(0);
        }
        let local = artifact.dir.join(&file.path);
        if !client.upload(&path, &local, file.bytes, &file.blake3)? {
            return Err(RemoteError::LocalDamage { path: local });
        }
        self.note_repaired(&file.blake3);
        Ok(file.bytes)
    }
}

/// What tells our artifact from the one whose manifest is there; a manifest that cannot be read differs in itself.
fn difference(ours: &Manifest, theirs: &[u8]) -> Option<Pushed> {
    let Ok(theirs) = serde_json::from_slice::<Manifest>(theirs) else {
        let files = vec![Manifest::FILE.to_owned()];
        return Some(Pushed::Differs { files, theirs: Box::new(ours.execution.clone()) });
    };
    let lacks = |of: &Manifest, file: &&FileDigest| !of.files.contains(file);
    let mine = ours.files.iter().filter(|file| lacks(&theirs, file));
    let others = theirs.files.iter().filter(|file| lacks(ours, file));
    let mut files: Vec<String> = mine.chain(others).map(|file| file.path.clone()).collect();
    files.sort();
    files.dedup();
    (!files.is_empty()).then(|| Pushed::Differs { files, theirs: Box::new(theirs.execution) })
}
