//! What can be wrong with a data set.

use std::path::{Path, PathBuf};

/// Why examples could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A file cannot be read.
    #[error("{}: {}", path.display(), in_words(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what its data set's layout says.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which row or line.
        reason: String,
    },
    /// A prediction cannot be scored by executing it.
    #[error(transparent)]
    Sql(#[from] crate::sql::SqlError),
    /// Prompts are to begin with more solved examples than there are.
    #[error(
        "{of}: {wanted} solved examples are asked for, {} has {got}; lower `few_shot` or give more",
        named(files)
    )]
    TooFewShots {
        /// How many are asked for.
        wanted: u32,
        /// How many there are.
        got: usize,
        /// Which data set, or part of it.
        of: String,
        /// Where they should be.
        files: Vec<PathBuf>,
    },
    /// Subjects of an MMLU split without a file.
    #[error("the data set lacks these subjects of MMLU: {subjects}")]
    MissingSubjects {
        /// Their names.
        subjects: String,
    },
    /// A question about a database whose schema is not there.
    #[error("tables.json has no schema of database `{db_id}`, which question {question} is about")]
    MissingSchema {
        /// The database.
        db_id: String,
        /// The question's number, from 0.
        question: usize,
    },
    /// A chat is asked for, but the model was not trained on any.
    #[error(
        "{}: no chat template (neither chat_template.jinja nor `chat_template` in tokenizer_config.json); \
         this task needs a model that was trained on chats",
        model.display()
    )]
    NoChatTemplate {
        /// The model's folder.
        model: PathBuf,
    },
    /// A task's regular expression is none.
    #[error("`extract: {pattern}` is not a regular expression: {reason}")]
    Pattern {
        /// What was written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A template does not compile or fails.
    #[error("{what}: {reason}")]
    Template {
        /// Which template, and on what.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// The first of some files, and how many there are.
fn named(files: &[PathBuf]) -> String {
    match files {
        [] => "no file".to_owned(),
        [one] => one.display().to_string(),
        [first, rest @ ..] => format!("{} with {} more files", first.display(), rest.len()),
    }
}

impl TaskError {
    /// A file that cannot be read.
    pub fn read(path: &Path, source: std::io::Error) -> Self {
        TaskError::Read { path: path.to_owned(), source }
    }

    /// A file that is not what it should be.
    pub fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        TaskError::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}
