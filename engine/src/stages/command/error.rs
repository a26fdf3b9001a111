//! Why a command of the user's did not do what it was to do.

use std::io;
use tacq_protocol::FailureKind;

/// Why a command did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("the command failed: {status}{}", last_words(.last))]
    Failed {
        /// Its exit status or signal, in words.
        status: String,
        /// The last lines that it wrote.
        last: Vec<String>,
    },
    /// It left out something that it was to write.
    #[error("the command ended without an error, but did not write $OUTPUT/{name}")]
    NoOutput {
        /// Path below the output folder.
        name: String,
    },
    /// It left something that cannot be kept.
    #[error("$OUTPUT/{name} is neither a file nor a folder")]
    NotAFile {
        /// Path below the output folder.
        name: String,
    },
    /// It left a file that a manifest cannot name.
    #[error("$OUTPUT/{name} has a name that is not UTF-8")]
    Name {
        /// Path below the output folder, as far as it can be shown.
        name: String,
    },
    /// Its metrics are not numbers by name.
    #[error("$OUTPUT/{name} does not hold metrics: {problem}")]
    Metrics {
        /// Path below the output folder.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl CommandError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        FailureKind::Command
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            CommandError::Start { .. } => Some("is the program on the PATH of this machine?"),
            CommandError::Failed { .. } => Some("all that it wrote is in the run's log"),
            CommandError::NoOutput { .. } => {
                Some("write there what `outputs` and `metrics` name, or name something else")
            }
            CommandError::Name { .. } => Some("rename it"),
            CommandError::NotAFile { .. } => Some("copy what a link points to"),
            CommandError::Metrics { .. } => {
                Some("write a JSON object of numbers, such as {\"accuracy\": 0.5, \"n_examples\": 200}")
            }
        }
    }
}

fn last_words(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("; its last words: {}", lines.join(" | ")) }
}
