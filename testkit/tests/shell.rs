//! The stand-in engine spawns the benchmark's shell, and says when that fails.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tacq_protocol::stage::SelectParams;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, Request, Run, StageParams};

/// What the engine answers to one request for a mask made of `saliency/output.txt`, and the ledger.
fn answers(root: &Path) -> (Vec<Event>, String) {
    let output = root.join("select-abc");
    fs::create_dir_all(&output).expect("writable");
    fs::create_dir_all(root.join("saliency")).expect("writable");
    fs::write(root.join("saliency/output.txt"), "scores\n").expect("writable");
    let request = Request {
        id: 1,
        stage: StageParams::Select(SelectParams { outlier_ratio: "0.01".parse().expect("a ratio") }),
        inputs: BTreeMap::from([("saliency".to_owned(), root.join("saliency"))]),
        data: BTreeMap::new(),
        output,
        progress: root.to_owned(),
        run: Run {
            device: Device::Cpu,
            threads: None,
            checkpoint_secs: 30,
            batch_size: None,
            device_bytes: None,
            more_devices: Vec::new(),
        },
    };
    let mut engine = Command::new(env!("CARGO_BIN_EXE_tacq-fake-engine"))
        .arg("serve")
        .env("FAKE_ENGINE_SHELL", "1")
        .env("BENCH_LEDGER", root.join("ledger"))
        .env("BENCH_FAIL", root.join("fail"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is built beside the tests");
    let line = serde_json::to_string(&request).expect("plain data");
    writeln!(engine.stdin.take().expect("a pipe"), "{line}").expect("it reads");
    let out = engine.wait_with_output().expect("it ends when its input does").stdout;
    let text = String::from_utf8(out).expect("events are text");
    let events = text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    (events, fs::read_to_string(root.join("ledger")).expect("the shell wrote it"))
}

#[test]
fn the_shell_hashes_the_inputs_and_signs_the_ledger() {
    let root = tempfile::tempdir().expect("a folder");
    let (events, ledger) = answers(root.path());
    assert!(matches!(events[..], [Event::Ready { .. }, Event::Done { id: 1, .. }]), "{events:?}");
    assert_eq!(ledger, "+ select-abc 1\n- select-abc\n");
    let output = fs::read_to_string(root.path().join("select-abc/output.txt")).expect("it was written");
    // printf 'select-abc\nscores\n' | sha256sum
    assert_eq!(output, "7ad430e10c6d0ba12a0444b5620dde3e2265fb5555ad1b4b13a3ffe5107e3a0f  -\n");
}

#[test]
fn a_stage_that_is_told_to_fail_fails() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("fail")).expect("writable");
    fs::write(root.path().join("fail/select-abc"), "").expect("writable");
    let (events, ledger) = answers(root.path());
    assert!(matches!(events[..], [Event::Ready { .. }, Event::Failed { id: 1, .. }]), "{events:?}");
    assert_eq!(ledger, "+ select-abc 1\n");
}
