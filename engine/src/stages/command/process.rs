//! The command's process: started with what it is told and nothing else, listened to, and ended with all it started.

use super::CommandError;
use crate::Result;
use crate::stages::{Context, StageError};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tacq_protocol::LogLevel;

/// Time between two looks at the process.
const POLL: Duration = Duration::from_millis(50);
/// What it has left after it was asked to end.
const GRACE: Duration = Duration::from_secs(20);
/// Lines that an error quotes.
const LAST_WORDS: usize = 5;
/// Bytes of a line that are passed on.
const LINE: usize = 2000;
/// Time between two states of a progress bar.
const STATES: Duration = Duration::from_secs(1);

/// Runs the command in a process group of its own, which is killed when the engine is gone, whatever ended the engine:
/// then the pipe that only the engine holds is closed. The watcher is in the group itself, so that it ends with it.
const WATCHED: &str = "exec 3<&0 </dev/null; \
    { trap '' TERM; read -r _ <&3; kill -9 0; } >/dev/null 2>&1 & exec \"$@\" 3<&-";

/// A command about to be run.
pub struct Process<'a> {
    /// Program and arguments.
    pub command: &'a [String],
    /// All environment variables.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub folder: &'a Path,
}

impl Process<'_> {
    /// Runs it to its end, or to the end of the request.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        let program = self.command.first().cloned().unwrap_or_default();
        let fail = |source| CommandError::Start { program: program.clone(), source };
        let (reader, writer) = std::io::pipe().map_err(fail)?;
        let both = writer.try_clone().map_err(fail)?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHED, "sh"]).args(self.command);
        command.env_clear().envs(self.environment).current_dir(self.folder).process_group(0);
        let child = command.stdin(Stdio::piped()).stdout(writer).stderr(both).spawn().map_err(fail)?;
        // The pipe's ends of this process are in it.
        drop(command);
        let mut group = Group { child, status: None };
        let mut last = VecDeque::new();
        let status = listen(&mut group, &read_lines(reader), &mut last, context)?;
        if status.success() {
            return Ok(());
        }
        Err(CommandError::Failed { status: in_words(status), last: last.into() }.into())
    }
}

/// Passes on what the command writes until it has ended.
fn listen(
    group: &mut Group,
    lines: &Receiver<String>,
    last: &mut VecDeque<String>,
    context: &Context<'_>,
) -> Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => pass_on(line, last, context),
            // It closed its output and works on.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = group.status() {
            // Whatever it left running ends with it, and closes its end of the pipe. What made itself independent of the
            // group may keep it open: it is not waited for.
            group.kill();
            while let Ok(line) = lines.recv_timeout(POLL * 4) {
                pass_on(line, last, context);
            }
            // One that was asked to end may have ended well with half of its work: nobody can tell.
            return if asked.is_some() { Err(StageError::Stopped.into()) } else { Ok(status) };
        }
        if asked.is_none() && context.go_on().is_err() {
            group.signal(libc::SIGTERM);
            asked = Some(Instant::now());
        }
        if asked.is_some_and(|asked| asked.elapsed() > GRACE) {
            group.kill();
        }
    }
}

fn pass_on(line: String, last: &mut VecDeque<String>, context: &Context<'_>) {
    context.log(LogLevel::Info, &line);
    last.push_back(line);
    if last.len() > LAST_WORDS {
        last.pop_front();
    }
}

/// The command and everything that it started.
struct Group {
    child: Child,
    status: Option<ExitStatus>,
}

impl Group {
    /// How the command ended, if it has. What it started may still run.
    fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    fn signal(&self, signal: i32) {
        let Ok(id) = i32::try_from(self.child.id()) else { return };
        // SAFETY: sends a signal to a group that this process made; no memory is touched. The group lives as long as one
        // process of it, and the watcher is one, so that its number is not another's.
        unsafe { libc::kill(-id, signal) };
    }

    fn kill(&self) {
        self.signal(libc::SIGKILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, on a thread that ends with the last process that can write. Progress bars overwrite a line with
/// carriage returns: of their states, one a second is a line.
fn read_lines(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let mut state_told: Option<Instant> = None;
        for byte in BufReader::new(reader).bytes() {
            let byte = byte.unwrap_or(b'\n');
            if byte != b'\n' && byte != b'\r' {
                if line.len() < LINE {
                    line.push(byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let is_state = byte == b'\r';
            if text.is_empty() || is_state && state_told.is_some_and(|at| at.elapsed() < STATES) {
                continue;
            }
            if is_state {
                state_told = Some(Instant::now());
            }
            if sender.send(text).is_err() {
                return;
            }
        }
        let rest = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !rest.is_empty() {
            // Nobody listens any more if this fails.
            let _ = sender.send(rest);
        }
    });
    lines
}

fn in_words(status: ExitStatus) -> String {
    match status.signal() {
        Some(libc::SIGKILL) => "it was killed (signal 9), perhaps because memory ran out".to_owned(),
        Some(signal) => format!("it was ended by signal {signal}"),
        None if status.code() == Some(127) => "exit status 127, a program was not found".to_owned(),
        None => format!("exit status {}", status.code().unwrap_or_default()),
    }
}
