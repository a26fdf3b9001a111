//! From there to here: checked on the way, committed under the reservation, with the manifest of who computed it.

use super::client::Received;
use super::{Remote, RemoteError};
use crate::fsx;
use crate::stage_key::StageKey;
use crate::store::summary::summary_file;
use crate::store::{Artifact, Manifest, Reservation, Store};
use std::collections::BTreeSet;
use std::path::{Component, Path};
use tacq_protocol::StageKind;

/// How a fetch ended.
#[derive(Debug)]
pub enum Fetched {
    /// It is here now.
    Here(Box<Artifact>),
    /// It is not to be had, and the stage has to be computed after all.
    Miss {
        /// Why, in words.
        why: String,
    },
}

impl Remote {
    /// Downloads a reserved artifact and commits it. `arrived` hears of bytes as they come, with those that are
    /// expected in all, and stops the download by answering false, which is a miss.
    pub fn fetch(
        &self,
        reservation: Reservation,
        arrived: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Fetched, RemoteError> {
        let (client, layout) = self.client()?;
        let miss = |why: String| Ok(Fetched::Miss { why });
        let path = layout.manifest(reservation.kind(), reservation.key());
        let Some(text) = client.read(&path)? else { return miss("it is not there any more".to_owned()) };
        let manifest = match read_manifest(&text, &reservation) {
            Ok(manifest) => manifest,
            Err(why) => return miss(format!("{path}: {why}")),
        };
        let total = manifest.bytes();
        let (mut done, mut stopped) = (0, false);
        let output = reservation.output_dir()?;
        for file in &manifest.files {
            let to = output.join(&file.path);
            fsx::create_dir_all(to.parent().expect("files lie in a folder"))?;
            let mut count = |n| {
                done += n;
                stopped = !arrived(done, total);
                !stopped
            };
            let received =
                client.download(&layout.blob(&file.blake3), &to, file.bytes, &file.blake3, &mut count)?;
            match received {
                Received::Whole => {}
                Received::Absent if stopped => return miss("the run was stopped".to_owned()),
                Received::Absent => return miss(format!("the contents of {} are missing", file.path)),
                Received::Wrong => {
                    self.note_damaged(&file.blake3);
                    return miss(format!("the contents of {} are damaged", file.path));
                }
            }
        }
        let artifact = reservation.commit_fetched(manifest, &text)?;
        Ok(Fetched::Here(Box::new(artifact)))
    }

    /// Downloads the small file that tables need of an artifact that is not here. Whether there is one.
    pub fn fetch_summary(&self, store: &Store, kind: StageKind, key: &StageKey) -> Result<bool, RemoteError> {
        if summary_file(kind).is_none() {
            return Ok(false);
        }
        let (client, layout) = self.client()?;
        let Some(text) = client.read(&layout.summary(kind, key))? else { return Ok(false) };
        if serde_json::from_slice::<serde_json::Value>(&text).is_err() {
            return Ok(false);
        }
        store.put_summary(kind, key, &text)?;
        Ok(true)
    }
}

/// The manifest of a reserved stage, as it came over the network; what is wrong with it otherwise.
fn read_manifest(text: &[u8], reservation: &Reservation) -> Result<Manifest, String> {
    let manifest: Manifest = serde_json::from_slice(text).map_err(|e| format!("no manifest: {e}"))?;
    if manifest.key != *reservation.key() || manifest.payload != *reservation.payload() {
        return Err("it is the manifest of another stage".to_owned());
    }
    let mut names = BTreeSet::new();
    for file in &manifest.files {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let is_fine = !file.path.is_empty() && Path::new(&file.path).components().all(plain);
        if !is_fine || file.path == Manifest::FILE || !names.insert(&file.path) {
            return Err(format!("it names a file {:?}, which no stage writes", file.path));
        }
        if file.blake3.len() != 64 || !file.blake3.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!("the digest of {} is none", file.path));
        }
    }
    Ok(manifest)
}
