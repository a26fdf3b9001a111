//! Records of an evaluation, appended one by one, so that a killed run goes on where it stopped.

use crate::Result;
use crate::fsx::{self, FsError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::file;

/// The records so far, in the progress folder.
#[derive(Debug)]
pub struct Records<T> {
    path: PathBuf,
    file: File,
    done: Vec<T>,
}

impl<T: Serialize + DeserializeOwned> Records<T> {
    /// Opens the records of an earlier attempt, or starts anew. What follows the last whole, valid line (a kill
    /// may tear one) is cut off.
    pub fn open(progress: &Path) -> Result<Self> {
        let path = progress.join(file::RECORDS_LOG);
        let fail = |action| move |e| FsError::new(action, &progress.join(file::RECORDS_LOG), e);
        let text = if path.exists() { fsx::read(&path)? } else { Vec::new() };
        let mut done = Vec::new();
        let mut valid = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let Some(record) = line.strip_suffix(b"\n").and_then(|l| serde_json::from_slice(l).ok()) else {
                break;
            };
            done.push(record);
            valid += line.len();
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail("open"))?;
        file.set_len(valid as u64).map_err(fail("truncate"))?;
        Ok(Self { path, file, done })
    }

    /// Records so far.
    pub fn done(&self) -> &[T] {
        &self.done
    }

    /// Forgets all records, as when they turn out not to belong to this evaluation.
    pub fn clear(&mut self) -> Result<()> {
        self.done.clear();
        Ok(self.file.set_len(0).map_err(|e| FsError::new("truncate", &self.path, e))?)
    }

    /// Appends a record. It survives the death of the process at once, and of the machine after a while.
    pub fn push(&mut self, record: T) -> Result<()> {
        let mut line =
            serde_json::to_string(&record).map_err(|e| FsError::new("write", &self.path, e.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|e| FsError::new("write", &self.path, e))?;
        self.done.push(record);
        Ok(())
    }

    /// Writes all records into the artifact.
    pub fn write(&self, output: &Path) -> Result<()> {
        Ok(fsx::write_atomic(&output.join(file::RECORDS_LOG), &fsx::read(&self.path)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(folder.path()).unwrap();
        records.push(vec![1, 2]).unwrap();
        records.push(vec![3]).unwrap();
        let path = folder.path().join(file::RECORDS_LOG);
        let whole = std::fs::read(&path).unwrap();
        for torn in ["[4", "[4,", "{}\n[5]\n", "\0\0\0\0"] {
            std::fs::write(&path, [whole.as_slice(), torn.as_bytes()].concat()).unwrap();
            let records: Records<Vec<u32>> = Records::open(folder.path()).unwrap();
            assert_eq!(records.done(), [vec![1, 2], vec![3]]);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn records_go_on_where_they_stopped() {
        let folder = tempfile::tempdir().unwrap();
        Records::open(folder.path()).unwrap().push(1.5_f64).unwrap();
        let mut records = Records::open(folder.path()).unwrap();
        records.push(0.1 + 0.2).unwrap();
        assert_eq!(records.done(), [1.5, 0.1 + 0.2]);
        records.write(folder.path()).unwrap();
        assert_eq!(Records::<f64>::open(folder.path()).unwrap().done(), [1.5, 0.1 + 0.2]);
    }
}
