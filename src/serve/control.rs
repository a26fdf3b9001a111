//! Starting a run and ending it: as processes of their own, like those that are started in a terminal.

use super::site::lock;
use crate::fsx::{self, FsError};
use crate::store::Store;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Characters that are shown of what a run said.
const SHOWN: usize = 4000;

/// A run that was started from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Launched {
    /// `run` or `cancel`.
    pub what: &'static str,
    pub pid: u32,
    /// How it ended, if it did; none too if a signal ended it.
    pub exit_code: Option<i32>,
    pub is_running: bool,
    /// The end of what it said, if it did not end well.
    pub said: Option<String>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("a run of this experiment is going on already")]
    IsRunning,
    #[error("no run of this experiment is going on")]
    IsNotRunning,
    #[error(
        "the run is process {pid} on {host}; end it there, for only a process of this machine can be told from here"
    )]
    IsElsewhere { pid: u32, host: String },
    #[error("the experiment is still being read; try again when its page shows its stages")]
    IsOpening,
    #[error("process {pid} cannot be told to end: {source}")]
    Signal { pid: u32, source: std::io::Error },
    #[error("cannot start tacq-sweep: {0}")]
    Start(std::io::Error),
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Starts processes for one experiment.
#[derive(Debug)]
pub(super) struct Control {
    arguments: Vec<OsString>,
    engine: Option<PathBuf>,
    last: Arc<Mutex<Option<Launched>>>,
}

impl Control {
    pub fn new(arguments: Vec<OsString>, engine: Option<PathBuf>) -> Self {
        Self { arguments, engine, last: Arc::default() }
    }

    /// What was last started from here.
    pub fn last(&self) -> Option<Launched> {
        lock(&self.last).clone()
    }

    /// Starts `tacq-sweep run` or `tacq-sweep cancel`. What it says goes to a file in the store; `ended` is called when it has
    /// ended.
    pub fn start(
        &self,
        what: &'static str,
        store: &Store,
        name: &str,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<(), ControlError> {
        let mut last = lock(&self.last);
        if last.as_ref().is_some_and(|last| last.is_running && last.what == what) {
            return Err(ControlError::IsRunning);
        }
        let said = said_path(store, name, what);
        fsx::create_dir_all(said.parent().expect("it is in a folder"))?;
        let file = fsx::create(&said)?;
        let errors = file.try_clone().map_err(ControlError::Start)?;
        let mut command = Command::new(std::env::current_exe().map_err(ControlError::Start)?);
        command.arg(what).args(&self.arguments).args(["--color", "never"]);
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        if let Some(engine) = &self.engine {
            command.env("TACQ_ENGINE", engine);
        }
        // Ctrl-C in this server's terminal is meant for the server.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(ControlError::Start)?;
        *last = Some(Launched { what, pid: child.id(), exit_code: None, is_running: true, said: None });
        let last = Arc::clone(&self.last);
        std::thread::spawn(move || {
            let status = child.wait().ok();
            let exit_code = status.and_then(|status| status.code());
            let is_fine = status.is_some_and(|status| status.success());
            let said = if is_fine { None } else { end_of(&said) };
            *lock(&last) = Some(Launched { what, pid: child.id(), exit_code, is_running: false, said });
            ended();
        });
        Ok(())
    }
}

/// Whether a number is that of a `tacq-sweep` of this machine that began no later than this: those of containers and of
/// machines with the same name are others, and numbers are given again.
pub(super) fn is_ours(pid: u32, begun_unix: u64) -> bool {
    let mut system = sysinfo::System::new();
    let number = sysinfo::Pid::from_u32(pid);
    system.refresh_processes(sysinfo::ProcessesToUpdate::Some(&[number]), true);
    let process = system.process(number);
    process.is_some_and(|found| found.name() == "tacq-sweep" && found.start_time() <= begun_unix + 2)
}

/// Tells a process of this machine to end soon, as Ctrl-C does; a second time, at once.
pub(super) fn interrupt(pid: u32) -> Result<(), ControlError> {
    let number = i32::try_from(pid).unwrap_or_default();
    // 0 and below are whole groups of processes.
    if number <= 0 {
        return Err(ControlError::IsNotRunning);
    }
    // SAFETY: sends a signal; no memory is involved.
    match unsafe { libc::kill(number, libc::SIGINT) } {
        0 => Ok(()),
        _ => Err(ControlError::Signal { pid, source: std::io::Error::last_os_error() }),
    }
}

fn said_path(store: &Store, name: &str, what: &str) -> PathBuf {
    store.serve_dir().join(format!("{name}.{what}.{}.txt", std::process::id()))
}

fn end_of(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fsx::read(path).ok()?).into_owned();
    let skipped = text.chars().count().saturating_sub(SHOWN);
    Some(text.chars().skip(skipped).collect::<String>().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_processes_are_not_ours() {
        // A test is no tacq-sweep.
        assert!(!is_ours(std::process::id(), u64::MAX - 2) && !is_ours(u32::MAX, u64::MAX - 2));
    }

    #[test]
    fn a_number_that_is_no_process_is_not_signalled() {
        // As a signal's target, 0 is our own group and -1 is everybody.
        for pid in [0, u32::MAX] {
            assert!(matches!(interrupt(pid), Err(ControlError::IsNotRunning)), "{pid}");
        }
    }
}
