//! Runs Slurm's programs.

use super::SlurmError;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time for one command. Clients give up by themselves after some ten seconds per controller.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Whether it ended with success.
    pub success: bool,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs a program to its end; tests answer in its place.
pub trait Runner: Send {
    /// Runs it with these arguments and this standard input.
    ///
    /// # Errors
    /// [`SlurmError::Missing`] when it cannot be started, [`SlurmError::Unreachable`] when it does not end.
    fn run(&mut self, program: &str, arguments: &[String], stdin: &str) -> Result<Finished, SlurmError>;
}

/// The programs on the PATH.
#[derive(Debug, Default)]
pub struct Program;

impl Runner for Program {
    fn run(&mut self, program: &str, arguments: &[String], stdin: &str) -> Result<Finished, SlurmError> {
        let missing = |error: std::io::Error| SlurmError::Missing {
            program: program.to_owned(),
            reason: error.to_string(),
        };
        let mut child = Command::new(program)
            .args(arguments)
            // Lists of array tasks in full, times that we can read, no formats of the user's own.
            .env("SLURM_BITSTR_LEN", "0")
            .env("SLURM_TIME_FORMAT", "standard")
            .env_remove("SQUEUE_FORMAT")
            .env_remove("SQUEUE_STATES")
            .env_remove("SACCT_FORMAT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(missing)?;
        let mut input = child.stdin.take().expect("asked for as a pipe");
        // A program that does not read its input is no error; what it says about it is.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        let stdout = collect(child.stdout.take().expect("asked for as a pipe"));
        let stderr = collect(child.stderr.take().expect("asked for as a pipe"));
        let success = end(&mut child, program)?;
        let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
        Ok(Finished { success, stdout: text(stdout), stderr: text(stderr) })
    }
}

/// Reads to the end on a thread of its own, so that neither pipe fills up.
fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still of use.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end; whether it was a success.
fn end(child: &mut Child, program: &str) -> Result<bool, SlurmError> {
    let unreachable = |message: String| SlurmError::Unreachable { program: program.to_owned(), message };
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if started.elapsed() < PATIENCE => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(unreachable(format!("no answer within {} s", PATIENCE.as_secs())));
            }
            Err(error) => return Err(unreachable(error.to_string())),
        }
    }
}
