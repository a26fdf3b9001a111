//! The engine process as a worker: requests go to its standard input, events come from its standard output.

use super::worker::{Failure, LaunchError, Launcher, Worker};
use crate::fsx;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, FailureKind, PROTOCOL_VERSION, Request};

/// Starts `tacq-engine serve`, once per slot.
#[derive(Debug)]
pub struct EngineLauncher {
    program: PathBuf,
    log_dir: PathBuf,
    children: Mutex<Children>,
}

/// Engines started so far.
#[derive(Debug, Default)]
struct Children {
    all: Vec<Arc<Mutex<Child>>>,
    /// Set by `cancel`: an engine that starts after it is stopped at once.
    cancelled: bool,
}

impl EngineLauncher {
    /// A launcher of this program; engines' standard error goes to `engine-N.log` in the folder.
    pub fn new(program: PathBuf, log_dir: &Path) -> Self {
        Self { program, log_dir: log_dir.to_owned(), children: Mutex::default() }
    }

    /// The engine to use: the one named, else `tacq-engine` beside this program, else the one on the PATH.
    pub fn find(named: Option<&Path>) -> PathBuf {
        if let Some(path) = named {
            return path.to_owned();
        }
        std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(|dir| dir.join("tacq-engine")))
            .filter(|path| fsx::exists(path))
            .unwrap_or_else(|| PathBuf::from("tacq-engine"))
    }
}

impl Launcher for EngineLauncher {
    fn launch(&self, slot: usize, _: Device) -> Result<Box<dyn Worker>, LaunchError> {
        let log = self.log_dir.join(format!("engine-{slot}.log"));
        let spawn = |source| LaunchError::Spawn { program: self.program.clone(), source };
        let stderr = fsx::append(&log).map_err(|e| spawn(e.source))?;
        let mut command = Command::new(&self.program);
        if std::env::var_os("OMP_WAIT_POLICY").is_none() {
            // Threads that spin between two products starve each other on a busy machine. The engine would set this
            // itself, by starting anew.
            command.env("OMP_WAIT_POLICY", "passive");
        }
        // A Ctrl-C at the terminal is the driver's to handle; an engine that loses its driver ends by itself.
        command.process_group(0);
        let mut child = command
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(spawn)?;
        let (stdin, stdout) =
            child.stdin.take().zip(child.stdout.take()).expect("both were asked for as pipes");
        let child = Arc::new(Mutex::new(child));
        let mut children = lock(&self.children);
        children.all.push(Arc::clone(&child));
        if children.cancelled {
            let _ = lock(&child).kill();
        }
        drop(children);
        let mut engine = Engine { child, stdin, stdout: BufReader::new(stdout), log };
        match engine.next_event() {
            Ok(Event::Ready { protocol: PROTOCOL_VERSION, engine: version, libtorch, cuda_devices }) => {
                tracing::info!(slot, version, libtorch, cuda_devices, "engine ready");
                Ok(Box::new(engine))
            }
            Ok(Event::Ready { protocol, .. }) => Err(LaunchError::Protocol {
                program: self.program.clone(),
                found: protocol,
                expected: PROTOCOL_VERSION,
            }),
            Ok(_) | Err(_) => Err(LaunchError::NotReady {
                program: self.program.clone(),
                status: engine.end(),
                last_words: last_line(&engine.log),
                log: engine.log.clone(),
            }),
        }
    }

    fn cancel(&self) {
        let mut children = lock(&self.children);
        children.cancelled = true;
        for child in &children.all {
            // An engine that has ended already needs no killing.
            let _ = lock(child).kill();
        }
    }
}

struct Engine {
    child: Arc<Mutex<Child>>,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Engine {
    /// The next event, or what is wrong with what came instead.
    fn next_event(&mut self) -> Result<Event, String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(0) => Err("it closed its output".to_owned()),
            Ok(_) => serde_json::from_str(&line)
                .map_err(|e| format!("it wrote something that is no event ({e}): {}", excerpt(&line))),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes sure that the process is gone; says how it ended.
    fn end(&self) -> String {
        let mut child = lock(&self.child);
        // If it ended by itself, that is what counts; a closed pipe may be seen a moment before the end.
        for _ in 0..20 {
            if let Ok(Some(status)) = child.try_wait() {
                return status.to_string();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = child.kill();
        child.wait().map_or_else(|e| e.to_string(), |status| status.to_string())
    }

    fn died(&self, what: &str) -> Failure {
        let status = self.end();
        let last = last_line(&self.log);
        let last = if last.is_empty() { String::new() } else { format!("; its last words: {last}") };
        Failure {
            kind: FailureKind::EngineDied,
            message: format!("the engine died: {what} ({status}){last}"),
            hint: Some(format!(
                "see {}; if it was killed for memory, use fewer devices or a smaller model",
                self.log.display()
            )),
        }
    }
}

impl Worker for Engine {
    fn run(&mut self, request: &Request, on_event: &mut dyn FnMut(Event)) -> Result<Provenance, Failure> {
        let mut line = serde_json::to_string(request).expect("requests serialize without error");
        line.push('\n');
        if let Err(error) = self.stdin.write_all(line.as_bytes()).and_then(|()| self.stdin.flush()) {
            return Err(self.died(&error.to_string()));
        }
        loop {
            match self.next_event() {
                Ok(Event::Done { id, provenance }) if id == request.id => return Ok(provenance),
                Ok(Event::Failed { id, kind, message, hint }) if id == request.id => {
                    return Err(Failure { kind, message, hint });
                }
                Ok(Event::Heartbeat { .. } | Event::Ready { .. }) => {}
                Ok(event @ (Event::Progress { .. } | Event::Log { .. })) => on_event(event),
                Ok(Event::Done { id, .. } | Event::Failed { id, .. }) => {
                    return Err(self.died(&format!("it answered request {id} instead of {}", request.id)));
                }
                Err(what) => return Err(self.died(&what)),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        // Between requests there is nothing to lose.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A lock whose holder panicked still guards a usable process handle.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn excerpt(line: &str) -> String {
    line.trim_end().chars().take(200).collect()
}

fn last_line(path: &Path) -> String {
    fsx::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).lines().last().map(excerpt).unwrap_or_default())
        .unwrap_or_default()
}
