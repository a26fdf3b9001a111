//! Whether there is room for what a stage will write: on the disk, and within the store's quota.

use super::worker::Failure;
use crate::fsx;
use crate::store::{Store, StoreError};
use std::time::{Duration, Instant};
use tacq_protocol::FailureKind;

/// Artifacts of so many bytes are not begun without looking whether there is room for them.
const LARGE: u64 = 64 << 20;

/// How long the store's size is counted on from a measurement: other processes add to the store and remove from it, and
/// small files take up more than their bytes. Nothing is refused on a size that is older than the second.
const TRUSTED: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(1)];

/// What grows while stages run, and is expected of them already.
const UNDER_WAY: [&str; 2] = ["staging", "progress"];

/// The room of a store.
pub(super) struct Room {
    quota: Option<u64>,
    used: u64,
    measured: Option<Instant>,
}

impl Room {
    pub(super) fn new(quota: Option<u64>) -> Self {
        Self { quota, used: 0, measured: None }
    }

    /// Notes what was added or removed.
    pub(super) fn changed(&mut self, added: u64, removed: u64) {
        self.used = (self.used + added).saturating_sub(removed);
    }

    /// Why there is no room for a stage that is expected to write `needed` bytes, beside `under_way` bytes of others.
    pub(super) fn problem(
        &mut self,
        store: &Store,
        needed: u64,
        under_way: u64,
    ) -> Result<Option<Failure>, StoreError> {
        if let Some(quota) = self.quota {
            let is_full = |used: u64| used + under_way + needed > quota || used >= quota;
            let trusted = TRUSTED[usize::from(is_full(self.used))];
            if self.measured.is_none_or(|at| at.elapsed() > trusted) {
                let usage = store.usage()?;
                let parts = usage.iter().filter(|part| !UNDER_WAY.contains(&part.name));
                self.used = parts.map(|part| part.bytes).sum();
                self.measured = Some(Instant::now());
            }
            if is_full(self.used) {
                return Ok(Some(failure(
                    format!(
                        "it is expected to write {}, and the store holds {} of its quota of {} (run.quota)",
                        gigabytes(needed),
                        gigabytes(self.used + under_way),
                        gigabytes(quota)
                    ),
                    "remove what is not needed (`tacq-sweep store gc`), keep less (`run.keep`), or raise the quota",
                )));
            }
        }
        if needed < LARGE {
            return Ok(None);
        }
        // A store that is not there yet, or a file system that does not say: then it is tried.
        let Ok(free) = fsx::free_space(store.root()) else { return Ok(None) };
        // Checkpoints inside the stage and the others that run take some, too.
        Ok((free < needed + needed / 8).then(|| {
            failure(
                format!(
                    "it is expected to write {}, and {} has {} left",
                    gigabytes(needed),
                    store.root().display(),
                    gigabytes(free)
                ),
                "free some space (`tacq-sweep store gc`), or choose another folder with --store",
            )
        }))
    }
}

fn failure(message: String, hint: &str) -> Failure {
    Failure { kind: FailureKind::Io, message, hint: Some(hint.to_owned()) }
}

fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
