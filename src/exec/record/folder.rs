//! The folder of one run.

use crate::exec::outcome::RunSummary;
use crate::fsx::{self, FsError};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use tacq_protocol::Request;

/// A folder below `runs/` of the store. Created only when a run has something to do.
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    // Held for its lock.
    _alive: File,
}

/// Contents of `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The experiment's name.
    pub experiment: String,
    /// The command as it was typed.
    pub command: String,
    /// Seconds since 1970 when it began.
    pub started_unix: u64,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// The experiment's file; absent where a version that did not say it began the run.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Whether its stages are jobs of a cluster.
    #[serde(default)]
    pub cluster: bool,
}

/// Contents of `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The experiment's name.
    pub experiment: String,
    /// Seconds since 1970 when the run ended.
    pub ended_unix: u64,
    /// How it ended.
    pub summary: RunSummary,
}

impl RunRecord {
    /// The record of a run that ends now.
    pub fn new(experiment: &str, summary: RunSummary) -> Self {
        Self { experiment: experiment.to_owned(), ended_unix: unix_now(), summary }
    }
}

impl RunFolder {
    /// A new folder, named by time and process.
    pub fn create(
        store: &Store,
        (experiment, file, is_cluster): (&str, &Path, bool),
        command: &str,
    ) -> Result<Self, FsError> {
        let started = Started {
            experiment: experiment.to_owned(),
            command: command.to_owned(),
            started_unix: unix_now(),
            pid: std::process::id(),
            host: super::super::job::host_name(),
            file: fsx::canonicalize(file).ok(),
            cluster: is_cluster,
        };
        let runs = store.runs_dir();
        fsx::create_dir_all(&runs)?;
        let dir = fsx::create_new_dir(&runs, &format!("{:010}-{}", started.started_unix, started.pid))?;
        fsx::create_dir_all(&dir.join("requests"))?;
        let dir = fsx::canonicalize(&dir)?;
        let alive = fsx::open_lock(&dir.join(ALIVE))?;
        if let Err(error) = locked(&alive) {
            tracing::warn!(
                "{}: cannot be locked ({error}), so that `status` will not see this run",
                dir.display()
            );
        }
        let text = serde_json::to_vec_pretty(&started).expect("plain data");
        fsx::write_atomic(&dir.join(RUN), &text)?;
        Ok(Self { dir, _alive: alive })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The JSON log.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Freezes a request, so that the stage can be reproduced alone: with folders of its own, not those of the store,
    /// which belong to who holds the reservation.
    pub fn write_request(&self, name: &str, request: &Request) -> Result<PathBuf, FsError> {
        let path = self.dir.join("requests").join(format!("{name}.json"));
        let alone = self.dir.join("requests").join(name);
        let request =
            Request { output: alone.join("output"), progress: alone.join("progress"), ..request.clone() };
        let text = serde_json::to_vec_pretty(&request).expect("requests serialize without error");
        // Not worth waiting for the disk: a request that a power failure took is written again with the next attempt.
        fsx::replace(&path, &text)?;
        Ok(path)
    }

    /// Writes the summary.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), FsError> {
        let text = serde_json::to_vec_pretty(record).expect("summaries serialize without error");
        fsx::write_atomic(&self.dir.join(SUMMARY), &text)
    }
}

/// Locks a file that others look at for a moment, to see whether it is locked.
fn locked(alive: &File) -> Result<(), std::fs::TryLockError> {
    let mut last = alive.try_lock();
    for _ in 0..LOOKS {
        if !matches!(last, Err(std::fs::TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        last = alive.try_lock();
    }
    last
}

/// Tries to lock what others look at.
const LOOKS: usize = 50;

pub(super) const ALIVE: &str = "alive";
pub(super) const LOG: &str = "log.jsonl";
pub(super) const RUN: &str = "run.json";
pub(super) const SUMMARY: &str = "summary.json";

/// Seconds since 1970.
pub(in crate::exec) fn unix_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|d| d.as_secs())
        .unwrap_or_default()
}
