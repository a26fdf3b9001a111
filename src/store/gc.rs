//! What of a store may go, and its going.

use super::list::age;
use super::lock::KeyLock;
use super::outbox::named;
use super::remove::Doomed;
use super::{Removal, Store, StoreError};
use crate::fsx;
use crate::stage_key::StageKey;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tacq_protocol::StageKind;

/// Folders of runs that always stay, newest first.
const KEPT_RUNS: usize = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long run folders and quarantine stay if no age is given.
const RUNS_STAY: Duration = DAY;
const QUARANTINE_STAYS: Duration = DAY.saturating_mul(14);

/// What may go.
#[derive(Debug, Clone, Default)]
pub struct GcScope {
    /// Artifacts that are wanted, and their progress; without it, age alone decides.
    pub reachable: Option<BTreeSet<StageKey>>,
    /// Only what has been in the store for so long.
    pub older_than: Option<Duration>,
    /// Kinds that stay.
    pub keep: Vec<StageKind>,
}

/// Sorts of things in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// A committed artifact.
    Artifact,
    /// What tables need of a checkpoint.
    Summary,
    /// Output and progress of a stage that was killed.
    Staging,
    /// A damaged artifact that was moved aside.
    Quarantine,
    /// The record of a run.
    Run,
    /// What was removed and could not be deleted, because a kill came first.
    Trash,
}

impl Sort {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Artifact => "artifact",
            Sort::Summary => "summary",
            Sort::Staging => "staging",
            Sort::Quarantine => "quarantine",
            Sort::Run => "run",
            Sort::Trash => "trash",
        }
    }
}

/// Something that may go.
#[derive(Debug, Clone, Serialize)]
pub struct Garbage {
    /// What it is.
    pub sort: Sort,
    /// Of an artifact, a summary and of staging: its kind.
    pub kind: Option<StageKind>,
    /// Of an artifact, a summary and of staging: its key.
    pub key: Option<StageKey>,
    /// The stage's name when it was computed, or the folder's.
    pub label: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Seconds since it came or last changed.
    pub age_secs: u64,
    #[serde(skip)]
    dir: PathBuf,
}

impl Store {
    /// What of the store is within a scope. Changes nothing, and takes no notice of who uses what: [`Self::collect`]
    /// does.
    pub fn garbage(&self, scope: &GcScope) -> Result<Vec<Garbage>, StoreError> {
        let mut found = self.unreachable(scope)?;
        found.extend(self.summaries(scope)?);
        found.extend(self.stale_staging(scope)?);
        let stays = scope.older_than.unwrap_or(QUARANTINE_STAYS);
        found.extend(self.old(Sort::Quarantine, &self.quarantine_dir(), stays)?);
        let mut runs = self.old(Sort::Run, &self.runs_dir(), Duration::ZERO)?;
        // Named by time: the last ones are the newest.
        runs.truncate(runs.len().saturating_sub(KEPT_RUNS));
        let stays = scope.older_than.unwrap_or(RUNS_STAY).as_secs();
        found.extend(runs.into_iter().filter(|run| run.age_secs >= stays));
        found.extend(self.old(Sort::Trash, &self.trash_dir(), Duration::ZERO)?);
        Ok(found)
    }

    /// Removes garbage, but for what a process computes and what belongs to the plan of a living run. `each` hears of
    /// each in turn.
    pub fn collect(
        &self,
        garbage: &[Garbage],
        each: &mut dyn FnMut(&Garbage, Removal),
    ) -> Result<(), StoreError> {
        let (keyed, plain): (Vec<_>, Vec<_>) = garbage.iter().partition(|g| g.key.is_some());
        let doomed = |g: &&Garbage| {
            let name = format!("{}-{}", g.sort.name(), g.key.map(|k| k.to_string()).unwrap_or_default());
            g.key.map(|key| Doomed { key, dir: g.dir.clone(), name, keep_summary: None })
        };
        let all: Vec<Doomed> = keyed.iter().filter_map(doomed).collect();
        let mut next = keyed.iter();
        self.remove_doomed(&all, None, &mut |removal| {
            each(next.next().expect("one answer for each"), removal);
        })?;
        for garbage in plain {
            let trash = match garbage.sort {
                Sort::Trash => garbage.dir.clone(),
                _ if !fsx::exists(&garbage.dir) => {
                    each(garbage, Removal::Absent);
                    continue;
                }
                _ => self.to_trash(&garbage.dir, garbage.sort.name())?,
            };
            fsx::remove_any(&trash).map_err(|e| self.error(e))?;
            each(garbage, Removal::Removed { bytes: garbage.bytes });
        }
        self.sweep_locks()
    }

    fn unreachable(&self, scope: &GcScope) -> Result<Vec<Garbage>, StoreError> {
        let entries = self.entries_of(&[])?;
        let doomed = entries.into_par_iter().filter(|entry| scope.takes(entry.kind, &entry.key));
        let found: Result<Vec<Option<Garbage>>, StoreError> = doomed
            .map(|entry| {
                let age = entry.age();
                if scope.older_than.is_some_and(|limit| age < limit) {
                    return Ok(None);
                }
                let label = match entry.open(self) {
                    Ok(artifact) => artifact.manifest.label,
                    Err(StoreError::Damaged { problem, .. }) => format!("damaged: {problem}"),
                    Err(other) => return Err(other),
                };
                Ok(Some(Garbage {
                    sort: Sort::Artifact,
                    kind: Some(entry.kind),
                    key: Some(entry.key),
                    label,
                    bytes: fsx::disk_bytes(&entry.dir).map_err(|e| self.error(e))?,
                    age_secs: age.as_secs(),
                    dir: entry.dir,
                }))
            })
            .collect();
        Ok(found?.into_iter().flatten().collect())
    }

    fn summaries(&self, scope: &GcScope) -> Result<Vec<Garbage>, StoreError> {
        let mut found = Vec::new();
        // Tables of the scores that stay need them.
        if scope.keep.contains(&StageKind::Evaluate) || scope.keep.contains(&StageKind::Command) {
            return Ok(found);
        }
        for (kind, prefix) in StageKind::ALL.into_iter().flat_map(|kind| self.summary_folders(kind)) {
            for mut garbage in self.old(Sort::Summary, &prefix, scope.older_than.unwrap_or_default())? {
                garbage.kind = Some(kind);
                garbage.key = garbage.label.strip_suffix(".json").and_then(|name| name.parse().ok());
                found.extend(garbage.key.is_some_and(|key| scope.takes(kind, &key)).then_some(garbage));
            }
        }
        Ok(found)
    }

    fn stale_staging(&self, scope: &GcScope) -> Result<Vec<Garbage>, StoreError> {
        let limit = scope.older_than.unwrap_or_default();
        let mut found = self.old(Sort::Staging, &self.staging_root(), limit)?;
        found.extend(self.old(Sort::Staging, &self.progress_root(), limit)?);
        let keyed = found.into_iter().filter_map(|mut garbage| {
            let (kind, key) = named(&garbage.label)?;
            // Progress of what is there already is only left over.
            let is_doomed = scope.takes(kind, &key) || self.has(kind, &key);
            (garbage.kind, garbage.key) = (Some(kind), Some(key));
            (is_doomed && !self.is_reserved(&key)).then_some(garbage)
        });
        Ok(keyed.collect())
    }

    /// What lies in a folder and has not changed for so long, in the order of names.
    fn old(&self, sort: Sort, folder: &Path, limit: Duration) -> Result<Vec<Garbage>, StoreError> {
        if !fsx::exists(folder) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for dir in fsx::list_dir(folder).map_err(|e| self.error(e))? {
            // One that goes meanwhile is another's business.
            let Some(changed) = fsx::last_change(&dir).map_err(|e| self.error(e))? else { continue };
            if age(changed) >= limit {
                let bytes = fsx::disk_bytes(&dir).map_err(|e| self.error(e))?;
                let label = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let age_secs = age(changed).as_secs();
                found.push(Garbage { sort, kind: None, key: None, label, bytes, age_secs, dir });
            }
        }
        Ok(found)
    }

    /// Removes lock files that nobody holds: they hold nobody up, but add up.
    pub fn sweep_locks(&self) -> Result<(), StoreError> {
        let folder = self.locks_dir();
        if !fsx::exists(&folder) {
            return Ok(());
        }
        for path in fsx::list_dir(&folder).map_err(|e| self.error(e))? {
            if let Some(key) = path.file_stem().and_then(|n| n.to_str()).and_then(|n| n.parse().ok())
                && let Some(lock) = KeyLock::try_take(self, &key)?
            {
                lock.remove().map_err(|e| self.error(e))?;
            }
        }
        Ok(())
    }
}

impl GcScope {
    /// Whether a key is within it, age aside.
    fn takes(&self, kind: StageKind, key: &StageKey) -> bool {
        !self.keep.contains(&kind) && !self.reachable.as_ref().is_some_and(|keys| keys.contains(key))
    }
}
