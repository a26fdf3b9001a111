//! MMLU's questions (arXiv 2009.03300): the authors' folder of CSV files, or the hub's tables (`cais/mmlu`).

use super::name;
use super::record::{Record, each_record};
use crate::TaskError;
use std::collections::BTreeMap;
use std::path::Path;
use tacq_protocol::DataFile;

/// Choices of a question.
pub const N_CHOICES: usize = 4;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question itself.
    pub question: String,
    /// The choices' texts.
    pub choices: [String; N_CHOICES],
    /// Which choice is right.
    pub answer: usize,
}

/// Questions by subject, in the order of the files.
pub type Subjects = BTreeMap<String, Vec<Question>>;

/// Reads the questions of one split.
///
/// CSV files have no header; their columns are the question, four choices and a letter, and their name is the subject
/// (`anatomy_test.csv`, `anatomy.csv`). Tables and JSON lines have the columns `question`, `subject`, `choices` (a
/// list) and `answer` (0 to 3).
pub fn read(files: &[DataFile]) -> Result<Subjects, TaskError> {
    let mut subjects = Subjects::new();
    for file in files {
        if file.name.trim_end_matches(".gz").ends_with(".csv") {
            read_csv(file, subjects.entry(name::subject(&file.name).to_owned()).or_default())?;
        } else {
            each_record(file, |record| {
                let subject = record.text(&file.path, "subject")?.to_owned();
                subjects.entry(subject).or_default().push(question(&record, &file.path)?);
                Ok(())
            })?;
        }
    }
    Ok(subjects)
}

fn read_csv(file: &DataFile, questions: &mut Vec<Question>) -> Result<(), TaskError> {
    let path = &file.path;
    let text = super::read_text(path)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    for (row, n) in reader.records().zip(1..) {
        let row = row.map_err(|e| TaskError::malformed(path, format!("row {n} is not CSV: {e}")))?;
        let cells: Vec<&str> = row.iter().collect();
        let &[text, a, b, c, d, letter] = cells.as_slice() else {
            let reason = format!(
                "row {n} has {} columns; a question, {N_CHOICES} choices and a letter are expected",
                cells.len()
            );
            return Err(TaskError::malformed(path, reason));
        };
        let answer = ["A", "B", "C", "D"].iter().position(|choice| *choice == letter).ok_or_else(|| {
            TaskError::malformed(path, format!("row {n}: the answer is `{letter}`, not A, B, C or D"))
        })?;
        let choices = [a, b, c, d].map(str::to_owned);
        questions.push(Question { question: text.to_owned(), choices, answer });
    }
    Ok(())
}

fn question(record: &Record, path: &Path) -> Result<Question, TaskError> {
    let wrong = |what: &str| TaskError::malformed(path, format!("{}: {what}", record.place));
    let choices = record.field(path, "choices")?.as_array().filter(|list| list.len() == N_CHOICES);
    let texts = choices.and_then(|list| list.iter().map(|c| c.as_str().map(str::to_owned)).collect());
    let choices: Option<[String; N_CHOICES]> = texts.and_then(|texts: Vec<_>| texts.try_into().ok());
    let answer = record.field(path, "answer")?.as_u64().map(|n| n as usize).filter(|n| *n < N_CHOICES);
    Ok(Question {
        question: record.text(path, "question")?.to_owned(),
        choices: choices.ok_or_else(|| wrong("field `choices` is not a list of four strings"))?,
        answer: answer.ok_or_else(|| wrong("field `answer` is not a number from 0 to 3"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::testing::{Column, write};
    use super::*;

    fn file(folder: &Path, name: &str, text: &str) -> DataFile {
        let path = folder.join(name.replace('/', "_"));
        std::fs::write(&path, text).unwrap();
        DataFile { name: name.to_owned(), path }
    }

    fn planets() -> Question {
        let choices = ["Mars", "a \"red\" one, far", "None", "7"].map(str::to_owned);
        Question { question: "Which\nplanet?".to_owned(), choices, answer: 2 }
    }

    #[test]
    fn csv_and_tables_give_the_same_questions() {
        let folder = tempfile::tempdir().unwrap();
        let csv = "\"Which\nplanet?\",Mars,\"a \"\"red\"\" one, far\",None,7,C\n";
        let from_csv = read(&[file(folder.path(), "test/astronomy_test.csv", csv)]).unwrap();
        let path = folder.path().join("test-00000-of-00001.parquet");
        let columns = [
            ("question", Column::Texts(&["Which\nplanet?"])),
            ("subject", Column::Texts(&["astronomy"])),
            ("choices", Column::Lists(&[&["Mars", "a \"red\" one, far", "None", "7"]])),
            ("answer", Column::Numbers(&[2])),
        ];
        write(&path, &columns, false);
        let from_table = read(&[DataFile { name: "all/test-00000-of-00001.parquet".into(), path }]).unwrap();
        assert_eq!(from_csv, Subjects::from([("astronomy".to_owned(), vec![planets()])]));
        assert_eq!(from_table, from_csv);
    }

    #[test]
    fn what_is_no_question_is_told_with_its_row() {
        let folder = tempfile::tempdir().unwrap();
        let told = |name: &str, text: &str| {
            let error = read(&[file(folder.path(), name, text)]).unwrap_err().to_string();
            error.split_once(&format!("{name}: ")).unwrap().1.to_owned()
        };
        let good = "q,a,b,c,d,A\n";
        let short = told("x_test.csv", &format!("{good}q,a,b,A\n"));
        assert_eq!(short, "row 2 has 4 columns; a question, 4 choices and a letter are expected");
        let letter = told("x_test.csv", &format!("{good}q,a,b,c,d,E\n"));
        assert_eq!(letter, "row 2: the answer is `E`, not A, B, C or D");
        let base = r#"{"question": "q", "subject": "s", "choices": ["a", "b", "c", "d"], "answer": 1}"#;
        let three = told("x.jsonl", &base.replace(", \"d\"", ""));
        assert_eq!(three, "line 1: field `choices` is not a list of four strings");
        let four = told("x.jsonl", &base.replace("1}", "4}"));
        assert_eq!(four, "line 1: field `answer` is not a number from 0 to 3");
    }
}
