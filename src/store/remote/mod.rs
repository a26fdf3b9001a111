//! Artifacts shared between machines, in a bucket of S3 or a shared folder.
//!
//! ```text
//! <prefix>/v1/
//!   manifests/<kind>/<2 hex>/<key>.json   an artifact's manifest: written last and only if there is none
//!   blobs/<2 hex>/<blake3>                the files of all artifacts, by their contents
//!   summaries/<kind>/<2 hex>/<key>.json   of a checkpoint: its size, which tables need
//! ```
//!
//! A manifest is the commit point: where it is, all its blobs were there before it. Nothing is ever replaced, but for
//! a blob whose bytes were found to be wrong. What comes from here is not trusted: digests, sizes and names are checked
//! on the way, and what is not right is a miss.

mod client;
mod connect;
mod error;
mod fetch;
mod layout;
mod presence;
mod push;

pub use error::RemoteError;
pub use fetch::Fetched;
pub use push::Pushed;

use crate::spec::remote::{RemoteMode, RemoteSettings};
use client::Client;
use layout::Layout;
use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use tacq_protocol::StageKind;

/// A remote store. It is opened by the first request, so a command that makes none does not pay for it.
#[derive(Debug)]
pub struct Remote {
    settings: RemoteSettings,
    opened: OnceLock<(Client, Layout)>,
    /// Opened by one thread, while others wait.
    opening: Mutex<()>,
    /// Hashes of blobs whose bytes were found to be wrong: to be replaced by the next push of such a file.
    damaged: Mutex<BTreeSet<String>>,
}

impl Remote {
    /// A remote store with these settings.
    pub fn new(settings: RemoteSettings) -> Self {
        Self { settings, opened: OnceLock::new(), opening: Mutex::new(()), damaged: Mutex::default() }
    }

    /// Where it is.
    pub fn place(&self) -> String {
        self.settings.location.to_string()
    }

    /// Whether artifacts of a kind are pushed after they were computed.
    pub fn pushes(&self, kind: StageKind) -> bool {
        self.settings.pushes(kind)
    }

    /// Whether this machine may add to it.
    pub fn is_writable(&self) -> bool {
        self.settings.mode == RemoteMode::ReadWrite
    }

    fn client(&self) -> Result<&(Client, Layout), RemoteError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let client = Client::open(&self.settings)?;
        let layout = Layout::new(&client.prefix);
        // A bucket that is not there, or may not be listed, is told now: later it would look as if it were empty.
        client.list(&layout.root(), &mut |_| false)?;
        Ok(self.opened.get_or_init(|| (client, layout)))
    }

    fn check_writable(&self) -> Result<(), RemoteError> {
        match self.is_writable() {
            true => Ok(()),
            false => Err(RemoteError::ReadOnly { place: self.place() }),
        }
    }

    fn note_damaged(&self, blake3: &str) {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).insert(blake3.to_owned());
    }

    fn is_damaged(&self, blake3: &str) -> bool {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).contains(blake3)
    }

    fn note_repaired(&self, blake3: &str) {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).remove(blake3);
    }
}
