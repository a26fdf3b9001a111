//! The runs of an experiment.

use crate::exec::{Live, PastRun, RunState, StageRecord};
use crate::store::Store;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Reads the runs of a store again and again, those that ended once.
#[derive(Debug, Default)]
pub(super) struct Runs {
    known: Vec<PastRun>,
    /// Why stages failed in the newest run, by label, and how far it was when that was read.
    failures: BTreeMap<String, String>,
    failures_of: Option<(PathBuf, RunState, u64)>,
}

impl Runs {
    /// The runs of an experiment, the newest first.
    pub fn of(&mut self, store: &Store, experiment: &str) -> Vec<PastRun> {
        self.known = PastRun::all_again(store, &self.known);
        self.known.iter().filter(|run| run.experiment() == Some(experiment)).cloned().collect()
    }

    /// Why stages failed in a run and did not succeed since, by label.
    pub fn failures(&mut self, run: Option<&PastRun>, live: Option<&Live>) -> &BTreeMap<String, String> {
        let of = run.map(|run| (run.dir.clone(), run.state, live.map_or(0, |live| live.renewed_unix)));
        if self.failures_of != of {
            self.failures.clear();
            for StageRecord { label, failure, .. } in run.map(PastRun::stages).unwrap_or_default() {
                match failure {
                    Some(failure) => self.failures.insert(label, failure.to_string()),
                    None => self.failures.remove(&label),
                };
            }
            self.failures_of = of;
        }
        &self.failures
    }
}
