//! The program with a model of the hub: what it asks for, what it leaves, what it survives.

use crate::sandbox::{EXPERIMENT, Finished, STAGES, Sandbox};
use crate::server::{COMMIT, Fault, Seen, Server, noise, sha256};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUN: [&str; 4] = ["run", "exp.yaml", "--set", "model=org/model"];
const PLAN: [&str; 4] = ["plan", "exp.yaml", "--set", "model=org/model"];

/// A sandbox and a hub that has its model, with files that nobody needs.
fn hub() -> (Sandbox, Server) {
    let sandbox = Sandbox::new();
    let read = |name: &str| fs::read(sandbox.root.join("model").join(name)).unwrap();
    let server = Server::new(&[
        ("config.json", read("config.json")),
        ("tokenizer.json", read("tokenizer.json")),
        ("model.safetensors", read("model.safetensors")),
        ("pytorch_model.bin", noise(100, 1)),
        ("original/consolidated.00.pth", noise(100, 2)),
        ("README.md", noise(100, 3)),
    ]);
    (sandbox, server)
}

fn command(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Command {
    let mut command = sandbox.command_fake(arguments, "");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HF_") || name.contains("HUGGING"))
    {
        command.env_remove(name);
    }
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command.env("HF_ENDPOINT", server.endpoint()).env("HF_HOME", sandbox.root.join("hf"));
    command.env("HF_HUB_DOWNLOAD_TIMEOUT", "2").env("HF_HUB_ETAG_TIMEOUT", "2");
    command
}

fn run(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Finished {
    Finished::from(command(sandbox, server, arguments).output().expect("the program starts"))
}

fn paths(seen: &[Seen]) -> Vec<String> {
    let name = |s: &Seen| s.path.rsplit('/').next().unwrap_or_default().to_owned();
    let gets = seen.iter().filter(|s| s.method == "GET" && s.host == "hub" && s.path.contains("/resolve/"));
    let mut names: Vec<String> = gets.map(name).collect();
    names.sort();
    names
}

fn snapshot(sandbox: &Sandbox) -> PathBuf {
    sandbox.root.join("hf/hub/models--org--model/snapshots").join(COMMIT)
}

#[test]
fn a_model_of_the_hub_gives_the_results_of_the_same_folder() {
    let (sandbox, server) = hub();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let of_folder = sandbox.read("results/demo/table.md");
    let first = run(&sandbox, &server, &RUN).expect(0);
    assert_eq!(paths(&server.seen()), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert_eq!(sandbox.read("results/demo/table.md"), of_folder);
    assert!(first.stderr.contains("download[model]"), "{}", first.stderr);
    // The pin and the cache are enough from here on.
    server.push(&"f".repeat(40));
    let second = run(&sandbox, &server, &RUN).expect(0);
    assert!(second.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", second.stderr);
    let mut offline = command(&sandbox, &server, &PLAN);
    let plan = Finished::from(offline.env("HF_HUB_OFFLINE", "1").output().unwrap()).expect(0);
    assert!(plan.stdout.contains("all                15   15"), "{}", plan.stdout);
    assert_eq!(server.seen().len(), 0, "nothing is asked for what is there");
    let manifest = run(&sandbox, &server, &[&["show", "exp.yaml", "download?model?"], &PLAN[2..]].concat());
    let shown = manifest.expect(0).stdout;
    assert!(shown.contains(COMMIT) && shown.contains("org/model@main"), "{shown}");
    assert_eq!(fs::read_to_string(snapshot(&sandbox).join("../../refs/main")).unwrap(), COMMIT);
    let moved = run(&sandbox, &server, &[&PLAN[..], &["--update-revisions"]].concat()).expect(1);
    assert!(moved.stdout.contains("download            3    2    1"), "{}", moved.stdout);
}

#[test]
fn data_of_the_hub_and_the_web_give_the_results_of_the_same_files() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let of_files = sandbox.read("results/demo/table.md");
    let test = sandbox.read("test.txt").into_bytes();
    let server = Server::new(&[
        ("train.txt", sandbox.read("train.txt").into_bytes()),
        ("test.txt", test.clone()),
        ("other.txt", noise(100, 1)),
    ]);
    let files = "{train: train.txt, test: test.txt}";
    assert!(EXPERIMENT.contains(files));
    sandbox.write("hub.yaml", &EXPERIMENT.replace(files, "{hub: org/texts}"));
    run(&sandbox, &server, &["run", "hub.yaml"]).expect(0);
    assert_eq!(sandbox.read("results/demo/table.md"), of_files);
    assert_eq!(paths(&server.seen()), ["test.txt", "train.txt"]);
    assert!(
        sandbox.root.join("hf/hub/datasets--org--texts/snapshots").join(COMMIT).join("train.txt").exists()
    );

    let web = |sha256: &str| {
        let test = format!("{{url: \"http://{}/test.txt\", sha256: {sha256}}}", server.cdn);
        sandbox.write("web.yaml", &EXPERIMENT.replace("test: test.txt", &format!("test: {test}")));
        run(&sandbox, &server, &["run", "web.yaml"])
    };
    web(&"0".repeat(64)).expect(1).says(&["SHA-256", "check `url` and `sha256`"]);
    web(&sha256(&test)).expect(0);
    assert_eq!(sandbox.read("results/demo/table.md"), of_files);
    server.seen();
    let again = web(&sha256(&test)).expect(0);
    assert!(again.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", again.stderr);
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_killed_download_goes_on_where_it_ended() {
    let (sandbox, server) = hub();
    let size = fs::metadata(sandbox.root.join("model/model.safetensors")).unwrap().len() as usize;
    assert!(size > 60_000, "long enough to be cut: {size}");
    server.fault("Signature", Fault::Slowly, 1);
    let arrived = || server.peek().iter().filter(|s| s.host == "cdn").map(|s| s.sent).sum::<usize>();
    let mut first = command(&sandbox, &server, &RUN);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| arrived() > size / 2);
    first.kill().unwrap();
    first.wait().unwrap();
    server.seen();
    run(&sandbox, &server, &RUN).expect(0);
    let seen = server.seen();
    let resumed: Vec<_> = seen.iter().filter(|s| s.host == "cdn").collect();
    let from =
        resumed[0].headers["range"].trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap();
    assert!(from > size / 4, "{from} of {size}");
    assert_eq!(resumed.iter().map(|s| s.sent).sum::<usize>(), size - from);
    let staging = fs::read_dir(sandbox.root.join(".tacq/v1/staging")).unwrap().count();
    let blobs = fs::read_dir(snapshot(&sandbox).join("../../blobs")).unwrap().count();
    assert_eq!((staging, blobs), (0, 3), "nothing is left lying about");
}

#[test]
fn an_interruption_is_not_kept_waiting_by_the_network() {
    let (sandbox, server) = hub();
    server.fault("Signature", Fault::Trickle(20_000), 1);
    let mut child = command(&sandbox, &server, &RUN);
    let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| server.peek().iter().any(|s| s.sent >= 20_000));
    let asked = Instant::now();
    let pid = i32::try_from(child.id()).unwrap();
    // SAFETY: a plain system call, on a process of ours.
    unsafe { libc::kill(pid, libc::SIGINT) };
    let ended = Finished::from(child.wait_with_output().unwrap()).expect(130);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    ended.says(&["interrupted; resume with"]);
    run(&sandbox, &server, &RUN).expect(0);
}

#[test]
fn a_download_that_fails_blocks_what_reads_it_and_is_tried_anew() {
    let (sandbox, server) = hub();
    server.fault("/resolve/", Fault::Status(403, None), 1);
    let refused = run(&sandbox, &server, &RUN).expect(2);
    refused.says(&["exp.yaml", "config.json", "HTTP 403", "HF_TOKEN"]);
    server.fault("model.safetensors", Fault::Status(403, None), 1);
    let failed = run(&sandbox, &server, &RUN).expect(1);
    failed.says(&["failed: download[model]", "model.safetensors", "HTTP 403", "blocks"]);
    run(&sandbox, &server, &RUN).expect(0);
}

#[test]
fn a_cleared_cache_is_filled_again() {
    let (sandbox, server) = hub();
    run(&sandbox, &server, &RUN).expect(0);
    let tables = sandbox.tables();
    fs::remove_dir_all(sandbox.root.join("hf")).unwrap();
    sandbox.asked();
    // All results are there: nothing but the configuration that the plan looks at is needed.
    run(&sandbox, &server, &RUN).expect(0);
    assert_eq!(sandbox.asked(), Vec::<String>::new());
    assert!(!snapshot(&sandbox).join("model.safetensors").exists());
    // Another bit width reads the model, and so the model has to come back.
    let more = [&RUN[..], &["--set", "sweep.bits=3"]].concat();
    run(&sandbox, &server, &more).expect(0);
    assert!(snapshot(&sandbox).join("model.safetensors").exists());
    assert!(sandbox.asked().contains(&"quantize".to_owned()));
    run(&sandbox, &server, &RUN).expect(0);
    assert_eq!(sandbox.tables(), tables);
}

#[test]
fn a_cache_that_python_filled_needs_no_network() {
    let (sandbox, server) = hub();
    let blobs = snapshot(&sandbox).join("../../blobs");
    fs::create_dir_all(snapshot(&sandbox)).unwrap();
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(blobs.with_file_name("refs")).unwrap();
    fs::write(blobs.with_file_name("refs").join("main"), COMMIT).unwrap();
    for (etag, name) in ["config.json", "tokenizer.json", "model.safetensors"].iter().enumerate() {
        fs::copy(sandbox.root.join("model").join(name), blobs.join(etag.to_string())).unwrap();
        let target = format!("../../blobs/{etag}");
        std::os::unix::fs::symlink(target, snapshot(&sandbox).join(name)).unwrap();
    }
    let mut offline = command(&sandbox, &server, &RUN);
    Finished::from(offline.env("HF_HUB_OFFLINE", "1").output().unwrap()).expect(0);
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn what_cannot_be_run_is_refused_before_it_is_downloaded() {
    let (sandbox, server) = hub();
    let mut offline = command(&sandbox, &server, &PLAN);
    let offline = Finished::from(offline.env("HF_HUB_OFFLINE", "1").output().unwrap()).expect(1);
    offline.says(&["HF_HUB_OFFLINE is set", "no folder org/model here"]);
    let config = fs::read_to_string(sandbox.root.join("model/config.json")).unwrap();
    let other = config.replace("LlamaForCausalLM", "MambaForCausalLM").into_bytes();
    let server = Server::new(&[
        ("config.json", other),
        ("tokenizer.json", b"{}".to_vec()),
        ("model.safetensors", noise(100_000, 1)),
    ]);
    run(&sandbox, &server, &RUN).expect(2).says(&["MambaForCausalLM is not supported"]);
    assert_eq!(paths(&server.seen()), ["config.json"]);
    let server = Server::new(&[("config.json", config.into_bytes()), ("pytorch_model.bin", noise(10, 1))]);
    let elsewhere = Sandbox::new();
    run(&elsewhere, &server, &RUN).expect(2).says(&["org/model has no tokenizer.json"]);
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never happens");
        std::thread::sleep(Duration::from_millis(5));
    }
}
