//! Reading everything again: whether each artifact is still what was committed.

use super::lock::KeyLock;
use super::{Entry, Manifest, Store, StoreError};
use crate::digest::Digest;
use crate::fsx::{self, FsError};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What became of a damaged artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// It was moved there, so that the next run computes it again.
    Quarantined(PathBuf),
    /// A process is computing it anew; it was left alone.
    Reserved,
    /// It was computed anew or removed meanwhile.
    Gone,
}

/// A damaged artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind and key.
    #[serde(flatten)]
    pub entry: Entry,
    /// What is wrong with it.
    pub problem: String,
    /// What was done about it.
    pub damage: Damage,
}

impl Store {
    /// Hashes all files of an artifact, and what its key is the hash of. What is damaged is moved into quarantine.
    /// `None` if all is well.
    pub fn verify(&self, entry: &Entry) -> Result<Option<Finding>, StoreError> {
        let Some(problem) = self.problem(entry)? else { return Ok(None) };
        let found = |problem, damage| Ok(Some(Finding { entry: entry.clone(), problem, damage }));
        let Some(_lock) = KeyLock::try_take(self, &entry.key)? else {
            return found(problem, Damage::Reserved);
        };
        // Someone may have computed it anew since; from here on nobody can.
        match self.problem(entry)? {
            Some(problem) => {
                let to = self.quarantine(entry, &problem)?;
                found(problem, Damage::Quarantined(to))
            }
            None => found(problem, Damage::Gone),
        }
    }

    /// What is wrong with an artifact that is there.
    fn problem(&self, entry: &Entry) -> Result<Option<String>, StoreError> {
        if !fsx::exists(&entry.dir) {
            return Ok(None);
        }
        let manifest = match entry.open(self) {
            Ok(artifact) => artifact.manifest,
            Err(StoreError::Damaged { problem, .. }) => return Ok(Some(problem)),
            Err(other) => return Err(other),
        };
        // Canonical JSON knows no floating-point numbers, and no manifest of ours has any.
        if has_float(&manifest.payload.params) || manifest.payload.key() != manifest.key {
            return Ok(Some("its key is not the hash of what manifest.json says was hashed".to_owned()));
        }
        let problems: Result<Vec<_>, _> =
            manifest.files.par_iter().map(|file| differs(&entry.dir, &file.path, &file.blake3)).collect();
        Ok(problems.map_err(|e| self.error(e))?.into_iter().flatten().next())
    }

    fn quarantine(&self, entry: &Entry, problem: &str) -> Result<PathBuf, StoreError> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let folder = self.quarantine_dir();
        let mut to = folder.join(format!("{}-{}-{unix}", entry.kind, entry.key));
        // Damaged twice within a second.
        while fsx::exists(&to) {
            to.as_mut_os_string().push("x");
        }
        fsx::create_dir_all(&folder).map_err(|e| self.error(e))?;
        fsx::rename(&entry.dir, &to).map_err(|e| self.error(e))?;
        let reason = serde_json::json!({
            "kind": entry.kind,
            "key": entry.key,
            "problem": problem,
            "found_unix": unix,
            "was": entry.dir,
        });
        let text = serde_json::to_vec_pretty(&reason).expect("plain data");
        fsx::write_atomic(&to.join("reason.json"), &text).map_err(|e| self.error(e))?;
        Ok(to)
    }
}

/// What is wrong with a file, if its bytes are not those with that digest. That it may not be read is no damage.
fn differs(dir: &Path, name: &str, blake3: &str) -> Result<Option<String>, FsError> {
    match Digest::of_file(&dir.join(name)) {
        Ok(digest) if digest.to_string() == blake3 => Ok(None),
        Ok(_) => Ok(Some(format!("{name} has other bytes than those with its digest in {}", Manifest::FILE))),
        Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(map) => map.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
