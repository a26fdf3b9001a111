//! The life of the process.

use super::*;
use std::io::Write;
use std::time::{Duration, Instant};

#[test]
fn version_is_printed() {
    let output = engine().arg("--version").output().unwrap();
    assert_eq!(output.stdout, format!("tacq-engine {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
}

#[test]
fn a_wrong_command_line_is_told() {
    let output = engine().arg("sevre").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot understand `sevre`"));
}

#[test]
fn serving_goes_on_after_failures() {
    let sandbox = Sandbox::new();
    let text = sandbox.text(4);
    let good = sandbox.calibrate(&fixture("llama"), &text, 2, 16);
    let mut bad = sandbox.calibrate(&sandbox.path("nowhere"), &text, 2, 16);
    bad["id"] = json!(6);
    let mut child = engine().arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Event>(&events.next().unwrap().unwrap()).unwrap();
    assert!(matches!(next(), Event::Ready { protocol: tacq_protocol::PROTOCOL_VERSION, .. }));
    writeln!(stdin, "{bad}\n{{\"id\": 7}}\n{good}").unwrap();
    assert!(matches!(next(), Event::Failed { id: 6, kind: FailureKind::InvalidInput, .. }));
    let Event::Failed { id: 7, message, .. } = next() else { panic!("the second line is no request") };
    assert!(message.contains("missing field `stage`"), "{message}");
    while let event @ (Event::Progress { .. } | Event::Done { .. }) = next() {
        if let Event::Done { id, provenance } = event {
            assert_eq!(id, 5);
            assert!(provenance.peak_bytes > 0 && provenance.wall_secs > 0.0 && !provenance.resumed);
            break;
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_engine_ends_with_its_input_in_the_middle_of_a_stage() {
    let sandbox = Sandbox::new();
    let request = sandbox.gradients(&fixture("qwen2"), 2000);
    let mut child = engine().arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{request}").unwrap();
    wait_for_progress(&mut child);
    drop(stdin);
    let closed = Instant::now();
    child.wait().unwrap();
    assert!(closed.elapsed() < Duration::from_secs(2), "{:?}", closed.elapsed());
    assert_eq!(fs::read_dir(sandbox.path("output")).unwrap().count(), 0);
}

#[test]
fn a_device_that_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.calibrate(&fixture("llama"), &sandbox.text(4), 2, 16);
    request["run"]["device"] = json!("cuda:99");
    let finished = sandbox.run(&request);
    let (kind, message, _) = finished.failed();
    assert_eq!(kind, FailureKind::Device);
    assert!(message.starts_with("cuda:99 "), "{message}");
}
