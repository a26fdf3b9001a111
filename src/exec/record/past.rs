//! Runs of the past and of this moment, read from their folders.

use super::folder::{ALIVE, LOG, RUN, RunRecord, SUMMARY, Started};
use super::journal::StageRecord;
use super::live::{LIVE, Live};
use crate::fsx;
use crate::store::Store;
use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its process lives.
    Running,
    /// It ended and said how.
    Ended,
    /// Its process is gone without a word.
    Killed,
}

/// A run, as its folder tells.
#[derive(Debug, Clone)]
pub struct PastRun {
    /// Its folder.
    pub dir: PathBuf,
    /// How it stands.
    pub state: RunState,
    /// What was started; absent if it was killed before it could write that.
    pub started: Option<Started>,
    /// How it ended.
    pub record: Option<RunRecord>,
}

impl PastRun {
    /// All runs of a store, the newest first. What cannot be read is left out.
    pub fn all(store: &Store) -> impl Iterator<Item = PastRun> {
        let dirs = fsx::list_dir(&store.runs_dir()).unwrap_or_default();
        dirs.into_iter().rev().map(Self::read)
    }

    /// [`Self::all`] some time after, without reading again what had ended.
    pub fn all_again(store: &Store, before: &[PastRun]) -> Vec<PastRun> {
        let ended = |run: &&PastRun| run.state == RunState::Ended;
        let ended: BTreeMap<&Path, &PastRun> =
            before.iter().filter(ended).map(|run| (run.dir.as_path(), run)).collect();
        let dirs = fsx::list_dir(&store.runs_dir()).unwrap_or_default().into_iter().rev();
        dirs.map(|dir| ended.get(dir.as_path()).map_or_else(|| Self::read(dir.clone()), |run| (*run).clone()))
            .collect()
    }

    /// The runs of an experiment, the newest first.
    pub fn of(store: &Store, experiment: &str) -> impl Iterator<Item = PastRun> {
        Self::all(store).filter(move |run| run.experiment() == Some(experiment))
    }

    /// The run with this folder.
    pub fn read(dir: PathBuf) -> Self {
        let started: Option<Started> = json(&dir.join(RUN));
        let record: Option<RunRecord> = json(&dir.join(SUMMARY));
        let state = match (&record, is_alive(&dir)) {
            (Some(_), _) => RunState::Ended,
            (None, true) => RunState::Running,
            (None, false) => RunState::Killed,
        };
        Self { dir, state, started, record }
    }

    /// The experiment's name, if it is known.
    pub fn experiment(&self) -> Option<&str> {
        let of_record = self.record.as_ref().map(|record| record.experiment.as_str());
        of_record.or(self.started.as_ref().map(|started| started.experiment.as_str()))
    }

    /// What runs at this moment, if its process lives.
    pub fn live(&self) -> Option<Live> {
        (self.state == RunState::Running).then(|| json(&self.dir.join(LIVE))).flatten()
    }

    /// Its JSON log.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Attempts that ended so far. A torn last line is left out.
    pub fn stages(&self) -> Vec<StageRecord> {
        let bytes = fsx::read(&self.dir.join("stages.jsonl")).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    fsx::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

/// Whether some process holds the lock of a run's folder.
fn is_alive(dir: &Path) -> bool {
    let Ok(file) = fsx::open(&dir.join(ALIVE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::outcome::RunSummary;

    #[test]
    fn what_has_ended_is_not_read_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::new(dir.path());
        let run = |name: &str| store.runs_dir().join(name);
        let end = |name: &str| {
            let record = RunRecord::new(name, RunSummary::default());
            fsx::write(&run(name).join(SUMMARY), &serde_json::to_vec(&record).unwrap()).unwrap();
        };
        for name in ["1-1", "2-2"] {
            fsx::create_dir_all(&run(name)).unwrap();
        }
        end("1-1");
        let seen = |runs: &[PastRun]| runs.iter().map(|run| run.state).collect::<Vec<_>>();
        let first = PastRun::all_again(&store, &[]);
        assert_eq!(seen(&first), [RunState::Killed, RunState::Ended]);
        fsx::remove_file(&run("1-1").join(SUMMARY)).unwrap();
        end("2-2");
        fsx::create_dir_all(&run("3-3")).unwrap();
        let second = PastRun::all_again(&store, &first);
        assert_eq!(seen(&second), [RunState::Killed, RunState::Ended, RunState::Ended]);
        assert_eq!(second[2].experiment(), Some("1-1"));
    }
}
