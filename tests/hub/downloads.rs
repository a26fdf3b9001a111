//! Files arrive whole whatever the network does, once, and where Python's library looks for them.

use crate::server::{COMMIT, Fault, Seen, Server, TOKEN, noise, sha256};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tacq_protocol::stage::RepoType::{Dataset, Model};
use tacq_sweep::hub::{Hub, HubError, Snapshot};

static GO_ON: AtomicBool = AtomicBool::new(false);
/// Bytes of the server's body beside a status that is no success.
const REFUSAL: usize = 2;

/// A repository with a small and a large file.
fn server() -> Server {
    Server::new(&[("config.json", b"{}".to_vec()), ("sub/model.safetensors", noise(60_000, 1))])
}

fn snapshot() -> Snapshot {
    Snapshot { repo_type: Model, repo: "org/name".into(), commit: COMMIT.into() }
}

fn download(hub: &Hub, paths: &[&str]) -> Result<u64, HubError> {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    hub.download(&snapshot(), &paths, &mut |_| {}, &GO_ON).map(|files| files.downloaded)
}

fn bytes_of(seen: &[Seen], path: &str) -> usize {
    seen.iter().filter(|s| s.path.contains(path)).map(|s| s.sent).sum()
}

#[test]
fn files_lie_as_python_lays_them() {
    let server = server();
    let hub = server.client();
    let downloaded = download(&hub, &["config.json", "sub/model.safetensors"]).unwrap();
    assert_eq!(downloaded, 60_002);
    let folder = server.cache().join("models--org--name");
    let pointer = folder.join("snapshots").join(COMMIT).join("sub/model.safetensors");
    assert_eq!(fs::read(&pointer).unwrap(), noise(60_000, 1));
    let blob = format!("../../../blobs/{}", sha256(&noise(60_000, 1)));
    assert_eq!(fs::read_link(&pointer).unwrap(), Path::new(&blob));
    let small = folder.join("snapshots").join(COMMIT).join("config.json");
    assert_eq!(fs::read_link(&small).unwrap(), Path::new(&format!("../../blobs/{}", &sha256(b"{}")[..40])));
    assert!(!folder.join("refs").exists(), "nobody asked what a branch points to");
    hub.note_revision(&snapshot(), "main").unwrap();
    assert_eq!(fs::read_to_string(folder.join("refs/main")).unwrap(), COMMIT);
    let blobs = fs::read_dir(folder.join("blobs")).unwrap().count();
    assert_eq!(blobs, 2, "nothing half-finished is left");
    server.seen();
    assert_eq!(download(&hub, &["config.json", "sub/model.safetensors"]).unwrap(), 0);
    assert_eq!(server.seen().len(), 0, "what is here is not asked for");
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let server = server();
    download(&server.client(), &["config.json", "sub/model.safetensors"]).unwrap();
    let seen = server.seen();
    for request in &seen {
        let sent = request.headers.get("authorization").map(String::as_str);
        let expected = (request.host == "hub").then(|| format!("Bearer {TOKEN}"));
        assert_eq!(sent, expected.as_deref(), "{request:?}");
        assert!(request.headers["user-agent"].starts_with("tacq-sweep/"), "{request:?}");
    }
    assert!(seen.iter().any(|r| r.host == "cdn") && seen.iter().any(|r| r.host == "hub"));
}

#[test]
fn a_cut_download_goes_on_where_it_ended() {
    let server = server();
    server.fault("Signature", Fault::HangUp(25_000), 1).fault("Signature", Fault::HangUp(10_000), 1);
    let hub = server.client();
    download(&hub, &["sub/model.safetensors"]).unwrap();
    let seen = server.seen();
    assert_eq!(bytes_of(&seen, "model"), 60_000, "{seen:?}");
    let ranges: Vec<_> = seen.iter().filter(|s| s.host == "cdn").map(|s| s.headers.get("range")).collect();
    let from = |n: usize| format!("bytes={n}-");
    assert_eq!(ranges, [None, Some(&from(25_000)), Some(&from(35_000))]);
}

#[test]
fn every_way_to_break_off_is_survived_without_fetching_a_byte_twice() {
    for (fault, name) in [
        (Fault::HangUp(25_000), "hung up"),
        (Fault::HangUp(0), "hung up at once"),
        (Fault::Trickle(20_000), "trickled"),
        (Fault::Silence, "was silent"),
        (Fault::Status(500, None), "500"),
        (Fault::Status(503, Some(0)), "503"),
        (Fault::Status(429, Some(1)), "429"),
    ] {
        let server = server();
        server.fault("Signature", fault, 2);
        download(&server.client(), &["sub/model.safetensors"]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let seen = server.seen();
        let bytes: usize = seen.iter().map(|s| s.sent).filter(|sent| *sent > REFUSAL).sum();
        // Bytes of a trickle that were on their way when the client hung up count as sent.
        assert!((60_000..60_100).contains(&bytes), "{name}: {bytes} bytes: {seen:?}");
        let file =
            server.cache().join("models--org--name/snapshots").join(COMMIT).join("sub/model.safetensors");
        assert_eq!(fs::read(file).unwrap(), noise(60_000, 1), "{name}");
    }
}

#[test]
fn patience_ends_only_where_nothing_gets_further() {
    let server = server();
    // Each attempt brings enough: many are fine.
    server.fault("Signature", Fault::HangUp(5_000), 11);
    download(&server.client(), &["sub/model.safetensors"]).unwrap();
    let server = self::server();
    server.fault("Signature", Fault::Trickle(0), 99);
    let error = download(&server.client(), &["sub/model.safetensors"]).unwrap_err().to_string();
    assert!(error.contains("only") && error.contains("3 attempts"), "{error}");
    // What came stays, and the next run goes on from there.
    let partial = format!("models--org--name/blobs/{}.incomplete", sha256(&noise(60_000, 1)));
    assert!(fs::metadata(server.cache().join(partial)).unwrap().len() > 10);
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let server = server();
    server.fault("Signature", Fault::HangUp(25_000), 1).fault("Signature", Fault::IgnoreRange, 1);
    download(&server.client(), &["sub/model.safetensors"]).unwrap();
    assert_eq!(bytes_of(&server.seen(), "Signature"), 85_000);
}

#[test]
fn a_partial_file_of_something_else_is_found_out() {
    let server = server();
    let blobs = server.cache().join("models--org--name/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let partial = blobs.join(format!("{}.incomplete", sha256(&noise(60_000, 1))));
    fs::write(&partial, vec![0; 1000]).unwrap();
    download(&server.client(), &["sub/model.safetensors"]).unwrap();
    assert_eq!(bytes_of(&server.seen(), "Signature"), 59_000 + 60_000);
    // Longer than the file can be.
    fs::remove_dir_all(server.cache()).unwrap();
    fs::create_dir_all(&blobs).unwrap();
    fs::write(&partial, vec![0; 60_001]).unwrap();
    download(&server.client(), &["sub/model.safetensors"]).unwrap();
    assert_eq!(bytes_of(&server.seen(), "Signature"), 60_000);
}

#[test]
fn wrong_bytes_never_become_a_file() {
    let server = server();
    server.fault("Signature", Fault::OtherBytes, 1);
    let error = download(&server.client(), &["sub/model.safetensors"]).unwrap_err();
    assert!(matches!(error, HubError::Mismatch { .. }), "{error}");
    let snapshots = server.cache().join("models--org--name/snapshots");
    assert!(!snapshots.join(COMMIT).join("sub/model.safetensors").exists());
    download(&server.client(), &["sub/model.safetensors"]).unwrap();
}

#[test]
fn a_file_that_lost_bytes_is_downloaded_again() {
    let server = server();
    let hub = server.client();
    hub.resolve(Model, "org/name", "main", &GO_ON).unwrap();
    download(&hub, &["sub/model.safetensors"]).unwrap();
    let pointer =
        server.cache().join("models--org--name/snapshots").join(COMMIT).join("sub/model.safetensors");
    fs::File::options().write(true).open(&pointer).unwrap().set_len(100).unwrap();
    download(&hub, &["sub/model.safetensors"]).unwrap();
    assert_eq!(fs::read(&pointer).unwrap(), noise(60_000, 1));
}

#[test]
fn progress_only_grows_and_ends_at_the_total() {
    let server = server();
    server.fault("Signature", Fault::Slowly, 1);
    let mut told = Vec::new();
    let paths = ["config.json".to_owned(), "sub/model.safetensors".to_owned()];
    server.client().download(&snapshot(), &paths, &mut |p| told.push(p), &GO_ON).unwrap();
    assert!(told.len() > 3 && told.is_sorted_by_key(|p| p.done), "{told:?}");
    let last = told.last().unwrap();
    assert_eq!((last.done, last.total), (60_002, 60_002));
}

#[test]
fn an_interruption_ends_a_download_at_once() {
    let server = server();
    server.fault("Signature", Fault::Trickle(30_000), 1);
    let stop = AtomicBool::new(false);
    let hub = server.client();
    let took = std::thread::scope(|scope| {
        let started = std::time::Instant::now();
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(150));
            stop.store(true, Ordering::Relaxed);
        });
        let ended = hub.download(&snapshot(), &["sub/model.safetensors".into()], &mut |_| {}, &stop);
        assert!(matches!(ended, Err(HubError::Stopped)), "{ended:?}");
        started.elapsed()
    });
    assert!(took.as_millis() < 400, "{took:?}");
}

#[test]
fn downloads_side_by_side_share_the_work() {
    let server = server();
    server.fault("Signature", Fault::Slowly, 1);
    let (one, two) = (server.client(), server.client());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| download(&one, &["sub/model.safetensors"]));
        let second = scope.spawn(|| download(&two, &["sub/model.safetensors"]));
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    });
    assert_eq!(bytes_of(&server.seen(), "Signature"), 60_000);
}

#[test]
fn a_file_of_the_web_is_checked_and_resumed() {
    let server = server();
    let contents = noise(60_000, 1);
    let url = format!("http://{}/sub/model.safetensors", server.cdn);
    let (partial, target) = (server.folder().join("p/part"), server.folder().join("model"));
    let hub = server.client();
    let get = |sha: &str| hub.download_url(&url, sha, &partial, &target, &mut |_| {}, &GO_ON);
    let error = get(&"0".repeat(64)).unwrap_err().to_string();
    assert!(error.contains("check `url` and `sha256`") && !target.exists(), "{error}");
    server.seen();
    // The head first, which is not cut.
    server.fault("model", Fault::HangUp(25_000), 2);
    get(&sha256(&contents).to_uppercase()).unwrap();
    assert_eq!(fs::read(&target).unwrap(), contents);
    let seen = server.seen();
    assert_eq!(bytes_of(&seen, "model"), 60_000, "{seen:?}");
    assert!(seen.iter().all(|s| !s.headers.contains_key("authorization")));
}

#[test]
fn data_sets_have_their_own_addresses() {
    let server =
        Server::new(&[("all/test 1.parquet", noise(100, 1)), ("all/test%201.parquet", noise(100, 1))]);
    let snapshot = Snapshot { repo_type: Dataset, ..snapshot() };
    let paths = ["all/test 1.parquet".to_owned()];
    let files = server.client().download(&snapshot, &paths, &mut |_| {}, &GO_ON).unwrap();
    assert!(files.paths[0].1.starts_with(server.cache().join("datasets--org--name")));
    let seen = server.seen();
    assert!(seen[0].path.starts_with("/datasets/org/name/resolve/"), "{seen:?}");
    assert!(seen[0].path.ends_with("/all/test%201.parquet"), "{seen:?}");
}
