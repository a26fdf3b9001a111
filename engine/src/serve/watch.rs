//! Signs of life for the driver, and the engine's own death when the driver is gone.

use super::output::Output;
use crate::stages::Sink;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use tacq_protocol::Event;

/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Time between two looks at the parent process.
const PARENT_CHECK: Duration = Duration::from_millis(500);

/// Sends heartbeats of a request until dropped.
pub struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts the heart.
    pub fn start(id: u64, output: Arc<Output>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                output.send(&Event::Heartbeat { id });
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Heartbeat {
    /// Waits for the thread, so that no heartbeat follows the request's last event.
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ends the process when its parent is gone.
///
/// The end of standard input says so too, but not while another process holds the pipe's other end.
/// `PR_SET_PDEATHSIG` will not do: it fires when the *thread* that started the engine ends.
pub fn end_with_parent() {
    // SAFETY: getppid cannot fail and touches no memory.
    let parent = unsafe { libc::getppid() };
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(PARENT_CHECK);
            // SAFETY: as above.
            if unsafe { libc::getppid() } != parent {
                end_now(1);
            }
        }
    });
}

/// Ends the process without running destructors, which other threads may still need.
pub fn end_now(status: i32) -> ! {
    // SAFETY: _exit ends the process; what was written and flushed stays.
    unsafe { libc::_exit(status) }
}
