//! The record of one `run`: its log, the requests it sent, its summary.

use super::outcome::RunSummary;
use crate::fsx::{self, FsError};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tacq_protocol::Request;

/// A folder below `runs/` of the store. Created only when a run has something to do.
#[derive(Debug, Clone)]
pub struct RunFolder {
    dir: PathBuf,
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
    pub fn create(store: &Store) -> Result<Self, FsError> {
        let dir = store.runs_dir().join(format!("{:010}-{}", unix_now(), std::process::id()));
        fsx::create_dir_all(&dir.join("requests"))?;
        Ok(Self { dir: fsx::canonicalize(&dir)? })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The JSON log.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("log.jsonl")
    }

    /// Freezes a request, so that the stage can be reproduced alone: with folders of its own, not those of the store,
    /// which belong to who holds the reservation.
    pub fn write_request(&self, name: &str, request: &Request) -> Result<PathBuf, FsError> {
        let path = self.dir.join("requests").join(format!("{name}.json"));
        let alone = self.dir.join("requests").join(name);
        let request =
            Request { output: alone.join("output"), progress: alone.join("progress"), ..request.clone() };
        let text = serde_json::to_vec_pretty(&request).expect("requests serialize without error");
        fsx::write_atomic(&path, &text)?;
        Ok(path)
    }

    /// Writes the summary.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), FsError> {
        let text = serde_json::to_vec_pretty(record).expect("summaries serialize without error");
        fsx::write_atomic(&self.dir.join("summary.json"), &text)
    }

    /// The newest finished run of an experiment, with its folder.
    pub fn latest(store: &Store, experiment: &str) -> Option<(PathBuf, RunRecord)> {
        let runs = fsx::list_dir(&store.runs_dir()).ok()?;
        runs.into_iter().rev().find_map(|dir| {
            let bytes = fsx::read(&dir.join("summary.json")).ok()?;
            let record: RunRecord = serde_json::from_slice(&bytes).ok()?;
            (record.experiment == experiment).then_some((dir, record))
        })
    }
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|d| d.as_secs())
        .unwrap_or_default()
}
