//! What a revision stands for, and the sentences that say why something cannot be had.

use crate::server::{COMMIT, Fault, Server, noise};
use std::fs;
use std::sync::atomic::AtomicBool;
use tacq_protocol::stage::RepoType::{Dataset, Model};
use tacq_sweep::hub::{Hub, HubError, Settings};

static GO_ON: AtomicBool = AtomicBool::new(false);
const OTHER_COMMIT: &str = "ffffffffffffffffffffffffffffffffffffffff";

fn server() -> Server {
    Server::new(&[("config.json", b"{}".to_vec()), ("model.safetensors", noise(20_000, 1))])
}

fn commit(hub: &Hub, revision: &str) -> Result<String, HubError> {
    hub.resolve(Model, "org/name", revision, &GO_ON).map(|listing| listing.snapshot.commit)
}

#[test]
fn a_revision_is_looked_up_once() {
    let server = server();
    let listing = server.client().resolve(Model, "org/name", "main", &GO_ON).unwrap();
    assert_eq!(listing.snapshot.commit, COMMIT);
    let files: Vec<_> = listing.files.iter().map(|f| (f.path.as_str(), f.size)).collect();
    assert_eq!(files, [("config.json", Some(2)), ("model.safetensors", Some(20_000))]);
    assert_eq!(server.seen().len(), 1);
    server.push(OTHER_COMMIT);
    // A new process, with the same store: neither asked again nor moved.
    assert_eq!(server.client().resolve(Model, "org/name", "main", &GO_ON).unwrap(), listing);
    assert_eq!(commit(&server.client(), COMMIT).unwrap(), COMMIT);
    assert_eq!(server.seen().len(), 0);
    let memory = server.folder().join("memory");
    let updating = Hub::new(server.settings(), memory, true);
    assert_eq!(commit(&updating, "main").unwrap(), OTHER_COMMIT);
    assert_eq!(commit(&updating, "main").unwrap(), OTHER_COMMIT);
    assert_eq!(server.seen().len(), 1, "once is enough");
    assert_eq!(commit(&server.client(), "main").unwrap(), OTHER_COMMIT);
    assert_eq!(commit(&server.client(), "refs/pr/1").unwrap(), OTHER_COMMIT);
    assert!(server.seen()[0].path.ends_with("/revision/refs%2Fpr%2F1?blobs=true"));
}

#[test]
fn refusals_are_one_sentence_that_says_what_to_do() {
    for (status, words) in [
        (401, &["HTTP 401", "HF_TOKEN", "/org/name", "licence"][..]),
        (403, &["HTTP 403", "HF_TOKEN", "gated"]),
        (404, &["no model org/name at main", "check the name"]),
        (451, &["HTTP 451"]),
        (500, &["HTTP 500", "3 attempts"]),
        (429, &["HTTP 429", "3 attempts"]),
    ] {
        let server = server();
        server.fault("/api/", Fault::Status(status, None), 99);
        let error = commit(&server.client(), "main").unwrap_err().to_string();
        assert!(!error.contains('\n') && !error.contains("hf_secret"), "{error}");
        for word in words {
            assert!(error.contains(word), "{status}: no `{word}` in: {error}");
        }
    }
    let server = server();
    let error = commit(&server.client(), "nonsense").unwrap_err().to_string();
    assert!(error.contains("org/name at nonsense") && error.contains("no such revision"), "{error}");
    let snapshot = server.client().resolve(Model, "org/name", "main", &GO_ON).unwrap().snapshot;
    let missing = server.client().download(&snapshot, &["no.json".into()], &mut |_| {}, &GO_ON);
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("no.json of model org/name") && error.contains("no such file"), "{error}");
}

#[test]
fn a_server_that_asks_for_too_much_patience_is_told_of() {
    let server = server();
    server.fault("/api/", Fault::Status(429, Some(3600)), 1);
    let error = commit(&server.client(), "main").unwrap_err().to_string();
    assert!(error.contains("asks to wait 3600 s"), "{error}");
    server.fault("/api/", Fault::Status(429, Some(1)), 1);
    let started = std::time::Instant::now();
    commit(&server.client(), "main").unwrap();
    assert!(started.elapsed().as_millis() >= 1000, "a wish that is met");
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let server = server();
    server.fault("/api/", Fault::Circle, 99);
    let error = commit(&server.client(), "main").unwrap_err().to_string();
    assert!(error.contains("redirects"), "{error}");
    let server = Server::new(&[("../../evil", noise(10, 1))]);
    let error = commit(&server.client(), "main").unwrap_err().to_string();
    assert!(error.contains("no path inside a repository"), "{error}");
    let server = self::server();
    server.push("no hash");
    let error = commit(&server.client(), "main").unwrap_err().to_string();
    assert!(error.contains("`no hash` is no commit"), "{error}");
}

#[test]
fn offline_means_no_request_at_all() {
    let server = server();
    let hub = server.client_with(Settings { offline: true, ..server.settings() });
    let error = commit(&hub, "main").unwrap_err().to_string();
    let cache = server.cache().display().to_string();
    assert!(error.contains("HF_HUB_OFFLINE is set and org/name at main is not in"), "{error}");
    assert!(error.contains(&cache), "{error}");
    // A cache as Python leaves it.
    let folder = server.cache().join("datasets--org--name");
    let snapshot = folder.join("snapshots").join(COMMIT);
    for dir in [snapshot.join("all"), folder.join("refs"), folder.join("blobs")] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    fs::write(folder.join("blobs/abc"), b"rows").unwrap();
    std::os::unix::fs::symlink("../../../blobs/abc", snapshot.join("all/test.parquet")).unwrap();
    let listing = hub.resolve(Dataset, "org/name", "main", &GO_ON).unwrap();
    let files: Vec<_> = listing.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!((listing.snapshot.commit.as_str(), &files[..]), (COMMIT, &["all/test.parquet"][..]));
    let paths = ["all/test.parquet".to_owned()];
    let here = hub.download(&listing.snapshot, &paths, &mut |_| {}, &GO_ON).unwrap();
    assert_eq!((fs::read(&here.paths[0].1).unwrap(), here.downloaded), (b"rows".to_vec(), 0));
    let paths = ["all/dev.parquet".to_owned()];
    let error = hub.download(&listing.snapshot, &paths, &mut |_| {}, &GO_ON).unwrap_err().to_string();
    assert!(error.contains("all/dev.parquet of org/name is not in"), "{error}");
    let part = server.folder().join("part");
    let error = hub.download_url("http://127.0.0.1:9/f", "0", &part, &part, &mut |_| {}, &GO_ON).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_hub_that_cannot_be_reached_is_replaced_by_the_cache() {
    let server = server();
    let settings = Settings { endpoint: "http://127.0.0.1:9".into(), ..server.settings() };
    let error = commit(&server.client_with(settings.clone()), "main").unwrap_err().to_string();
    assert!(error.contains("check the network"), "{error}");
    let snapshot = server.cache().join("models--org--name/snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(snapshot.join("config.json"), b"{}").unwrap();
    let refs = server.cache().join("models--org--name/refs");
    fs::create_dir_all(&refs).unwrap();
    fs::write(refs.join("main"), COMMIT).unwrap();
    assert_eq!(commit(&server.client_with(settings), "main").unwrap(), COMMIT);
    assert_eq!(server.seen().len(), 0);
}
