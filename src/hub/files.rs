//! Files of a commit: several at once, into the cache.

use super::cache::{RepoCache, is_inside};
use super::client::Tries;
use super::download::{Transfer, length};
use super::error::HubError;
use super::listing::{encode, sort};
use super::{Hub, Snapshot, Stop};
use crate::fsx;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tacq_protocol::stage::RepoType;

/// Files that are downloaded side by side.
const SIDE_BY_SIDE: usize = 4;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(20);

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are here.
    pub done: u64,
    /// Bytes in all, as far as known.
    pub total: u64,
}

/// Files of a commit on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Path in the repository and where it is, in the order asked for.
    pub paths: Vec<(String, PathBuf)>,
    /// Bytes that came over the network.
    pub downloaded: u64,
}

/// A file that is not here yet.
struct Missing {
    path: String,
    /// Names the contents; a SHA-256 for large files.
    etag: String,
    size: u64,
    arrived: AtomicU64,
}

impl Hub {
    /// Where a file of a commit is, if it is here.
    pub fn cached(&self, snapshot: &Snapshot, path: &str) -> Option<PathBuf> {
        let pointer = self.cache_of(snapshot).pointer(&snapshot.commit, path);
        (is_inside(path) && fsx::exists(&pointer)).then_some(pointer)
    }

    /// Makes sure that these files of a commit are in the cache.
    pub fn download(
        &self,
        snapshot: &Snapshot,
        paths: &[String],
        progress: &mut dyn FnMut(Progress),
        stop: &Stop,
    ) -> Result<Files, HubError> {
        let listed = self.memory.files(snapshot).unwrap_or_default();
        let is_whole = |path: &str| {
            let size = listed.iter().find(|file| file.path == path).and_then(|file| file.size);
            self.cached(snapshot, path).is_some_and(|here| size.is_none_or(|size| length(&here) == size))
        };
        let missing: Vec<&String> = paths.iter().filter(|path| !is_whole(path)).collect();
        let mut downloaded = 0;
        if let Some(first) = missing.first() {
            let what = match missing.len() {
                1 => format!("{first} of {}", snapshot.repo),
                n => format!("{first} (and {} more) of {}", n - 1, snapshot.repo),
            };
            if self.settings.offline {
                return Err(self.offline(what));
            }
            let missing = side_by_side(&missing, stop, |path, stop| self.look(snapshot, path, stop))?;
            downloaded = self.fetch(snapshot, &missing, &what, progress, stop)?;
        }
        let cache = self.cache_of(snapshot);
        let paths = paths.iter().map(|p| (p.clone(), cache.pointer(&snapshot.commit, p))).collect();
        Ok(Files { paths, downloaded })
    }

    /// Remembers in the cache, for Python as for us, that a branch or tag points to a commit whose files are here. What
    /// the cache knows from a later look stays.
    pub fn note_revision(&self, snapshot: &Snapshot, revision: &str) -> Result<(), HubError> {
        let cache = self.cache_of(snapshot);
        let is_news = self.memory.was_asked(snapshot.repo_type, &snapshot.repo, revision);
        if super::cache::is_commit(revision) || (cache.reference(revision).is_some() && !is_news) {
            return Ok(());
        }
        cache.write_reference(revision, &snapshot.commit)
    }

    fn cache_of(&self, snapshot: &Snapshot) -> RepoCache {
        RepoCache::new(&self.settings.cache, snapshot.repo_type, &snapshot.repo)
    }

    fn url(&self, snapshot: &Snapshot, path: &str) -> String {
        let Snapshot { repo_type, repo, commit } = snapshot;
        let prefix = match repo_type {
            RepoType::Model => "",
            RepoType::Dataset => "datasets/",
        };
        let (repo, path) = (encode(repo, "/"), encode(path, "/"));
        format!("{}/{prefix}{repo}/resolve/{commit}/{path}", self.settings.endpoint)
    }

    /// Asks what a file is.
    fn look(&self, snapshot: &Snapshot, path: &str, stop: &Stop) -> Result<Missing, HubError> {
        let what = format!("{path} of {} {}", sort(snapshot.repo_type), snapshot.repo);
        let unclear = |problem: &str| HubError::Answer { what: what.clone(), problem: problem.to_owned() };
        if !is_inside(path) {
            return Err(unclear("it is no path inside a repository"));
        }
        let answer = self.client.head(&self.url(snapshot, path), &mut Tries::of(&*what), stop)?;
        if !matches!(answer.status, 200 | 301 | 302 | 303 | 307 | 308) {
            return Err(self.refusal(&answer, snapshot.repo_type, &snapshot.repo, what));
        }
        let etag = answer.header("x-linked-etag").or_else(|| answer.header("etag"));
        let etag = etag.map(plain_etag).ok_or_else(|| unclear("it has no ETag that can name a file"))?;
        let etag = etag.ok_or_else(|| unclear("its ETag cannot name a file"))?;
        let length = answer.header("content-length").filter(|_| answer.status == 200);
        let size = answer.header("x-linked-size").or(length).and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| unclear("it has no size"))?;
        if answer.header("x-repo-commit").is_some_and(|commit| commit != snapshot.commit) {
            return Err(unclear("it is of another commit"));
        }
        Ok(Missing { path: path.to_owned(), etag, size, arrived: AtomicU64::new(0) })
    }

    /// Fetches files that are not here; returns how many bytes came over the network.
    fn fetch(
        &self,
        snapshot: &Snapshot,
        missing: &[Missing],
        what: &str,
        progress: &mut dyn FnMut(Progress),
        stop: &Stop,
    ) -> Result<u64, HubError> {
        let cache = self.cache_of(snapshot);
        let blobs = cache.folder().join("blobs");
        fsx::create_dir_all(&blobs)?;
        let here = |file: &Missing| match length(&cache.blob(&file.etag)) == file.size {
            true => file.size,
            false => length(&cache.partial(&file.etag)).min(file.size),
        };
        for file in missing {
            file.arrived.store(here(file), Ordering::Relaxed);
        }
        let done = || missing.iter().map(|file| file.arrived.load(Ordering::Relaxed)).sum();
        let (total, before) = (missing.iter().map(|file| file.size).sum::<u64>(), done());
        room(what, total.saturating_sub(before), &blobs)?;
        with_progress(&|| Progress { done: done(), total }, progress, stop, |stop| {
            side_by_side(missing, stop, |file, stop| self.fetch_one(snapshot, &cache, file, stop))
        })?;
        Ok(total.saturating_sub(before))
    }

    fn fetch_one(
        &self,
        snapshot: &Snapshot,
        cache: &RepoCache,
        file: &Missing,
        stop: &Stop,
    ) -> Result<(), HubError> {
        let Missing { path, etag, size, arrived } = file;
        let what = format!("{path} of {}", snapshot.repo);
        let blob = cache.blob(etag);
        // Another process, ours or Python's, may be downloading the same.
        let _lock = cache.lock(etag, stop)?;
        if length(&blob) != *size || !fsx::exists(&blob) {
            let partial = cache.partial(etag);
            let transfer = Transfer {
                what: &what,
                url: &self.url(snapshot, path),
                partial: &partial,
                size: Some(*size),
                // Large files are named by their SHA-256, small ones by git's hash.
                sha256: (etag.len() == 64).then_some(etag),
                advice: "run again to download it anew; if that does not help, the hub or a proxy is at fault",
            };
            let refusal = |answer: &_| self.refusal(answer, snapshot.repo_type, &snapshot.repo, what.clone());
            transfer.run(&self.client, &refusal, arrived, stop)?;
            fsx::rename(&partial, &blob)?;
        }
        arrived.store(*size, Ordering::Relaxed);
        cache.link(snapshot, path, etag).map(|_| ())
    }
}

/// The name in an ETag, if it can name a file.
fn plain_etag(etag: &str) -> Option<String> {
    let name = etag.trim().trim_start_matches("W/").trim_matches('"');
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (!name.is_empty() && name.len() <= 200 && name.chars().all(is_name)).then(|| name.to_owned())
}

/// Fails if a folder's disk has not enough room. A disk that does not tell is tried.
pub(super) fn room(what: &str, needed: u64, at: &Path) -> Result<(), HubError> {
    let folder = if fsx::metadata(at).is_ok_and(|m| m.is_dir()) { at } else { at.parent().unwrap_or(at) };
    match fsx::free_space(folder) {
        Ok(free) if free < needed => Err(HubError::NoRoom {
            what: what.to_owned(),
            needed,
            folder: folder.display().to_string(),
            free,
        }),
        _ => Ok(()),
    }
}

/// Does something to each item, several at once, in order of arrival; the first failure stops the others.
fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    stop: &Stop,
    act: impl Fn(&T, &Stop) -> Result<R, HubError> + Sync,
) -> Result<Vec<R>, HubError> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    let failed: Mutex<Option<HubError>> = Mutex::new(None);
    // Set by the first failure or by the caller's wish.
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..SIDE_BY_SIDE.min(items.len()))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else { return };
                        match act(item, &enough) {
                            Ok(result) => {
                                results.lock().expect("workers do not panic")[index] = Some(result);
                            }
                            Err(error) => {
                                failed.lock().expect("workers do not panic").get_or_insert(error);
                                enough.store(true, Ordering::Relaxed);
                                return;
                            }
                        }
                    }
                })
            })
            .collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            if stop.load(Ordering::Relaxed) {
                enough.store(true, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    match failed.into_inner().expect("workers do not panic") {
        Some(error) => Err(error),
        None => {
            let results = results.into_inner().expect("workers do not panic");
            Ok(results.into_iter().map(|r| r.expect("every item was done")).collect())
        }
    }
}

/// Works on another thread while this one tells how far it is.
pub(super) fn with_progress<R: Send>(
    so_far: &(dyn Fn() -> Progress + Sync),
    progress: &mut dyn FnMut(Progress),
    stop: &Stop,
    work: impl FnOnce(&Stop) -> Result<R, HubError> + Send,
) -> Result<R, HubError> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(stop));
        let mut told = None;
        loop {
            let ended = worker.is_finished();
            let now = so_far();
            if told != Some(now) {
                progress(now);
                told = Some(now);
            }
            if ended {
                return worker.join().expect("downloads do not panic");
            }
            std::thread::sleep(TELL);
        }
    })
}
