//! Where a model or data set lies: here, on the Hugging Face hub, or on the web.

use crate::fsx;
use std::fmt;
use std::path::{Path, PathBuf};
use tacq_protocol::stage::RepoType;

/// Where something lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file or folder; relative paths are taken from the working directory.
    Local(PathBuf),
    /// A repository of the Hugging Face hub.
    Hub(HubRepo),
    /// A file of the web.
    Url {
        /// Its address.
        url: String,
        /// SHA-256 of its contents, 64 hexadecimal digits.
        sha256: String,
    },
}

/// A repository of the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubRepo {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// `org/name`.
    pub repo: String,
    /// Branch, tag or commit; the main branch when absent.
    pub revision: Option<String>,
}

impl Location {
    /// The location of a model as written: `org/name[@revision]` is a repository of the hub, unless a folder of that
    /// name is here; everything else is a folder.
    pub fn of_model(text: &str) -> Self {
        let is_here = || fsx::metadata(Path::new(text)).is_ok_and(|m| m.is_dir());
        match HubRepo::parse(RepoType::Model, text) {
            Some(repo) if !is_here() => Location::Hub(repo),
            _ => Location::Local(PathBuf::from(text)),
        }
    }

    /// The name in labels and tables: the last part of the path or address, or the repository's name.
    pub fn short_name(&self) -> String {
        let last = |path: &Path| {
            path.file_name()
                .map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy())
                .into_owned()
        };
        match self {
            Location::Local(path) => last(path),
            Location::Hub(repo) => last(Path::new(&repo.repo)),
            Location::Url { url, .. } => last(Path::new(url)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => write!(f, "{}", path.display()),
            Location::Hub(repo) => write!(f, "{repo}"),
            Location::Url { url, .. } => f.write_str(url),
        }
    }
}

impl HubRepo {
    /// The revision that is meant when none is named.
    pub const MAIN: &str = "main";

    /// Reads `org/name` or `org/name@revision`; nothing if the text does not look so.
    pub fn parse(repo_type: RepoType, text: &str) -> Option<Self> {
        let (repo, revision) = match text.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (text, None),
        };
        let (org, name) = repo.split_once('/')?;
        let revision_is_fine = revision.is_none_or(|r| r.split('/').all(is_name));
        (is_name(org) && is_name(name) && revision_is_fine).then(|| HubRepo {
            repo_type,
            repo: repo.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }

    /// The revision to ask for.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(Self::MAIN)
    }
}

impl fmt::Display for HubRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// What the hub takes as a part of a repository's name, and what nobody means as a part of a path.
fn is_name(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !part.is_empty()
        && part.len() <= 96
        && part.chars().all(plain)
        && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !part.contains("..")
        && !part.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(text: &str) -> Option<(String, Option<String>)> {
        match Location::of_model(text) {
            Location::Hub(repo) => Some((repo.repo, repo.revision)),
            _ => None,
        }
    }

    #[test]
    fn what_looks_like_a_repository_is_one() {
        let plain = |repo: &str| Some((repo.to_owned(), None));
        assert_eq!(hub("Qwen/Qwen2.5-7B"), plain("Qwen/Qwen2.5-7B"));
        let at = |revision: &str| Some(("org/name".to_owned(), Some(revision.to_owned())));
        assert_eq!(hub("org/name@v1.0"), at("v1.0"));
        assert_eq!(hub("org/name@refs/pr/3"), at("refs/pr/3"));
    }

    #[test]
    fn what_looks_like_a_path_is_one() {
        for path in [
            "model",
            "./org/name",
            "/org/name",
            "~/name",
            "a/b/c",
            "org/name/",
            "../name",
            "a b/c",
            "org/na..me",
        ] {
            assert_eq!(hub(path), None, "{path}");
        }
        for odd in ["org/name@", "org/name@a b", "org/name@../x", "@main"] {
            assert_eq!(hub(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_folder_that_is_here_wins() {
        // Tests run in the package's folder.
        assert_eq!(Location::of_model("src/spec"), Location::Local("src/spec".into()));
    }

    #[test]
    fn names_are_the_last_part() {
        for (text, name) in [("org/name@v1", "name"), ("./models/b/", "b"), ("/", "/")] {
            assert_eq!(Location::of_model(text).short_name(), name);
        }
    }
}
