//! What a revision of a repository holds.

use super::cache::{RepoCache, is_commit, is_inside};
use super::client::Tries;
use super::error::HubError;
use super::exchange::{Answer, Fault};
use super::{Hub, Snapshot, Stop};
use serde::{Deserialize, Serialize};
use tacq_protocol::stage::RepoType;

/// The longest answer that is read; the largest listings have some ten megabytes.
const LONGEST_LISTING: usize = 256 << 20;

/// The files of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The commit.
    pub snapshot: Snapshot,
    /// Its files, in path order.
    pub files: Vec<ListedFile>,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size in bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Listing {
    /// Whether a file of this path is there.
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }
}

/// The hub's answer.
#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
}

impl Hub {
    /// What a revision (branch, tag or commit) holds: as remembered, else as the hub says, else, where the hub may not
    /// or cannot be asked, as the cache has it.
    pub fn resolve(
        &self,
        repo_type: RepoType,
        repo: &str,
        revision: &str,
        stop: &Stop,
    ) -> Result<Listing, HubError> {
        let snapshot =
            |commit: &str| Snapshot { repo_type, repo: repo.to_owned(), commit: commit.to_owned() };
        let named = Some(revision).filter(|revision| !is_commit(revision));
        let commit = match named {
            None => Some(revision.to_owned()),
            Some(revision) => self.memory.commit(repo_type, repo, revision),
        };
        if let Some(commit) = &commit
            && let Some(files) = self.memory.files(&snapshot(commit))
        {
            return Ok(Listing { snapshot: snapshot(commit), files });
        }
        let cached = || {
            let cache = RepoCache::new(&self.settings.cache, repo_type, repo);
            let commit = commit.clone().or_else(|| cache.reference(revision))?;
            let files = cache.list(&commit);
            (!files.is_empty()).then(|| Listing { snapshot: snapshot(&commit), files })
        };
        if self.settings.offline {
            let listing = cached().ok_or_else(|| self.offline(format!("{repo} at {revision}")))?;
            if commit.is_none() {
                self.memory.remember(&listing.snapshot, named, None);
            }
            return Ok(listing);
        }
        match self.ask(repo_type, repo, commit.as_deref().unwrap_or(revision), stop) {
            Ok(listing) => {
                self.memory.remember(&listing.snapshot, named, Some(&listing.files));
                Ok(listing)
            }
            Err(error) if error.is_of_network() => {
                let listing = cached().ok_or(error)?;
                tracing::warn!("the hub cannot be reached; {repo} is taken from the cache");
                Ok(listing)
            }
            Err(error) => Err(error),
        }
    }

    fn ask(&self, repo_type: RepoType, repo: &str, revision: &str, stop: &Stop) -> Result<Listing, HubError> {
        let what = format!("{} {repo} at {revision}", sort(repo_type));
        let Self { client, settings, .. } = self;
        let url = format!(
            "{}/api/{}s/{}/revision/{}?blobs=true",
            settings.endpoint,
            sort(repo_type).replace(' ', ""),
            encode(repo, "/"),
            encode(revision, "")
        );
        let mut tries = Tries::of(format!("the list of files of {what}"));
        let body = loop {
            let answer = client.get(&url, &[], &mut tries, stop)?;
            if answer.status != 200 {
                return Err(self.refusal(&answer, repo_type, repo, what));
            }
            match answer.read_all(LONGEST_LISTING, stop) {
                Ok(body) => break body,
                Err(Fault::Stopped) => return Err(HubError::Stopped),
                Err(Fault::Broken(problem)) => client.wait(&mut tries, problem, None, stop)?,
            }
        };
        let unclear = |problem: String| HubError::Answer { what: what.clone(), problem };
        let info: Info = serde_json::from_slice(&body).map_err(|e| unclear(e.to_string()))?;
        if !is_commit(&info.sha) {
            return Err(unclear(format!("`{}` is no commit", info.sha)));
        }
        if let Some(bad) = info.siblings.iter().find(|file| !is_inside(&file.rfilename)) {
            return Err(unclear(format!("`{}` is no path inside a repository", bad.rfilename)));
        }
        let mut files: Vec<ListedFile> =
            info.siblings.into_iter().map(|s| ListedFile { path: s.rfilename, size: s.size }).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Listing { snapshot: Snapshot { repo_type, repo: repo.to_owned(), commit: info.sha }, files })
    }

    /// What it means that the hub does not give something.
    pub(super) fn refusal(&self, answer: &Answer, repo_type: RepoType, repo: &str, what: String) -> HubError {
        let status = answer.status;
        let page = match repo_type {
            RepoType::Model => format!("{}/{repo}", self.settings.endpoint),
            RepoType::Dataset => format!("{}/datasets/{repo}", self.settings.endpoint),
        };
        match status {
            401 | 403 => HubError::Denied { what, status, page },
            404 => {
                let hint = match answer.header("x-error-code") {
                    Some("RevisionNotFound") => format!("the repository has no such revision; see {page}"),
                    Some("EntryNotFound") => format!("the repository has no such file; see {page}"),
                    _ => format!("check the name at {page}"),
                };
                HubError::NotFound { what: format!("{what} on {}", self.settings.endpoint), hint: Some(hint) }
            }
            _ => HubError::Status { what, status },
        }
    }

    pub(super) fn offline(&self, what: String) -> HubError {
        HubError::Offline { what, place: self.settings.cache.display().to_string() }
    }
}

/// A sort of repository in messages; without its space and with an s in addresses.
pub(super) fn sort(repo_type: RepoType) -> &'static str {
    match repo_type {
        RepoType::Model => "model",
        RepoType::Dataset => "data set",
    }
}

/// Percent-encodes all but unreserved characters and `keep`.
pub(super) fn encode(text: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || keep.contains(c) {
            encoded.push(c);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encoded() {
        assert_eq!(encode("refs/pr/1", ""), "refs%2Fpr%2F1");
        assert_eq!(encode("a dir/ü#?.json", "/"), "a%20dir/%C3%BC%23%3F.json");
    }
}
