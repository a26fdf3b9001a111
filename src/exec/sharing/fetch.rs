//! What is missing here and lies in the remote store.

use crate::plan::{Plan, StageId, StageState, States};
use crate::stage_key::StageKey;
use crate::store::remote::{Fetched, Remote, RemoteError};
use crate::store::{Lookup, Store, StoreError, in_parallel};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tacq_protocol::StageKind;

/// Artifacts under way together.
const AT_ONCE: usize = 8;
/// How long an artifact that another process brings or computes is left alone before it is looked up again.
const BUSY_POLL: Duration = Duration::from_millis(250);

/// How far fetching is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Artifacts that are done.
    pub artifacts: usize,
    /// Artifacts in all.
    pub of: usize,
    /// Bytes that came so far.
    pub bytes: u64,
}

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchReport {
    /// Artifacts that are here now.
    pub fetched: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Labels of those that were not to be had, and why.
    pub missed: Vec<(String, String)>,
    /// Why the remote store cannot be used, if so.
    pub unreachable: Option<String>,
}

/// Brings artifacts of a plan from a remote store.
pub struct Fetcher<'a> {
    /// The stages.
    pub plan: &'a Plan,
    /// Where artifacts go.
    pub store: &'a Store,
    /// Where they come from.
    pub remote: &'a Remote,
    /// Hears how far it is, from several threads.
    pub watch: &'a (dyn Fn(Transfer) + Sync),
    /// Ends it early.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Fetcher<'_> {
    /// The states of a plan's stages with those that are in the remote store, and nothing fetched. An unreachable
    /// store is one without artifacts; why is returned too.
    pub fn look_up(&self, local: States, wanted: &[StageId]) -> (States, Option<String>) {
        match self.present(&local) {
            Ok(there) => (local.with_remote(self.plan, &there, wanted), None),
            Err(error) => (local, Some(error.to_string())),
        }
    }

    /// Which missing artifacts the remote store has. Downloads are never there.
    fn present(&self, states: &States) -> Result<BTreeSet<StageKey>, RemoteError> {
        let missing: Vec<_> = self
            .plan
            .stages
            .iter()
            .enumerate()
            .filter(|(id, stage)| stage.kind() != StageKind::Download && states.of(*id) != StageState::Hit)
            .filter_map(|(_, stage)| Some((stage.kind(), *stage.key()?)))
            .collect();
        if missing.is_empty() { Ok(BTreeSet::new()) } else { self.remote.present(&missing) }
    }

    /// Fetches the results that are there, and what stages that must run read. What is not to be had after all is
    /// computed: then more may be needed, and is fetched in turn. Afterwards no stage's state is `remote`, unless it was
    /// stopped.
    pub fn fetch(&self, local: States, wanted: &[StageId]) -> Result<(States, FetchReport), StoreError> {
        let mut report = FetchReport::default();
        let mut there = match self.present(&local) {
            Ok(there) => there,
            Err(error) => {
                report.unreachable = Some(error.to_string());
                return Ok((local, report));
            }
        };
        let mut states = local.with_remote(self.plan, &there, wanted);
        loop {
            let ids: Vec<StageId> = states.in_state(StageState::Remote).collect();
            if ids.is_empty() || (self.stop)() {
                break;
            }
            let tried = self.fetch_all(&ids, &mut report)?;
            for key in tried {
                there.remove(&key);
            }
            states = States::look_up(self.plan, self.store, wanted).with_remote(self.plan, &there, wanted);
        }
        self.fetch_summaries();
        Ok((states, report))
    }

    /// Fetches stages; returns the keys of all that were tried.
    fn fetch_all(&self, ids: &[StageId], report: &mut FetchReport) -> Result<Vec<StageKey>, StoreError> {
        let progress = Mutex::new(Transfer { of: ids.len(), ..Transfer::default() });
        let tell = |artifacts: usize, bytes: u64| {
            let mut now = progress.lock().unwrap_or_else(PoisonError::into_inner);
            now.artifacts += artifacts;
            now.bytes += bytes;
            (self.watch)(*now);
        };
        let ended = in_parallel(AT_ONCE, ids, |&id| {
            let ended = self.fetch_one(id, &|bytes| tell(0, bytes));
            tell(1, 0);
            ended
        });
        let mut tried = Vec::new();
        for (&id, ended) in ids.iter().zip(ended) {
            let stage = &self.plan.stages[id];
            match ended {
                Ok(Some(bytes)) => {
                    report.fetched += 1;
                    report.bytes += bytes;
                }
                Ok(None) => {}
                Err(RemoteError::Store(error)) => return Err(error),
                Err(RemoteError::Fs(source)) => {
                    return Err(StoreError::Fs { root: self.store.root().to_owned(), source });
                }
                Err(error) => report.missed.push((stage.label.clone(), error.to_string())),
            }
            tried.extend(stage.key());
        }
        Ok(tried)
    }

    /// Fetches a stage, unless another process brings or computes it; returns its bytes.
    fn fetch_one(&self, id: StageId, came: &dyn Fn(u64)) -> Result<Option<u64>, RemoteError> {
        let stage = &self.plan.stages[id];
        let payload = self.plan.payload(id).expect("what is in a remote store has a key");
        let reservation = loop {
            match self.store.reserve(&payload)? {
                Lookup::Miss(reservation) => break reservation,
                Lookup::Hit(_) => return Ok(None),
                // Who computes it has its inputs: then it is waited for when it is its turn. Else it is being fetched.
                Lookup::Busy if (self.stop)() || self.has_inputs(id) => return Ok(None),
                Lookup::Busy => std::thread::sleep(BUSY_POLL),
            }
        };
        let mut before = 0;
        let fetched = self.remote.fetch(reservation, &mut |done, _| {
            came(done - before);
            before = done;
            !(self.stop)()
        })?;
        match fetched {
            Fetched::Here(artifact) => {
                tracing::info!(stage = %stage.label, "fetched from {}", self.remote.place());
                Ok(Some(artifact.manifest.bytes()))
            }
            Fetched::Miss { why } => {
                Err(RemoteError::Unusable { place: self.remote.place(), what: stage.label.clone(), why })
            }
        }
    }

    fn has_inputs(&self, id: StageId) -> bool {
        let is_here = |&input: &StageId| {
            let stage = &self.plan.stages[input];
            stage.key().is_some_and(|key| self.store.has(stage.kind(), key))
        };
        self.plan.stages[id].inputs.values().all(is_here)
    }

    /// What tables need of checkpoints that are not here. A table without it lacks a column's cells, no more.
    fn fetch_summaries(&self) {
        let checkpoints: BTreeSet<StageId> = self.plan.trials.iter().filter_map(|t| t.checkpoint).collect();
        let missing: Vec<(StageKind, StageKey)> = checkpoints
            .into_iter()
            .filter_map(|id| {
                let stage = &self.plan.stages[id];
                Some((stage.kind(), *stage.key()?))
            })
            .filter(|(kind, key)| !self.store.has_summary(*kind, key))
            .collect();
        let ended =
            in_parallel(AT_ONCE, &missing, |(kind, key)| self.remote.fetch_summary(self.store, *kind, key));
        if let Some(error) = ended.into_iter().find_map(Result::err) {
            tracing::warn!("sizes of checkpoints are not known: {error}");
        }
    }
}

/// Fetches the wanted stages and no others, whatever they rest on.
pub fn fetch_results(fetcher: &Fetcher<'_>, ids: &[StageId]) -> Result<FetchReport, RemoteError> {
    let keyed = |id: &&StageId| {
        let stage = &fetcher.plan.stages[**id];
        let key = stage.key().copied()?;
        let is_missing = stage.kind() != StageKind::Download && !fetcher.store.has(stage.kind(), &key);
        is_missing.then_some((**id, stage.kind(), key))
    };
    let missing: Vec<(StageId, StageKind, StageKey)> = ids.iter().filter_map(|id| keyed(&id)).collect();
    let asked: Vec<_> = missing.iter().map(|(_, kind, key)| (*kind, *key)).collect();
    let there = fetcher.remote.present(&asked)?;
    let ids: Vec<StageId> =
        missing.iter().filter(|(_, _, key)| there.contains(key)).map(|(id, ..)| *id).collect();
    let mut report = FetchReport::default();
    fetcher.fetch_all(&ids, &mut report)?;
    fetcher.fetch_summaries();
    Ok(report)
}
