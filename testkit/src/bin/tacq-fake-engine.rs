//! `tacq-fake-engine serve`: a stand-in for the engine that speaks its protocol and computes nothing.
//!
//! Environment: `FAKE_ENGINE_LOG`, a file that gets the kind of every stage asked for; `FAKE_ENGINE_DO`, what to do
//! on a stage, several separated by `;`: `KIND=exit` dies, `KIND=garbage` writes no event, `KIND=fail:FAILURE_KIND`
//! fails, `KIND=touch:FILE` changes a file before it is done, `KIND=wait:MS` takes its time until asked to stop,
//! `KIND=work:MS` does so and goes on from where it was stopped, `KIND=stuck:MS` whether asked or not, `KIND=silent:MS`
//! without a sign of life, `KIND=until:FILE` waits for a file to be there. `FAKE_ENGINE_ONCE`, a folder: each of these happens once, and leaves a file there.
//! `FAKE_ENGINE_SHELL`, if set, spawns for each stage the shell
//! that the benchmark of orchestrators has all tools spawn, `sh -c '… cat inputs | sha256sum > output'`. That shell needs
//! `BENCH_LEDGER`, a file that gets `+ KIND-KEY N_INPUTS` when it begins and `- KIND-KEY` when it ends, and `BENCH_FAIL`,
//! a folder: a stage with a file of its name in there fails.

use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tacq_protocol::event::Provenance;
use tacq_protocol::{Control, Event, FailureKind, PROTOCOL_VERSION, Request};
use tacq_testkit::fake::{run_body, write_output, write_results};

/// Set when the driver asked to stop.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(200);

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
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let is_stop = matches!(serde_json::from_str(&line), Ok(Control::Stop));
            STOPPING.store(is_stop, Ordering::Relaxed);
            if !is_stop && sender.send(line).is_err() {
                return;
            }
        }
        // As the engine does: without a driver there is nothing to go on for. A shell is always waited for.
        if !has_shell() {
            std::process::exit(0);
        }
    });
    for line in requests {
        let request: Request = serde_json::from_str(&line)?;
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
    let mut resumed = false;
    let mut orders = told.split(';').filter_map(|order| order.split_once('='));
    if let Some((_, what)) = orders.find(|(on, _)| *on == kind).filter(|_| is_due(kind)) {
        match what.split_once(':').unwrap_or((what, "")) {
            ("exit", _) => std::process::exit(9),
            ("garbage", _) => return writeln!(io::stdout(), "Segmentation fault (not an event)"),
            ("fail", kind) => {
                let kind: FailureKind = serde_json::from_value(Value::from(kind))?;
                return fail(request, kind, "told to fail");
            }
            ("touch", file) => fs::write(file, json!("changed").to_string())?,
            ("work", ms) => {
                let progress = request.progress.join("worked");
                let read = |text: String| text.parse().ok().map(Duration::from_millis);
                let mut worked = fs::read_to_string(&progress).ok().and_then(read).unwrap_or_default();
                resumed = !worked.is_zero();
                while worked < span(ms) {
                    std::thread::sleep(HEARTBEAT);
                    worked += HEARTBEAT;
                    say(&Event::Heartbeat { id: request.id })?;
                    if STOPPING.load(Ordering::Relaxed) {
                        fs::create_dir_all(&request.progress)?;
                        fs::write(&progress, worked.as_millis().to_string())?;
                        return fail(request, FailureKind::Interrupted, "stopped as asked");
                    }
                }
            }
            ("until", file) => {
                while !Path::new(file).exists() {
                    std::thread::sleep(HEARTBEAT);
                    say(&Event::Heartbeat { id: request.id })?;
                }
            }
            ("silent", ms) => std::thread::sleep(span(ms)),
            (how @ ("wait" | "stuck"), ms) => {
                let started = Instant::now();
                while started.elapsed() < span(ms) {
                    std::thread::sleep(HEARTBEAT.min(span(ms)));
                    say(&Event::Heartbeat { id: request.id })?;
                    if how == "wait" && STOPPING.load(Ordering::Relaxed) {
                        return fail(request, FailureKind::Interrupted, "stopped as asked");
                    }
                }
            }
            _ => {}
        }
    }
    if !has_shell() {
        write_output(request)?;
    } else if run_body(request)? {
        write_results(request)?;
    } else {
        return fail(request, FailureKind::Numerics, "the shell failed");
    }
    let provenance = Provenance { wall_secs: 1.0, resumed, ..Provenance::default() };
    say(&Event::Done { id: request.id, provenance })
}

/// Whether stages are the benchmark's shell.
fn has_shell() -> bool {
    std::env::var_os("FAKE_ENGINE_SHELL").is_some()
}

/// Whether what is to be done on a kind of stage is still to be done.
fn is_due(kind: &str) -> bool {
    let Some(folder) = std::env::var_os("FAKE_ENGINE_ONCE") else { return true };
    OpenOptions::new().create_new(true).write(true).open(Path::new(&folder).join(kind)).is_ok()
}

fn span(ms: &str) -> Duration {
    Duration::from_millis(ms.parse().unwrap_or(100))
}

fn fail(request: &Request, kind: FailureKind, message: &str) -> io::Result<()> {
    say(&Event::Failed { id: request.id, kind, message: message.to_owned(), hint: Some("do not".into()) })
}

fn say(event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_string(event)?;
    line.push('\n');
    io::stdout().write_all(line.as_bytes())?;
    io::stdout().flush()
}
