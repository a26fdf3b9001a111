//! Reads `records.parquet`, the examples behind a score: a few columns for tables, all of them for a person.

use crate::fsx::{self, FsError};
use crate::stage_key::StageKey;
use crate::store::Store;
use polars::error::{PolarsError, PolarsResult};
use polars::prelude::{DataFrame, ParallelStrategy, ParquetReader, SerReader};
use std::path::{Path, PathBuf};
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{Record, file};

/// Records that are there but cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file cannot be opened.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is not what the engine writes.
    #[error("{} cannot be read: {source}; remove its folder and run again", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolarsError,
    },
}

/// What a data set asks, in order; the same for every evaluation of a task on a model.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Examples {
    /// What the data set calls them.
    pub ids: Vec<String>,
    /// Hashes of their prompts.
    pub prompts: Vec<String>,
    /// Subject, database or other part; may be empty.
    pub groups: Vec<String>,
}

/// Examples and the value of each: 1 or 0, or a window's loss.
#[derive(Debug, Default, PartialEq)]
pub struct Scores {
    /// What was asked.
    pub examples: Examples,
    /// In their order.
    pub values: Vec<f64>,
}

/// Where the records of an evaluation are, if they are there.
pub fn path(store: &Store, key: &StageKey) -> PathBuf {
    store.artifact_dir(StageKind::Evaluate, key).join(file::RECORDS)
}

/// Examples and values; none where an evaluation has no records.
pub fn scores(path: &Path) -> Result<Option<Scores>, RecordsError> {
    read(path, Some(&["id", "group", "prompt_hash", "value"]), |frame| {
        let examples = Examples {
            ids: texts(frame, "id")?,
            prompts: texts(frame, "prompt_hash")?,
            groups: texts(frame, "group")?,
        };
        Ok(Scores { examples, values: frame.column("value")?.f64()?.into_no_null_iter().collect() })
    })
}

/// All records in order; none where an evaluation has none.
pub fn records(path: &Path) -> Result<Option<Vec<Record>>, RecordsError> {
    read(path, None, |frame| {
        let text = |name| texts(frame, name).map(Vec::into_iter);
        let (mut id, mut group, mut prompt_hash) = (text("id")?, text("group")?, text("prompt_hash")?);
        let (mut prompt, mut output) = (text("prompt")?, text("output")?);
        let (mut prediction, mut gold, mut note) = (text("prediction")?, text("gold")?, text("note")?);
        let (index, n_tokens) = (frame.column("index")?.u64()?, frame.column("n_tokens")?.u64()?);
        let (correct, value) = (frame.column("correct")?.bool()?, frame.column("value")?.f64()?);
        let logprobs = frame.column("logprobs")?.list()?;
        (0..frame.height())
            .map(|i| {
                let logprobs = match logprobs.get_as_series(i) {
                    Some(list) => list.f64()?.into_no_null_iter().collect(),
                    None => Vec::new(),
                };
                Ok(Record {
                    index: index.get(i).unwrap_or_default(),
                    id: id.next().unwrap_or_default(),
                    group: group.next().unwrap_or_default(),
                    prompt_hash: prompt_hash.next().unwrap_or_default(),
                    prompt: prompt.next().unwrap_or_default(),
                    output: output.next().unwrap_or_default(),
                    prediction: prediction.next().unwrap_or_default(),
                    gold: gold.next().unwrap_or_default(),
                    correct: correct.get(i),
                    value: value.get(i).unwrap_or(f64::NAN),
                    logprobs,
                    n_tokens: n_tokens.get(i).unwrap_or_default(),
                    note: note.next().unwrap_or_default(),
                })
            })
            .collect()
    })
}

fn texts(frame: &DataFrame, name: &str) -> PolarsResult<Vec<String>> {
    Ok(frame.column(name)?.str()?.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}

/// Reads columns (all if none are named) of a file that may not be there.
fn read<T>(
    path: &Path,
    columns: Option<&[&str]>,
    take: impl FnOnce(&DataFrame) -> PolarsResult<T>,
) -> Result<Option<T>, RecordsError> {
    let file = match fsx::open(path) {
        Err(error) if error.is_not_found() => return Ok(None),
        file => file?,
    };
    let columns = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    // Files are small and many: they are read side by side, each by one thread.
    ParquetReader::new(file)
        .with_columns(columns)
        .read_parallel(ParallelStrategy::None)
        .finish()
        .and_then(|frame| take(&frame))
        .map(Some)
        .map_err(|source| RecordsError::Decode { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the engine writes is what is read here, through two libraries.
    #[test]
    fn every_field_survives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file::RECORDS);
        let first = Record {
            index: 7,
            id: "law/1".into(),
            group: "law".into(),
            prompt_hash: "00ff".into(),
            prompt: "Q: „wer“?\nA:".into(),
            output: " B\u{1b}[31m".into(),
            prediction: "B".into(),
            gold: "A".into(),
            correct: Some(false),
            value: 0.1 + 0.2,
            logprobs: vec![-1.5, f64::NEG_INFINITY],
            n_tokens: u64::MAX,
            note: "no such table".into(),
        };
        let second = Record { index: 8, correct: None, logprobs: Vec::new(), ..first.clone() };
        let third = Record { correct: Some(true), logprobs: vec![-0.5], ..second.clone() };
        let written = vec![first, second, third];
        crate::fsx::write_atomic(&path, &tacq_tasks::records::write(&written).unwrap()).unwrap();
        assert_eq!(records(&path).unwrap().unwrap(), written);
        let scores = scores(&path).unwrap().unwrap();
        assert_eq!(scores.values, [0.1 + 0.2; 3]);
        assert_eq!((&scores.examples.ids[2][..], &scores.examples.prompts[0][..]), ("law/1", "00ff"));
        assert_eq!(scores.examples.groups, ["law"; 3]);
    }

    #[test]
    fn no_records_are_none_and_damaged_ones_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file::RECORDS);
        assert!(scores(&path).unwrap().is_none());
        crate::fsx::write_atomic(&path, b"PAR1 but not really PAR1").unwrap();
        let error = records(&path).unwrap_err().to_string();
        assert!(error.contains("records.parquet cannot be read: ") && error.contains("run again"), "{error}");
        crate::fsx::write_atomic(&path, &tacq_tasks::records::write(&[]).unwrap()).unwrap();
        assert_eq!(scores(&path).unwrap().unwrap(), Scores::default());
    }
}
