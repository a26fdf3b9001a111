//! The engine process as a worker: requests go to its standard input, events come from its standard output.

use super::worker::{Failure, LaunchError, Launcher, Limits, Worker};
use crate::fsx;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;
use tacq_protocol::{Control, Event, FailureKind, PROTOCOL_VERSION, Request};

/// How long an engine may take to load libtorch and say that it is ready: from a cold network disk it takes a while.
const START: Duration = Duration::from_secs(300);

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
    all: Vec<Running>,
    /// Set by `stop`: an engine that starts after it is told so.
    stopped: bool,
    /// Set by `cancel`: an engine that starts after it is stopped at once.
    cancelled: bool,
}

/// What others than the thread that talks to an engine need of it.
#[derive(Debug, Clone)]
struct Running {
    child: Arc<Mutex<Child>>,
    stdin: Arc<Mutex<ChildStdin>>,
}

impl Running {
    /// Asks it to stop soon. If it is gone, its own thread finds out.
    fn stop(&self) {
        let _ = send(&mut lock(&self.stdin), &Control::Stop);
    }

    fn kill(&self) {
        // An engine that has ended already needs no killing.
        let _ = lock(&self.child).kill();
    }
}

/// Writes one line.
fn send<T: serde::Serialize>(stdin: &mut ChildStdin, message: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_string(message).expect("messages serialize without error");
    line.push('\n');
    stdin.write_all(line.as_bytes())?;
    stdin.flush()
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
        // Without room for a log there will be none for artifacts, either: that is for the stages to say.
        let stderr = match fsx::append(&log) {
            Ok(file) => Stdio::from(file),
            Err(error) => {
                tracing::warn!("the engine runs without a log: {error}");
                Stdio::null()
            }
        };
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
        let running = Running { child: Arc::new(Mutex::new(child)), stdin: Arc::new(Mutex::new(stdin)) };
        let mut children = lock(&self.children);
        if children.cancelled {
            running.kill();
        } else if children.stopped {
            running.stop();
        }
        children.all.push(running.clone());
        drop(children);
        let mut engine = Engine { running, lines: read_lines(stdout), log };
        match engine.next_event(START) {
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

    fn stop(&self) {
        let mut children = lock(&self.children);
        children.stopped = true;
        children.all.iter().for_each(Running::stop);
    }

    fn cancel(&self) {
        let mut children = lock(&self.children);
        children.cancelled = true;
        children.all.iter().for_each(Running::kill);
    }
}

/// Reads an engine's lines on a thread of its own, so that silence can be told from slow work. Ends with the engine.
fn read_lines(stdout: ChildStdout) -> Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let is_end = line.is_err();
            if sender.send(line).is_err() || is_end {
                return;
            }
        }
    });
    lines
}

struct Engine {
    running: Running,
    lines: Receiver<std::io::Result<String>>,
    log: PathBuf,
}

/// What came instead of an event.
enum Unheard {
    /// Nothing, for that long.
    Silence,
    /// The end, or nonsense.
    Broken(String),
}

impl Engine {
    /// The next event, waited for so long.
    fn next_event(&mut self, patience: Duration) -> Result<Event, Unheard> {
        match self.lines.recv_timeout(patience) {
            Ok(Ok(line)) => serde_json::from_str(&line).map_err(|e| {
                Unheard::Broken(format!("it wrote something that is no event ({e}): {}", excerpt(&line)))
            }),
            Ok(Err(error)) => Err(Unheard::Broken(error.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(Unheard::Silence),
            Err(RecvTimeoutError::Disconnected) => Err(Unheard::Broken("it closed its output".to_owned())),
        }
    }

    /// Makes sure that the process is gone; says how it ended.
    fn end(&self) -> String {
        let mut child = lock(&self.running.child);
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

    /// Ends an engine that took too long.
    fn overdue(&self, kind: FailureKind, message: String, hint: &str) -> Failure {
        self.running.kill();
        self.end();
        Failure { kind, message, hint: Some(format!("{hint}; its log is {}", self.log.display())) }
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
    fn run(
        &mut self,
        request: &Request,
        limits: &Limits,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Provenance, Failure> {
        if let Err(error) = send(&mut lock(&self.running.stdin), request) {
            return Err(self.died(&error.to_string()));
        }
        let started = Instant::now();
        loop {
            let left = limits.timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            match self.next_event(left.map_or(limits.hang, |left| left.min(limits.hang))) {
                Ok(Event::Done { id, provenance }) if id == request.id => return Ok(provenance),
                Ok(Event::Failed { id, kind, message, hint }) if id == request.id => {
                    return Err(Failure { kind, message, hint });
                }
                Ok(Event::Heartbeat { .. } | Event::Ready { .. }) => {}
                Ok(event @ (Event::Progress { .. } | Event::Log { .. })) => on_event(event),
                Ok(Event::Done { id, .. } | Event::Failed { id, .. }) => {
                    return Err(self.died(&format!("it answered request {id} instead of {}", request.id)));
                }
                Err(Unheard::Broken(what)) => return Err(self.died(&what)),
                // Told below if it is the limit that was reached.
                Err(Unheard::Silence) if limits.timeout.is_none_or(|limit| started.elapsed() < limit) => {
                    let message = format!(
                        "the engine gave no sign of life for {} s and was ended",
                        limits.hang.as_secs()
                    );
                    let hint = "if the machine stood still that long, raise run.hang";
                    return Err(self.overdue(FailureKind::EngineDied, message, hint));
                }
                Err(Unheard::Silence) => {}
            }
            if let Some(limit) = limits.timeout.filter(|limit| started.elapsed() >= *limit) {
                let message = format!("it took longer than its time limit of {} s", limit.as_secs());
                let hint = "raise run.timeout, or run.kinds.KIND.timeout for this kind of stage";
                return Err(self.overdue(FailureKind::Timeout, message, hint));
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut child = lock(&self.running.child);
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
