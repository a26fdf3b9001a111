//! Requests in, events out.
//!
//! Standard output belongs to the protocol alone: at start its descriptor is set aside and standard error put in
//! its place, so that nothing a library prints can break a line. When standard input ends, the driver is gone and
//! the process ends at once, in the middle of a stage if need be, so that no orphan goes on writing.

mod output;
mod provenance;
mod watch;

use crate::error::{Error, panic_kind};
use crate::model::cache::ModelCache;
use crate::stages::{self, Context, Sink};
use crate::{cuda, device, process};
use output::Output;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tacq_protocol::event::Provenance;
use tacq_protocol::{Control, Event, FailureKind, LogLevel, PROTOCOL_VERSION, Request};
use watch::Heartbeat;

/// Serves requests from standard input until it ends.
pub fn serve() -> ExitCode {
    process::set_up();
    let output = Arc::new(Output::claim_stdout());
    start(&output);
    watch::end_with_parent();
    let (sender, requests) = mpsc::channel();
    let listener = Arc::clone(&output);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            match line {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    // A request that comes after it is not meant.
                    let is_stop = matches!(serde_json::from_str(&line), Ok(Control::Stop));
                    listener.set_stopping(is_stop);
                    if !is_stop {
                        let _ = sender.send(line);
                    }
                }
                Err(_) => break,
            }
        }
        watch::end_now(0);
    });
    let mut engine = Engine { output, models: ModelCache::default() };
    for line in requests {
        match serde_json::from_str::<Request>(&line) {
            Ok(request) => _ = engine.run(&request),
            Err(error) => engine.refuse(&line, &error),
        }
        process::release_memory();
    }
    ExitCode::SUCCESS
}

/// Runs the one request of a file.
pub fn run_file(path: &Path) -> ExitCode {
    process::set_up();
    let output = Arc::new(Output::claim_stdout());
    let request = crate::fsx::read(path).map_err(|e| e.to_string()).and_then(|text| {
        serde_json::from_slice(&text).map_err(|e| format!("{}: not a request: {e}", path.display()))
    });
    let request: Request = match request {
        Ok(request) => request,
        Err(message) => {
            eprintln!("tacq-engine: {message}");
            return ExitCode::from(2);
        }
    };
    // The driver makes this folder; a request that is run again by hand may come without. If it cannot be made, the stage
    // says so, which writes there.
    let _ = std::fs::create_dir_all(&request.output);
    start(&output);
    let mut engine = Engine { output, models: ModelCache::default() };
    if engine.run(&request) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes libtorch ready and says so.
fn start(output: &Output) {
    device::make_repeatable();
    let problem = cuda::open_library();
    output.send(&Event::Ready {
        protocol: PROTOCOL_VERSION,
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: device::LIBTORCH_VERSION.to_owned(),
        cuda_devices: u32::try_from(device::cuda_devices()).unwrap_or(0),
    });
    if let Some(message) = problem {
        output.send(&Event::Log { id: None, level: LogLevel::Warn, message });
    }
}

/// Runs requests one after the other and keeps the last model.
struct Engine {
    output: Arc<Output>,
    models: ModelCache,
}

impl Engine {
    /// Runs a request to its `done` or `failed` event; true if done.
    fn run(&mut self, request: &Request) -> bool {
        let started = Instant::now();
        let outcome = {
            let _heartbeat = Heartbeat::start(request.id, Arc::clone(&self.output));
            catch_unwind(AssertUnwindSafe(|| self.run_stage(request)))
        };
        let (kind, message, hint) = match outcome {
            Ok(Ok(resumed)) => {
                let provenance = Provenance {
                    wall_secs: started.elapsed().as_secs_f64(),
                    resumed,
                    ..provenance::of_process(request.run.device)
                };
                self.output.send(&Event::Done { id: request.id, provenance });
                return true;
            }
            Ok(Err(error)) => (error.kind(), error.to_string(), error.hint()),
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                // The model may have been left half-changed.
                self.models.clear();
                (panic_kind(&message), format!("the stage panicked: {message}"), None)
            }
        };
        if kind == FailureKind::OutOfMemory {
            self.models.clear();
        }
        self.output.send(&Event::Failed { id: request.id, kind, message, hint });
        false
    }

    /// Runs the stage; whether it was resumed.
    fn run_stage(&mut self, request: &Request) -> Result<bool, Error> {
        let mut context = Context::new(request, &*self.output, &mut self.models)?;
        stages::run(&mut context)?;
        Ok(context.resumed())
    }

    /// Answers a line that is not a request, under its id if it has one.
    fn refuse(&self, line: &str, error: &serde_json::Error) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let id = value.get("id").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let message = format!("not a request of protocol {PROTOCOL_VERSION}: {error}");
        let hint = Some("install tacq-sweep and tacq-engine of the same version".to_owned());
        self.output.send(&Event::Failed { id, kind: FailureKind::InvalidInput, message, hint });
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    crate::error::without_stack(text)
}
