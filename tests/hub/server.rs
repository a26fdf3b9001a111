//! A look-alike of the hub on two loopback ports: one answers like the hub, the other keeps the bytes of large files as
//! a content network does. It remembers every request and misbehaves as told.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tacq_sweep::hub::{Hub, Settings, Timing, Token};

/// The commit that `main` points to.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// What clients of [`Server::settings`] send.
pub const TOKEN: &str = "hf_secret";

/// What the server does instead of answering as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers with a status, and asks to be left alone for some seconds.
    Status(u16, Option<u64>),
    /// Hangs up after so many bytes of the body.
    HangUp(usize),
    /// Sends so many bytes of the body, then one now and then.
    Trickle(usize),
    /// Says nothing at all.
    Silence,
    /// Sends the whole file whatever range was asked for.
    IgnoreRange,
    /// Sends other bytes of the same number.
    OtherBytes,
    /// Redirects to itself.
    Circle,
    /// Takes its time between pieces, so that a test can do something meanwhile.
    Slowly,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `hub` or `cdn`.
    pub host: &'static str,
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// Bytes of the body that were sent.
    pub sent: usize,
}

#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    large: bool,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    commit: String,
    /// For paths that contain a text, so many times.
    faults: Vec<(String, Fault, usize)>,
    seen: Vec<Seen>,
    cdn: String,
}

pub struct Server {
    state: Arc<Mutex<State>>,
    hub: SocketAddr,
    pub cdn: SocketAddr,
    folder: tempfile::TempDir,
}

/// Bytes that differ from place to place.
pub fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..n).map(byte).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl File {
    fn etag(&self) -> String {
        let hash = sha256(&self.bytes);
        if self.large { hash } else { hash[..40].to_owned() }
    }
}

impl Server {
    /// A hub whose every repository has these files; those of 10,000 bytes and more are large.
    pub fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files
            .iter()
            .map(|(path, bytes)| {
                ((*path).to_owned(), File { bytes: bytes.clone(), large: bytes.len() >= 10_000 })
            })
            .collect();
        let state = Arc::new(Mutex::new(State { files, commit: COMMIT.to_owned(), ..State::default() }));
        let (hub, cdn) = (listen("hub", &state), listen("cdn", &state));
        state.lock().unwrap().cdn = format!("http://{cdn}");
        Self { state, hub, cdn, folder: tempfile::tempdir().unwrap() }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A cache that no other test has.
    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("hf/hub")
    }

    /// Settings with little patience.
    pub fn settings(&self) -> Settings {
        let ms = Duration::from_millis;
        Settings {
            endpoint: self.endpoint(),
            cache: self.cache(),
            token: Token::new(TOKEN),
            offline: false,
            timing: Timing {
                connect: ms(1000),
                answer: ms(500),
                silence: ms(300),
                window: ms(400),
                least_bytes: 2000,
                attempts: 3,
                first_wait: ms(5),
                longest_wait: ms(2000),
            },
        }
    }

    pub fn client(&self) -> Hub {
        self.client_with(self.settings())
    }

    pub fn client_with(&self, settings: Settings) -> Hub {
        Hub::new(settings, self.folder.path().join("memory"), false)
    }

    /// Misbehaves the next `times` times that a path with this text is asked for.
    pub fn fault(&self, path: &str, fault: Fault, times: usize) -> &Self {
        self.state.lock().unwrap().faults.push((path.to_owned(), fault, times));
        self
    }

    /// `main` moves on.
    pub fn push(&self, commit: &str) {
        self.state.lock().unwrap().commit = commit.to_owned();
    }

    /// What was asked for so far.
    pub fn peek(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// What was asked for since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

fn listen(host: &'static str, state: &Arc<Mutex<State>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().unwrap();
    let state = Arc::clone(state);
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || serve(host, &state, stream));
        }
    });
    address
}

/// Answers one request. A client that has hung up is none of our business.
fn serve(host: &'static str, state: &Mutex<State>, mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: BTreeMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned())))
        .collect();
    let range =
        headers.get("range").and_then(|r| r.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok());
    let mut locked = state.lock().unwrap();
    let fault = locked.faults.iter_mut().find(|(text, _, times)| *times > 0 && path.contains(text.as_str()));
    let fault = fault.map(|(_, fault, times)| {
        *times -= 1;
        *fault
    });
    let at = locked.seen.len();
    locked.seen.push(Seen { host, method: method.clone(), path: path.clone(), headers, sent: 0 });
    let (mut head, mut body) = reply(host, &locked, &path, range, fault);
    drop(locked);
    match fault {
        Some(Fault::Silence) => {
            std::thread::sleep(Duration::from_secs(3));
            return;
        }
        Some(Fault::OtherBytes) => body.iter_mut().for_each(|b| *b ^= 0x55),
        _ => {}
    }
    if !head.to_lowercase().contains("content-length") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    if stream.write_all(format!("HTTP/1.1 {head}Connection: close\r\n\r\n").as_bytes()).is_err()
        || method == "HEAD"
    {
        return;
    }
    let stop = match fault {
        Some(Fault::HangUp(n) | Fault::Trickle(n)) => n.min(body.len()),
        _ => body.len(),
    };
    let mut send = |piece: &[u8]| {
        let sent = stream.write_all(piece).is_ok();
        if let Some(seen) = state.lock().unwrap().seen.get_mut(at).filter(|_| sent) {
            seen.sent += piece.len();
        }
        sent
    };
    for piece in body[..stop].chunks(4096) {
        if !send(piece) {
            return;
        }
        if fault == Some(Fault::Slowly) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    if let Some(Fault::Trickle(_)) = fault {
        for byte in body[stop..].chunks(1) {
            if !send(byte) {
                return;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

/// Status line with headers, and the body.
fn reply(
    host: &str,
    state: &State,
    path: &str,
    range: Option<usize>,
    fault: Option<Fault>,
) -> (String, Vec<u8>) {
    let missing = |code: &str| (format!("404 Not Found\r\nX-Error-Code: {code}\r\n"), b"no".to_vec());
    match fault {
        Some(Fault::Status(status, wait)) => {
            let wait = wait.map_or(String::new(), |secs| format!("Retry-After: {secs}\r\n"));
            return (format!("{status} Oh\r\n{wait}"), b"no".to_vec());
        }
        Some(Fault::Circle) => return (format!("302 Found\r\nLocation: {path}\r\n"), Vec::new()),
        _ => {}
    }
    if path.starts_with("/api/") {
        let revision = path.split(['/', '?']).nth(6).unwrap_or_default();
        if revision != "main" && revision != state.commit && revision != "refs%2Fpr%2F1" {
            return missing("RevisionNotFound");
        }
        let siblings: Vec<String> = state
            .files
            .iter()
            .map(|(path, file)| format!(r#"{{"rfilename": "{path}", "size": {}}}"#, file.bytes.len()))
            .collect();
        let body = format!(r#"{{"sha": "{}", "siblings": [{}]}}"#, state.commit, siblings.join(", "));
        return ("200 OK\r\nContent-Type: application/json\r\n".to_owned(), body.into_bytes());
    }
    // /org/name/resolve/<commit>/<path>, on the other host /<path>.
    let name = match host {
        "hub" => {
            path.split_once("/resolve/").and_then(|(_, rest)| rest.split_once('/')).map(|(_, name)| name)
        }
        _ => path.strip_prefix('/').map(|rest| rest.split('?').next().unwrap_or(rest)),
    };
    let Some((name, file)) = name.and_then(|name| state.files.get_key_value(name)) else {
        return missing("EntryNotFound");
    };
    let (etag, size) = (file.etag(), file.bytes.len());
    if host == "hub" && file.large {
        let head = format!(
            "302 Found\r\nX-Repo-Commit: {}\r\nX-Linked-Etag: \"{etag}\"\r\nX-Linked-Size: {size}\r\nETag: \"of the pointer\"\r\nLocation: {}/{name}?Signature=/x\r\nContent-Length: 0\r\n",
            state.commit, state.cdn
        );
        return (head, Vec::new());
    }
    let head = format!("ETag: \"{etag}\"\r\nX-Repo-Commit: {}\r\n", state.commit);
    match range.filter(|_| fault != Some(Fault::IgnoreRange)) {
        Some(from) if from >= size => (format!("416 No\r\nContent-Range: bytes */{size}\r\n"), Vec::new()),
        Some(from) => {
            let body = file.bytes[from..].to_vec();
            (format!("206 Partial\r\n{head}Content-Range: bytes {from}-{}/{size}\r\n", size - 1), body)
        }
        None => (format!("200 OK\r\n{head}"), file.bytes.clone()),
    }
}
