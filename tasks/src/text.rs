//! How a text data set's files become what is tokenized.

use crate::TaskError;
use crate::source::{Container, container, each_record, read_text};
use std::path::Path;
use tacq_protocol::DataFile;
use tacq_protocol::task::TextFormat;

/// Documents of C4's validation split that are evaluated, as in GPTQ's `get_c4_new`.
const C4_EVALUATED: usize = 1100;

/// What a text data set holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// One string, which windows are cut from.
    Joined(String),
    /// Documents; calibration draws windows within them.
    Documents(Vec<String>),
}

impl Text {
    /// The string that evaluation cuts its windows from: of documents, the first 1100 joined with a space.
    pub fn evaluated(self) -> String {
        match self {
            Text::Joined(text) => text,
            Text::Documents(mut documents) => {
                documents.truncate(C4_EVALUATED);
                documents.join(" ")
            }
        }
    }
}

/// Reads a text data set's files, in order: C4 as documents, all others as one string.
pub fn read(files: &[DataFile], format: TextFormat) -> Result<Text, TaskError> {
    Ok(match format {
        TextFormat::Plain => {
            let texts: Result<Vec<String>, TaskError> = files.iter().map(|f| read_text(&f.path)).collect();
            Text::Joined(texts?.concat())
        }
        TextFormat::Wikitext => Text::Joined(rows(files, "text", wikitext_rows)?.join("\n\n")),
        TextFormat::Ptb => {
            let sentences = rows(files, "sentence", |text| text.lines().map(str::to_owned).collect())?;
            let stripped: Vec<&str> = sentences.iter().map(|s| s.trim()).collect();
            Text::Joined(stripped.join(" "))
        }
        TextFormat::C4 => Text::Documents(column(files, "text")?),
        TextFormat::Jsonl => Text::Joined(column(files, "text")?.join("\n\n")),
    })
}

/// Rows of WikiText's raw file, as the Hugging Face hub has them: one a line; a blank line is an empty row, any other
/// keeps its newline.
fn wikitext_rows(text: &str) -> Vec<String> {
    let row = |line: &str| if line.trim().is_empty() { String::new() } else { line.to_owned() };
    text.split_inclusive('\n').map(row).collect()
}

/// Rows of tables (their column `name`) or of text files (cut by `split`).
fn rows(files: &[DataFile], name: &str, split: fn(&str) -> Vec<String>) -> Result<Vec<String>, TaskError> {
    let mut all = Vec::new();
    for file in files {
        if is_table(&file.path)? {
            all.extend(column(std::slice::from_ref(file), name)?);
        } else {
            all.extend(split(&read_text(&file.path)?));
        }
    }
    Ok(all)
}

fn is_table(path: &Path) -> Result<bool, TaskError> {
    Ok(container(path)? == Container::Parquet)
}

/// One field of all records.
fn column(files: &[DataFile], name: &str) -> Result<Vec<String>, TaskError> {
    let mut all = Vec::new();
    for file in files {
        each_record(file, |record| {
            all.push(record.text(&file.path, name)?.to_owned());
            Ok(())
        })?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{Column, write};

    fn folder_with(name: &str, text: &str) -> (tempfile::TempDir, [DataFile; 1]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, [DataFile { name: name.to_owned(), path }])
    }

    fn table(column: &str, rows: &[&str]) -> (tempfile::TempDir, [DataFile; 1]) {
        let (folder, files) = folder_with("t.parquet", "");
        write(&files[0].path, &[(column, Column::Texts(rows))], false);
        (folder, files)
    }

    fn joined(text: &str) -> Text {
        Text::Joined(text.to_owned())
    }

    #[test]
    fn wikitext_rows_are_joined_as_gptq_does() {
        let (_folder, files) = folder_with("wiki.test.raw", " \n = Title = \n \n Text . \n");
        let expected = joined("\n\n = Title = \n\n\n\n\n Text . \n");
        assert_eq!(read(&files, TextFormat::Wikitext).unwrap(), expected);
        assert_eq!(read(&files, TextFormat::Plain).unwrap(), joined(" \n = Title = \n \n Text . \n"));
        let (_folder, files) = table("text", &["", " = Title = \n", "", " Text . \n"]);
        assert_eq!(read(&files, TextFormat::Wikitext).unwrap(), expected);
    }

    #[test]
    fn sentences_of_ptb_are_joined_with_a_space() {
        let expected = joined("no it was n't black monday but <unk>");
        let (_folder, files) = folder_with("ptb.test.txt", " no it was n't black monday \n but <unk> \n");
        assert_eq!(read(&files, TextFormat::Ptb).unwrap(), expected);
        let (_folder, files) = table("sentence", &["no it was n't black monday", "but <unk>"]);
        assert_eq!(read(&files, TextFormat::Ptb).unwrap(), expected);
    }

    #[test]
    fn c4_is_documents_of_which_the_first_1100_are_evaluated() {
        let lines: Vec<String> =
            (0..1102).map(|i| format!("{{\"text\": \"d{i}\", \"url\": \"u\"}}")).collect();
        let (_folder, files) = folder_with("c4.json", &lines.join("\n"));
        let text = read(&files, TextFormat::C4).unwrap();
        let Text::Documents(documents) = &text else { panic!("{text:?}") };
        assert_eq!((documents.len(), documents[1101].as_str()), (1102, "d1101"));
        let evaluated = text.evaluated();
        assert!(evaluated.starts_with("d0 d1 ") && evaluated.ends_with(" d1098 d1099"), "{evaluated}");
    }

    #[test]
    fn json_lines_are_joined_with_empty_lines() {
        let (_folder, files) = folder_with("t.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
        assert_eq!(read(&files, TextFormat::Jsonl).unwrap(), joined("one\n\ntwo"));
        let twice = [files[0].clone(), files[0].clone()];
        assert_eq!(read(&twice, TextFormat::Jsonl).unwrap(), joined("one\n\ntwo\n\none\n\ntwo"));
    }
}
