//! The cache folder as Python's `huggingface_hub` lays it out:
//!
//! ```text
//! <cache>/models--org--name/            or datasets--org--name
//!   refs/<revision>                     the commit that a branch or tag pointed to
//!   blobs/<etag>                        contents; <etag>.incomplete while they arrive
//!   snapshots/<commit>/<path>           relative link to the blob
//! <cache>/.locks/models--org--name/<etag>.lock
//! ```

use super::error::HubError;
use super::listing::ListedFile;
use super::{Snapshot, Stop};
use crate::fsx;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tacq_protocol::stage::RepoType;

/// How often a lock that somebody else holds is tried.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// One repository's part of the cache.
#[derive(Debug, Clone)]
pub(super) struct RepoCache {
    folder: PathBuf,
    locks: PathBuf,
}

/// The name of a repository's folder.
pub(super) fn folder_name(repo_type: RepoType, repo: &str) -> String {
    let sort = match repo_type {
        RepoType::Model => "models",
        RepoType::Dataset => "datasets",
    };
    format!("{sort}--{}", repo.replace('/', "--"))
}

/// Whether a revision is a commit's full hash.
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a path of a repository stays inside the folder that it is put into.
pub(super) fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

impl RepoCache {
    pub(super) fn new(cache: &Path, repo_type: RepoType, repo: &str) -> Self {
        let name = folder_name(repo_type, repo);
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that a branch or tag pointed to when it was last looked up, by us or in Python.
    pub(super) fn reference(&self, revision: &str) -> Option<String> {
        let text = fsx::read_to_string(&self.folder.join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    pub(super) fn write_reference(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        let path = self.folder.join("refs").join(revision);
        fsx::create_dir_all(path.parent().expect("references lie in a folder"))?;
        Ok(fsx::write_if_changed(&path, commit.as_bytes())?)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where a file of a commit is, or would be.
    pub(super) fn pointer(&self, commit: &str, path: &str) -> PathBuf {
        self.snapshot(commit).join(path)
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    pub(super) fn partial(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// The files of a commit that are here whole, in path order.
    pub(super) fn list(&self, commit: &str) -> Vec<ListedFile> {
        fn visit(folder: &Path, prefix: &str, found: &mut Vec<ListedFile>) {
            for path in fsx::list_dir(folder).unwrap_or_default() {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                // A link whose blob is gone is a file that is not here.
                match fsx::metadata(&path) {
                    Ok(m) if m.is_dir() => visit(&path, &format!("{prefix}{name}/"), found),
                    Ok(m) => found.push(ListedFile { path: format!("{prefix}{name}"), size: Some(m.len()) }),
                    Err(_) => {}
                }
            }
        }
        let mut found = Vec::new();
        visit(&self.snapshot(commit), "", &mut found);
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Makes a blob a file of a commit.
    pub(super) fn link(&self, snapshot: &Snapshot, path: &str, etag: &str) -> Result<PathBuf, HubError> {
        let pointer = self.pointer(&snapshot.commit, path);
        fsx::create_dir_all(pointer.parent().expect("pointers lie in a folder"))?;
        // From the pointer's folder up to the repository's: snapshots, the commit, and the path's own folders.
        let up = "../".repeat(2 + path.matches('/').count());
        fsx::symlink(Path::new(&format!("{up}blobs/{etag}")), &pointer)?;
        Ok(pointer)
    }

    /// Waits for the right to write a blob; it ends with the file that is returned.
    pub(super) fn lock(&self, etag: &str, stop: &Stop) -> Result<File, HubError> {
        let path = self.locks.join(format!("{etag}.lock"));
        fsx::create_dir_all(&self.locks)?;
        let file = fsx::open_lock(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(fsx::FsError { action: "lock", path, source }.into());
                }
            }
            if stop.load(Ordering::Relaxed) {
                return Err(HubError::Stopped);
            }
            std::thread::sleep(LOCK_POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_their_folder_are_seen() {
        for fine in ["config.json", "all/test-00000-of-00001.parquet", ".gitattributes", "a..b"] {
            assert!(is_inside(fine), "{fine}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a/", "a\0b"] {
            assert!(!is_inside(bad), "{bad}");
        }
    }

    #[test]
    fn links_are_relative_and_lead_to_the_blob() {
        let dir = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(dir.path(), RepoType::Dataset, "org/name");
        fsx::create_dir_all(&cache.folder().join("blobs")).unwrap();
        fsx::write_atomic(&cache.blob("etag"), b"contents").unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
        let snapshot = Snapshot { repo_type: RepoType::Dataset, repo: "org/name".into(), commit };
        for path in ["a.txt", "b/c/d.txt"] {
            let pointer = cache.link(&snapshot, path, "etag").unwrap();
            // Twice does no harm: another process may have been first.
            cache.link(&snapshot, path, "etag").unwrap();
            assert_eq!(fsx::read(&pointer).unwrap(), b"contents");
        }
        let listed = cache.list(&snapshot.commit);
        let paths: Vec<&str> = listed.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["a.txt", "b/c/d.txt"]);
        assert!(listed.iter().all(|f| f.size == Some(8)));
        fsx::remove_file(&cache.blob("etag")).unwrap();
        assert_eq!(cache.list(&snapshot.commit), []);
    }
}
