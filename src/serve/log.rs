//! The end of a run's log, as it grows.

use crate::fsx;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines that are kept.
const KEPT: usize = 400;
/// What is read of a log that is longer than this since the last look.
const TAIL: u64 = 256 << 10;
/// Characters of a line.
const LONGEST: usize = 2000;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// Its number since this server looked at the log first.
    pub n: u64,
    pub time: String,
    pub level: String,
    pub text: String,
}

/// A line as it is written.
#[derive(Deserialize)]
struct Written {
    timestamp: String,
    level: String,
    fields: serde_json::Map<String, serde_json::Value>,
}

/// Follows the log of the newest run.
#[derive(Debug, Default)]
pub(super) struct Tail {
    path: Option<PathBuf>,
    read: u64,
    /// What stands after the last end of a line.
    rest: Vec<u8>,
    next: u64,
    lines: VecDeque<Arc<Line>>,
}

impl Tail {
    /// Reads what is new; of another log than before, its end.
    pub fn follow(&mut self, path: Option<&Path>) {
        if self.path.as_deref() != path {
            *self = Self { path: path.map(Path::to_owned), next: self.next, ..Self::default() };
        }
        let Some(path) = path else { return };
        let Some(new) = self.read_on(path) else { return };
        self.rest.extend(new);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Some(line) = parse(&line, self.next) {
                self.next += 1;
                self.lines.push_back(Arc::new(line));
            }
        }
        while self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// Number of the first line that is kept, or that will be.
    pub fn first(&self) -> u64 {
        self.lines.front().map_or(self.next, |line| line.n)
    }

    /// The last lines, the oldest first.
    pub fn lines(&self) -> Vec<Arc<Line>> {
        self.lines.iter().cloned().collect()
    }

    fn read_on(&mut self, path: &Path) -> Option<Vec<u8>> {
        let mut file = fsx::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        if length < self.read {
            self.read = 0;
        }
        if length - self.read > TAIL {
            self.read = length - TAIL;
            self.rest.clear();
        }
        file.seek(SeekFrom::Start(self.read)).ok()?;
        let mut new = Vec::new();
        file.take(TAIL).read_to_end(&mut new).ok()?;
        self.read += new.len() as u64;
        Some(new)
    }
}

/// A line; nothing of what is torn.
fn parse(line: &[u8], n: u64) -> Option<Line> {
    let Written { timestamp, level, mut fields } = serde_json::from_slice(line).ok()?;
    let message = fields.remove("message").unwrap_or_default();
    let mut text = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    for (name, value) in &fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!(" {name}={value}"));
    }
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
    let time = timestamp.split('T').nth(1).and_then(|time| time.get(..8)).unwrap_or_default().to_owned();
    Some(Line { n, time, level: level.to_lowercase(), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn line(n: usize) -> String {
        format!(
            "{{\"timestamp\":\"2026-11-29T09:00:0{}.5Z\",\"level\":\"INFO\",\"fields\":{{\"message\":\"m{n}\",\"stage\":\"s\"}}}}\n",
            n % 10
        )
    }

    #[test]
    fn a_log_is_followed_and_another_one_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut file = fsx::append(&path).unwrap();
        let mut tail = Tail::default();
        let second = line(2);
        write!(file, "{}{}", line(1), &second[..20]).unwrap();
        tail.follow(Some(&path));
        writeln!(file, "{}not json", &second[20..]).unwrap();
        tail.follow(Some(&path));
        let texts: Vec<_> = tail.lines().iter().map(|line| line.text.clone()).collect();
        assert_eq!(texts, ["m1 stage=s", "m2 stage=s"]);
        assert_eq!((tail.lines()[1].time.as_str(), tail.lines()[1].level.as_str()), ("09:00:02", "info"));

        let other = dir.path().join("other.jsonl");
        fsx::write(&other, (0..20_000).map(line).collect::<String>().as_bytes()).unwrap();
        tail.follow(Some(&other));
        let lines = tail.lines();
        assert_eq!(lines.len(), KEPT);
        assert_eq!(lines.last().unwrap().text, "m19999 stage=s");
        assert!(lines[0].n > 1, "numbers go on");
        tail.follow(None);
        assert!(tail.lines().is_empty());
    }
}
