//! A body into a file: as many attempts as it takes, each from where the last one ended.

use super::Stop;
use super::client::{Client, Tries};
use super::error::HubError;
use super::exchange::{Answer, Fault};
use crate::fsx;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes hashed between two looks for an interruption.
const HASHED_AT_ONCE: usize = 1 << 20;

/// What is to be fetched.
pub(super) struct Transfer<'a> {
    /// As it is called in messages.
    pub what: &'a str,
    pub url: &'a str,
    /// What has arrived so far, across attempts and processes.
    pub partial: &'a Path,
    /// Its size, where it is known before.
    pub size: Option<u64>,
    /// Its SHA-256, where it is known before.
    pub sha256: Option<&'a str>,
    /// What to do if the contents are not those.
    pub advice: &'a str,
}

impl Transfer<'_> {
    /// Fetches what is missing of the file and checks it. `refusal` says what a status other than success means;
    /// `arrived` counts the bytes of the file that are here.
    pub(super) fn run(
        &self,
        client: &Client,
        refusal: &dyn Fn(&Answer) -> HubError,
        arrived: &AtomicU64,
        stop: &Stop,
    ) -> Result<(), HubError> {
        let begun = length(self.partial) > 0;
        self.fetch(client, refusal, arrived, stop)?;
        match self.check(stop) {
            // What was begun by another run, or another program, may have been wrong from the start.
            Err(HubError::Mismatch { .. }) if begun => {
                self.restart(arrived)?;
                self.fetch(client, refusal, arrived, stop)?;
                self.check(stop)
            }
            other => other,
        }
        .inspect_err(|error| {
            if matches!(error, HubError::Mismatch { .. }) {
                let _ = fsx::remove_file(self.partial);
            }
        })
    }

    fn fetch(
        &self,
        client: &Client,
        refusal: &dyn Fn(&Answer) -> HubError,
        arrived: &AtomicU64,
        stop: &Stop,
    ) -> Result<(), HubError> {
        let mut tries = Tries::of(self.what);
        let mut size = self.size;
        loop {
            let mut have = length(self.partial);
            if size.is_some_and(|size| have > size) {
                self.restart(arrived)?;
                have = 0;
            }
            arrived.store(have, Ordering::Relaxed);
            if size == Some(have) {
                // An empty file has no bytes to wait for, but must be there.
                fsx::append(self.partial)?;
                return Ok(());
            }
            let range = (have > 0).then(|| ("range", format!("bytes={have}-")));
            let range: Vec<_> = range.into_iter().collect();
            let answer = client.get(self.url, &range, &mut tries, stop)?;
            match answer.status {
                206 if starts_at(&answer, have) => {}
                // The whole file, asked for or not.
                200 => {
                    if have > 0 {
                        self.restart(arrived)?;
                    }
                    size = size.or_else(|| answer.header("content-length")?.parse().ok());
                }
                206 | 416 => {
                    self.restart(arrived)?;
                    client.wait(&mut tries, "the server cannot resume".to_owned(), None, stop)?;
                    continue;
                }
                _ => return Err(refusal(&answer)),
            }
            match self.copy(answer, size, &mut tries, client.least_progress(), arrived, stop)? {
                None if size.is_none_or(|size| length(self.partial) == size) => return Ok(()),
                None => client.wait(&mut tries, "the body ended early".to_owned(), None, stop)?,
                Some(problem) => client.wait(&mut tries, problem, None, stop)?,
            }
        }
    }

    /// Appends a body to the file; returns what broke it off, if anything.
    fn copy(
        &self,
        mut answer: Answer,
        size: Option<u64>,
        tries: &mut Tries,
        least: u64,
        arrived: &AtomicU64,
        stop: &Stop,
    ) -> Result<Option<String>, HubError> {
        let mut file = fsx::append(self.partial)?;
        let mut brought = 0;
        loop {
            match answer.read(stop) {
                Ok(Some(piece)) => {
                    file.write_all(&piece).map_err(|e| HubError::write(self.partial, e))?;
                    brought += piece.len() as u64;
                    let have = arrived.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
                    if brought >= least {
                        tries.progressed();
                    }
                    if size.is_some_and(|size| have > size) {
                        return Ok(None);
                    }
                }
                Ok(None) => return Ok(None),
                Err(Fault::Stopped) => return Err(HubError::Stopped),
                Err(Fault::Broken(problem)) => return Ok(Some(problem)),
            }
        }
    }

    fn restart(&self, arrived: &AtomicU64) -> Result<(), HubError> {
        arrived.store(0, Ordering::Relaxed);
        Ok(fsx::remove_file(self.partial)?)
    }

    fn check(&self, stop: &Stop) -> Result<(), HubError> {
        let mismatch = |found: String, expected: String| HubError::Mismatch {
            what: self.what.to_owned(),
            found,
            expected,
            advice: self.advice.to_owned(),
        };
        let found = length(self.partial);
        if let Some(size) = self.size.filter(|size| *size != found) {
            return Err(mismatch(format!("{found} bytes"), size.to_string()));
        }
        if let Some(expected) = self.sha256 {
            let found = sha256(self.partial, stop)?;
            if !found.eq_ignore_ascii_case(expected) {
                return Err(mismatch(format!("SHA-256 {found}"), expected.to_owned()));
            }
        }
        Ok(fsx::sync(self.partial)?)
    }
}

/// Bytes of a file; 0 if it is not there.
pub(super) fn length(path: &Path) -> u64 {
    fsx::metadata(path).map_or(0, |m| m.len())
}

/// Whether a partial answer begins where it was asked to.
fn starts_at(answer: &Answer, at: u64) -> bool {
    let range = answer.header("content-range").and_then(|range| range.strip_prefix("bytes "));
    range.and_then(|range| range.split('-').next()?.trim().parse().ok()) == Some(at)
}

fn sha256(path: &Path, stop: &Stop) -> Result<String, HubError> {
    let mut file = fsx::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(HubError::Stopped);
        }
        let n = file.read(&mut buffer).map_err(|source| fsx::FsError {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        if n == 0 {
            let digest = hasher.finalize();
            return Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..n]);
    }
}
