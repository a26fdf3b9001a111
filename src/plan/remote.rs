//! Sources that lie elsewhere: which of their files stages read, found out without downloading more than small ones.

use super::graph::Remote;
use super::source::{self, Resolved};
use crate::hub::{Hub, HubError, Listing, Stop};
use crate::spec::HubRepo;
use std::collections::BTreeSet;
use tacq_protocol::stage::{DownloadParams, HubFiles, UrlFile};

/// Planning ends with the process: an interruption is not waited for.
static GO_ON: Stop = Stop::new(false);

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A model of the hub: the files that stages read and no others. Its configuration is fetched, so that a model that the
/// engine does not have is refused before gigabytes are.
pub(super) fn model(repo: &HubRepo, hub: &Hub) -> Result<Resolved, String> {
    let listing = ask(repo, hub).map_err(|error| sentence(repo, &error))?;
    let snapshot = &listing.snapshot;
    let fetch = |path: &str| {
        hub.download(snapshot, &[path.to_owned()], &mut |_| {}, &GO_ON)
            .map(|files| files.paths[0].1.clone())
            .map_err(|error| error.to_string())
    };
    for (needed, advice) in [
        ("config.json", "is it a model in the Hugging Face layout?"),
        ("tokenizer.json", "the tokenizer must be in the Hugging Face fast format"),
    ] {
        if !listing.has(needed) {
            return Err(format!("{repo} has no {needed}; {advice}"));
        }
    }
    source::check_config(&fetch("config.json")?)?;
    let mut names = BTreeSet::from(["config.json".to_owned(), "tokenizer.json".to_owned()]);
    // A single file wins over an index beside it, as in a folder.
    if listing.has(SINGLE) {
        names.insert(SINGLE.to_owned());
    } else if listing.has(INDEX) {
        let shards = source::shards(&fetch(INDEX)?)?;
        if let Some(lost) = shards.iter().find(|shard| !listing.has(shard)) {
            return Err(format!("{repo} has no {lost}, which its {INDEX} names"));
        }
        names.extend(shards);
        names.insert(INDEX.to_owned());
    } else {
        return Err(format!(
            "{repo} has neither {SINGLE} nor {INDEX}; choose a revision with safetensors, or convert the weights"
        ));
    }
    names.extend(
        source::OPTIONAL_MODEL_FILES.iter().filter(|name| listing.has(name)).map(|name| (*name).to_owned()),
    );
    Ok(resolved(repo, listing.snapshot.commit, names.into_iter().collect()))
}

/// Files of a repository, those that `choose` takes from what it holds.
pub(super) fn files(
    repo: &HubRepo,
    hub: &Hub,
    choose: impl FnOnce(&Listing) -> Result<Vec<String>, String>,
) -> Result<Resolved, String> {
    let listing = ask(repo, hub).map_err(|error| error.to_string())?;
    let mut files = choose(&listing)?;
    files.sort();
    Ok(resolved(repo, listing.snapshot.commit, files))
}

/// Files of a repository whose names are known: a full commit needs no look-up.
pub(super) fn named_files(repo: &HubRepo, hub: &Hub, files: &[String]) -> Result<Resolved, String> {
    let mut files = files.to_vec();
    files.sort();
    let commit = match repo.revision.as_deref().filter(|revision| crate::hub::is_commit(revision)) {
        Some(commit) => commit.to_owned(),
        None => ask(repo, hub).map_err(|error| error.to_string())?.snapshot.commit,
    };
    Ok(resolved(repo, commit, files))
}

/// A file of the web.
pub(super) fn url(url: &str, sha256: &str, name: &str) -> Resolved {
    let params = DownloadParams::Url(UrlFile { sha256: sha256.to_lowercase(), name: name.to_owned() });
    Resolved { source: None, remote: Some(Remote::Web { url: url.to_owned() }), params }
}

fn ask(repo: &HubRepo, hub: &Hub) -> Result<Listing, HubError> {
    hub.resolve(repo.repo_type, &repo.repo, repo.revision(), &GO_ON)
}

fn resolved(repo: &HubRepo, commit: String, files: Vec<String>) -> Resolved {
    let params =
        DownloadParams::Hub(HubFiles { repo_type: repo.repo_type, repo: repo.repo.clone(), commit, files });
    let remote = Remote::Hub { repo: repo.repo.clone(), revision: repo.revision().to_owned() };
    Resolved { source: None, remote: Some(remote), params }
}

/// Why a model cannot be had. Its name could be that of a folder that is not here.
fn sentence(repo: &HubRepo, error: &HubError) -> String {
    match (error, &repo.revision) {
        (HubError::Fs(_) | HubError::NoRoom { .. }, _) | (_, Some(_)) => error.to_string(),
        _ => format!("{error}; there is no folder {repo} here either"),
    }
}
