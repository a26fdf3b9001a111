//! A reserved stage with all that running it takes, and how what it made is committed.

use super::record::unix_now;
use super::worker::{Failure, LaunchError};
use crate::plan::{Source, SourceFile, Stage, StageId};
use crate::store::{Artifact, Execution, Fingerprint, Reservation, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tacq_protocol::event::Provenance;
use tacq_protocol::{FailureKind, Request};

/// A stage that this process may compute.
pub(super) struct Job {
    pub label: String,
    pub request: Request,
    pub reservation: Reservation,
    /// The user's files that the stage reads directly.
    pub sources: Vec<WatchedSource>,
    pub run_dir: Option<PathBuf>,
}

/// Why a job did not end in an artifact.
pub(super) enum JobError {
    Stage(Failure),
    Store(StoreError),
    Launch(LaunchError),
}

impl Job {
    /// Fails if a source is not what it was when its digest entered the stage's key.
    pub(super) fn check_sources(&self) -> Result<(), JobError> {
        self.sources.iter().try_for_each(WatchedSource::check)
    }

    /// Checks that the sources are still what their digests say, then commits.
    pub(super) fn commit(self, provenance: Provenance) -> Result<Made, JobError> {
        self.check_sources()?;
        let sources = self.sources.iter().map(|w| (w.role.clone(), w.source.path.clone())).collect();
        let execution = execution(provenance, sources, self.run_dir);
        self.reservation.commit(&self.label, execution).map(Made::of).map_err(JobError::Store)
    }
}

/// What a job ended in.
pub(super) struct Made {
    pub provenance: Provenance,
    /// Bytes of the artifact.
    pub bytes: u64,
}

impl Made {
    /// What is in the store now.
    pub(super) fn of(artifact: Artifact) -> Self {
        let bytes = artifact.manifest.files.iter().map(|file| file.bytes).sum();
        Self { provenance: artifact.manifest.execution.engine, bytes }
    }
}

/// A source that a stage reads, in the role it has there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WatchedSource {
    role: String,
    source: Source,
}

impl WatchedSource {
    /// The sources that a stage reads directly.
    pub(super) fn of(stage: &Stage, stages: &[Stage]) -> Vec<Self> {
        let source = |input: StageId| stages[input].source.clone();
        let inputs = stage.inputs.iter();
        inputs
            .filter_map(|(role, &i)| source(i).map(|source| Self { role: role.to_string(), source }))
            .collect()
    }

    fn check(&self) -> Result<(), JobError> {
        let changed = |file: &&SourceFile| {
            !Fingerprint::of(&file.path).is_ok_and(|found| found.is_same_file(&file.fingerprint))
        };
        match self.source.files.iter().find(changed) {
            None => Ok(()),
            Some(file) => Err(JobError::Stage(Failure {
                kind: FailureKind::InvalidInput,
                message: format!(
                    "the {} file {} changed while the sweep ran",
                    self.role,
                    file.path.display()
                ),
                hint: Some("run again: what it is now will be hashed anew".to_owned()),
            })),
        }
    }
}

/// The provenance to store beside an artifact.
pub(super) fn execution(
    engine: Provenance,
    sources: BTreeMap<String, PathBuf>,
    run: Option<PathBuf>,
) -> Execution {
    Execution {
        engine,
        driver: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_name(),
        committed_unix: unix_now(),
        sources,
        run,
    }
}

/// The machine's name; empty where it has none.
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}
