//! Records of an evaluation, appended batch by batch, so that a killed run goes on where it stopped.

use crate::Result;
use crate::fsx::{self, FsError};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{Record, file};

/// The records so far, in the progress folder, in the order in which they were finished.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: File,
    done: BTreeMap<u64, Record>,
}

impl Records {
    /// Opens the records of an earlier attempt, or starts anew; `prompt_hashes` has the hash of each example.
    ///
    /// What follows the last whole, valid line (a kill may tear one) is cut off. Records of other examples, as
    /// when the progress folder is not this evaluation's, are thrown away together.
    pub fn open(progress: &Path, prompt_hashes: &[String]) -> Result<Self> {
        let path = progress.join(file::RECORDS_LOG);
        let fail = |action| move |e| FsError::new(action, &progress.join(file::RECORDS_LOG), e);
        let text = if path.exists() { fsx::read(&path)? } else { Vec::new() };
        let mut done = BTreeMap::new();
        let mut valid = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let record = line.strip_suffix(b"\n").and_then(|l| serde_json::from_slice::<Record>(l).ok());
            let Some(record) = record else { break };
            let expected = usize::try_from(record.index).ok().and_then(|i| prompt_hashes.get(i));
            if expected != Some(&record.prompt_hash) {
                done.clear();
                valid = 0;
                break;
            }
            done.insert(record.index, record);
            valid += line.len();
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail("open"))?;
        file.set_len(valid as u64).map_err(fail("truncate"))?;
        Ok(Self { path, file, done })
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether the example of this index has its record.
    pub fn contains(&self, index: usize) -> bool {
        self.done.contains_key(&(index as u64))
    }

    /// Appends a batch at once. It survives the death of the process, and of the machine after a while.
    pub fn push(&mut self, batch: Vec<Record>) -> Result<()> {
        let fail = |e| FsError::new("write", &self.path, e);
        let mut lines = Vec::new();
        for record in &batch {
            serde_json::to_writer(&mut lines, record).map_err(|e| fail(e.into()))?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines).map_err(fail)?;
        self.done.extend(batch.into_iter().map(|record| (record.index, record)));
        Ok(())
    }

    /// All records in the order of the examples.
    pub fn into_sorted(self) -> Vec<Record> {
        self.done.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn record(index: u64, hash: &str) -> Record {
        Record { index, prompt_hash: hash.to_owned(), value: 0.1 + 0.2, ..Record::default() }
    }

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(folder.path(), &hashes()).unwrap();
        records.push(vec![record(2, "c"), record(0, "a")]).unwrap();
        let path = folder.path().join(file::RECORDS_LOG);
        let whole = std::fs::read(&path).unwrap();
        for torn in ["{\"index\":1", "{}\n", "\0\0\0\0"] {
            std::fs::write(&path, [whole.as_slice(), torn.as_bytes()].concat()).unwrap();
            let records = Records::open(folder.path(), &hashes()).unwrap();
            assert!(records.contains(0) && !records.contains(1) && records.contains(2));
            assert_eq!(std::fs::read(&path).unwrap(), whole);
            assert_eq!(records.into_sorted(), [record(0, "a"), record(2, "c")]);
        }
    }

    #[test]
    fn records_of_other_examples_are_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        Records::open(folder.path(), &hashes()).unwrap().push(vec![record(0, "a"), record(1, "x")]).unwrap();
        assert_eq!(Records::open(folder.path(), &hashes()).unwrap().len(), 0);
        let path = folder.path().join(file::RECORDS_LOG);
        assert_eq!(std::fs::metadata(path).unwrap().len(), 0);
    }
}
