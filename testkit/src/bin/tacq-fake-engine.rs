//! `tacq-fake-engine serve`: a stand-in for the engine that speaks its protocol and computes nothing.
//!
//! Environment: `FAKE_ENGINE_LOG`, a file that gets the kind of every stage asked for; `FAKE_ENGINE_DO`, what to do
//! on a stage: `KIND=exit` dies, `KIND=garbage` writes no event, `KIND=fail:FAILURE_KIND` fails, `KIND=touch:FILE`
//! changes a file before it is done, `KIND=wait:MS` takes its time; `FAKE_ENGINE_SHELL`, if set, spawns for each stage
//! the shell that the benchmark of orchestrators has all tools spawn, `sh -c '… cat inputs | sha256sum > output'`. That
//! shell needs `BENCH_LEDGER`, a file that gets `+ KIND-KEY N_INPUTS` when it begins and `- KIND-KEY` when it ends, and
//! `BENCH_FAIL`, a folder: a stage with a file of its name in there fails.

use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::time::Duration;
use tacq_protocol::event::Provenance;
use tacq_protocol::{Event, FailureKind, PROTOCOL_VERSION, Request};
use tacq_testkit::fake::{run_body, write_output, write_results};

fn main() -> io::Result<()> {
    say(&Event::Ready {
        protocol: std::env::var("FAKE_ENGINE_PROTOCOL")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(PROTOCOL_VERSION),
        engine: "fake".into(),
        libtorch: "none".into(),
        cuda_devices: 0,
    })?;
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        answer(&request)?;
    }
    Ok(())
}

fn answer(request: &Request) -> io::Result<()> {
    let kind = request.stage.kind().name();
    if let Some(path) = std::env::var_os("FAKE_ENGINE_LOG") {
        // One write, so that lines of several engines do not mix.
        OpenOptions::new().create(true).append(true).open(path)?.write_all(format!("{kind}\n").as_bytes())?;
    }
    let told = std::env::var("FAKE_ENGINE_DO").unwrap_or_default();
    if let Some((_, what)) = told.split_once('=').filter(|(on, _)| *on == kind) {
        match what.split_once(':').unwrap_or((what, "")) {
            ("exit", _) => std::process::exit(9),
            ("garbage", _) => return writeln!(io::stdout(), "Segmentation fault (not an event)"),
            ("fail", kind) => {
                let kind: FailureKind = serde_json::from_value(Value::from(kind))?;
                let message = "told to fail".to_owned();
                return say(&Event::Failed { id: request.id, kind, message, hint: Some("do not".into()) });
            }
            ("touch", file) => fs::write(file, json!("changed").to_string())?,
            ("wait", ms) => std::thread::sleep(Duration::from_millis(ms.parse().unwrap_or(100))),
            _ => {}
        }
    }
    if std::env::var_os("FAKE_ENGINE_SHELL").is_none() {
        write_output(request)?;
    } else if run_body(request)? {
        write_results(request)?;
    } else {
        let message = "the shell failed".to_owned();
        return say(&Event::Failed { id: request.id, kind: FailureKind::Numerics, message, hint: None });
    }
    say(&Event::Done { id: request.id, provenance: Provenance { wall_secs: 1.0, ..Provenance::default() } })
}

fn say(event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_string(event)?;
    line.push('\n');
    io::stdout().write_all(line.as_bytes())?;
    io::stdout().flush()
}
