//! Files that the driver, its jobs and a later driver share.
//!
//! ```text
//! <store>/v1/slurm/<run>/                  what one driver submitted; <run> is 8 hexadecimal digits
//!   journal.jsonl                          what was submitted and what became of it
//!   jobs/<array>/<task>.json               all that a job needs, frozen
//!   jobs/<array>/<task>.result.json        how it ended, written last and by rename
//!   jobs/<array>/<task>.log                what it said; engine-<task>.log is its engine's
//! ```

use crate::exec::job::WatchedSource;
use crate::exec::worker::Failure;
use crate::fsx::{self, FsError};
use crate::stage_key::{KeyPayload, StageKey};
use crate::store::Store;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use tacq_protocol::event::Provenance;
use tacq_protocol::{Request, StageKind};

/// Version of a job's file. A job of another version is not run: the program was replaced while it was queued.
pub(super) const VERSION: u32 = 1;

/// All that a job needs to compute one stage: nothing is planned where it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobFile {
    /// [`VERSION`].
    pub version: u32,
    /// The stage's label.
    pub label: String,
    /// The store's folder.
    pub store: PathBuf,
    /// What identifies the stage.
    pub payload: KeyPayload,
    /// What the engine is asked for; the folders to write to are those of the reservation.
    pub request: Request,
    /// The user's files that the stage reads directly.
    pub sources: Vec<WatchedSource>,
    /// The artifacts that it reads.
    pub inputs: Vec<Input>,
    /// The engine.
    pub engine: PathBuf,
    /// The run's folder, for the manifest.
    pub run_dir: Option<PathBuf>,
    /// Longest time of one attempt, in seconds.
    pub timeout_secs: Option<u64>,
    /// Longest silence of the engine, in seconds.
    pub hang_secs: u64,
    /// Further attempts after the engine died or hung.
    pub retries: u32,
    /// Seconds that a file written on another machine may take to be seen here.
    pub grace_secs: f64,
}

/// An artifact that must be there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Input {
    /// Label of its stage.
    pub label: String,
    /// Kind of its stage.
    pub kind: StageKind,
    /// Its key.
    pub key: StageKey,
}

/// How a job ended, as it says itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobResult {
    /// How.
    pub ending: Ending,
    /// The machine.
    pub host: String,
    /// The job, as Slurm names it.
    pub job: Option<String>,
    /// How often Slurm has started it anew.
    pub restarts: u32,
    /// Seconds since 1970.
    pub ended_unix: u64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Ending {
    /// It computed its stage.
    Computed {
        /// What the engine says.
        provenance: Provenance,
    },
    /// The artifact was there.
    Hit,
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// What it reads is not there.
    MissingInput {
        /// Which, in a sentence.
        message: String,
    },
    /// It reached its time limit and wrote no progress on the way.
    OutOfTime,
    /// It was told to stop, kept its progress, and could not put itself back into the queue.
    Interrupted,
}

impl Ending {
    /// Whether the artifact is there.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Computed { .. } | Self::Hit)
    }
}

/// The folder of what one driver submitted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunDir(pub PathBuf);

impl RunDir {
    /// A folder of this name.
    pub fn new(store: &Store, name: &str) -> Self {
        let dir = store.slurm_dir().join(name);
        Self(std::path::absolute(&dir).unwrap_or(dir))
    }

    /// All folders, by name.
    pub fn all(store: &Store) -> Result<Vec<Self>, FsError> {
        let dir = store.slurm_dir();
        if !fsx::exists(&dir) {
            return Ok(Vec::new());
        }
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        let folders = fsx::list_dir(&dir)?.into_iter().map(Self);
        Ok(folders.filter(|folder| fsx::exists(&folder.journal())).collect())
    }

    /// Its name: 8 hexadecimal digits.
    pub fn name(&self) -> String {
        self.0.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    pub fn array(&self, array: u32) -> PathBuf {
        self.0.join("jobs").join(array.to_string())
    }

    pub fn job(&self, array: u32, task: u32) -> PathBuf {
        self.array(array).join(format!("{task}.json"))
    }

    pub fn log(&self, array: u32, task: u32) -> PathBuf {
        self.array(array).join(format!("{task}.log"))
    }
}

/// Where a job of this file leaves its result.
pub(super) fn result_path(job: &Path) -> PathBuf {
    job.with_extension("result.json")
}

/// The task that a result is of, from its file's name.
pub(super) fn task_of_result(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_suffix(".result.json")?.parse().ok()
}

pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), FsError> {
    let text = serde_json::to_vec_pretty(value).expect("plain data");
    fsx::write_atomic(path, &text)
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, FsError> {
    let bytes = fsx::read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| FsError {
        action: "make sense of",
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })
}
