//! Files of the Hugging Face hub and of the web: what a repository holds, and its files on this disk.
//!
//! Files of the hub go to the cache folder that Python's `huggingface_hub` keeps, in its layout, so that both share one
//! copy. Whatever the network does, a file is there whole or not at all, and a download that was cut short goes on
//! where it ended. [`Settings`] are those of the environment variables that Python's library reads.

mod cache;
mod client;
mod download;
mod error;
mod exchange;
mod files;
mod listing;
mod memory;
mod settings;
mod web;

pub use cache::is_commit;
pub use error::HubError;
pub use files::{Files, Progress};
pub use listing::{ListedFile, Listing};
pub use settings::{Settings, Timing, Token};

use memory::Memory;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use tacq_protocol::stage::RepoType;

/// The hub as one run of the program sees it.
#[derive(Debug)]
pub struct Hub {
    settings: Settings,
    memory: Memory,
    client: client::Client,
}

impl Hub {
    /// A hub with these settings. What revisions point to is remembered in the folder `memory`; with `update`, they are
    /// looked up again, once each.
    pub fn new(settings: Settings, memory: PathBuf, update: bool) -> Self {
        let client = client::Client::new(&settings);
        Self { settings, memory: Memory::new(memory, update), client }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// One commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// `org/name`.
    pub repo: String,
    /// The commit's full hash.
    pub commit: String,
}

/// What stops a download early: set by an interruption.
pub type Stop = AtomicBool;
