//! One request and its answer, as they come: an own thread waits for the network, so that whoever reads can stop at any
//! moment and sees silence as such.

use super::settings::Timing;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use ureq::http::HeaderMap;

/// Bytes of a piece.
const PIECE: usize = 128 * 1024;
/// Pieces that may wait for the disk.
const PIECES: usize = 8;
/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(50);

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub head_only: bool,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
}

/// Why an answer ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// The run was interrupted.
    Stopped,
    /// The network failed; another attempt may do.
    Broken(String),
}

enum Part {
    Head(u16, HeaderMap),
    Piece(Vec<u8>),
    End,
    Broken(String),
}

/// An answer whose head has arrived.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    parts: Receiver<Part>,
    window: Window,
    silence: Duration,
}

/// The time in which some bytes must come.
struct Window {
    length: Duration,
    least: u64,
    began: Instant,
    bytes: u64,
}

/// Asks, and waits for the answer's head.
pub(super) fn ask(
    agent: &ureq::Agent,
    question: Question,
    timing: &Timing,
    stop: &AtomicBool,
) -> Result<Answer, Fault> {
    let (sender, parts) = sync_channel(PIECES);
    let agent = agent.clone();
    // Not joined: where nobody listens any more, it ends with its next piece or with the agent's time limits.
    std::thread::spawn(move || answer(&agent, &question, &sender));
    match next(&parts, timing.connect + timing.answer, stop)? {
        Some(Part::Head(status, headers)) => {
            let window =
                Window { length: timing.window, least: timing.least_bytes, began: Instant::now(), bytes: 0 };
            Ok(Answer { status, headers, parts, window, silence: timing.silence })
        }
        Some(Part::Broken(problem)) => Err(Fault::Broken(problem)),
        Some(Part::Piece(_) | Part::End) => Err(Fault::Broken("the answer has no head".to_owned())),
        None => Err(Fault::Broken("the server does not answer".to_owned())),
    }
}

/// The next part; nothing if none comes in time.
fn next(parts: &Receiver<Part>, limit: Duration, stop: &AtomicBool) -> Result<Option<Part>, Fault> {
    let began = Instant::now();
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        match parts.recv_timeout(TICK.min(limit)) {
            Ok(part) => return Ok(Some(part)),
            Err(RecvTimeoutError::Timeout) if began.elapsed() >= limit => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Fault::Broken("the connection's thread ended".to_owned()));
            }
        }
    }
}

fn answer(agent: &ureq::Agent, question: &Question, parts: &SyncSender<Part>) {
    let method = if question.head_only { "HEAD" } else { "GET" };
    let mut request = ureq::http::Request::builder().method(method).uri(&question.url);
    for (name, value) in &question.headers {
        request = request.header(*name, value);
    }
    let outcome = request.body(()).map_err(|e| e.to_string()).and_then(|request| {
        let response = agent.run(request).map_err(|e| e.to_string())?;
        let (head, body) = response.into_parts();
        // Where the other side has hung up, nobody wants to know.
        let _ = parts.send(Part::Head(head.status.as_u16(), head.headers));
        if question.head_only {
            return Ok(());
        }
        let mut reader = body.into_with_config().limit(u64::MAX).reader();
        loop {
            let mut piece = vec![0; PIECE];
            let n = reader.read(&mut piece).map_err(|e| e.to_string())?;
            piece.truncate(n);
            if n == 0 || parts.send(Part::Piece(piece)).is_err() {
                return Ok(());
            }
        }
    });
    let _ = parts.send(match outcome {
        Ok(()) => Part::End,
        Err(problem) => Part::Broken(problem),
    });
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The next bytes of the body; none at its end. A body that trickles is broken, too.
    pub(super) fn read(&mut self, stop: &AtomicBool) -> Result<Option<Vec<u8>>, Fault> {
        match next(&self.parts, self.silence, stop)? {
            Some(Part::Piece(piece)) => {
                self.window.bytes += piece.len() as u64;
                if self.window.began.elapsed() >= self.window.length {
                    if self.window.bytes < self.window.least {
                        let secs = self.window.length.as_secs_f64();
                        let problem = format!("only {} bytes came in {secs:.0} s", self.window.bytes);
                        return Err(Fault::Broken(problem));
                    }
                    self.window.bytes = 0;
                    self.window.began = Instant::now();
                }
                Ok(Some(piece))
            }
            Some(Part::End) => Ok(None),
            Some(Part::Broken(problem)) => Err(Fault::Broken(problem)),
            Some(Part::Head(..)) => Err(Fault::Broken("the answer has two heads".to_owned())),
            None => Err(Fault::Broken(format!("nothing came for {:.0} s", self.silence.as_secs_f64()))),
        }
    }

    /// The whole body, if it is not longer than `most` bytes.
    pub(super) fn read_all(mut self, most: usize, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(piece) = self.read(stop)? {
            body.extend(piece);
            if body.len() > most {
                return Err(Fault::Broken(format!("the answer is longer than {most} bytes")));
            }
        }
        Ok(body)
    }
}
