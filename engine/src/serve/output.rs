//! The protocol's end of standard output.

use super::watch;
use crate::stages::Sink;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tacq_protocol::Event;

/// The only writer of protocol lines; may be shared by threads.
pub struct Output {
    file: Mutex<File>,
    stopping: AtomicBool,
}

impl Output {
    /// Takes standard output for the protocol; from now on descriptor 1 is standard error.
    pub fn claim_stdout() -> Self {
        let stdout: std::io::Result<OwnedFd> = std::io::stdout().as_fd().try_clone_to_owned();
        let Ok(own) = stdout else {
            eprintln!("tacq-engine: standard output is closed");
            watch::end_now(2);
        };
        // SAFETY: both descriptors are open; dup2 closes the old 1 and makes it another name of 2.
        unsafe { libc::dup2(std::io::stderr().as_raw_fd(), 1) };
        Self { file: Mutex::new(File::from(own)), stopping: AtomicBool::new(false) }
    }

    /// Says whether the request at hand, or the next one, is to end soon.
    pub fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Ordering::Relaxed);
    }
}

impl Sink for Output {
    /// Writes one line. If nobody reads any more, the driver is gone and the process ends.
    fn send(&self, event: &Event) {
        let mut line = serde_json::to_string(event).expect("events have string keys and finite numbers");
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if file.write_all(line.as_bytes()).is_err() {
            watch::end_now(1);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
