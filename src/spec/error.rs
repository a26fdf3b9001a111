//! What can be wrong with an experiment file, and where.

use crate::fsx::FsError;
use std::fmt;
use std::path::PathBuf;

/// A place in a text file, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Line; 0 when the value did not come from the file (`--set`, a default).
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing wrong with an experiment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub position: Position,
    /// The YAML path of the value, such as `sweep.methods[1].tacq.outlier_ratio`.
    pub at: String,
    /// What was found and what is allowed.
    pub message: String,
    /// What to write instead, if a guess is near.
    pub hint: Option<String>,
}

/// Everything wrong with an experiment file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SpecErrors {
    /// The file.
    pub path: PathBuf,
    /// At least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.diagnostics.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            if d.position.line > 0 {
                write!(f, "{}:{}: ", self.path.display(), d.position)?;
            } else {
                write!(f, "{}: ", self.path.display())?;
            }
            if !d.at.is_empty() {
                write!(f, "{}: ", d.at)?;
            }
            f.write_str(&d.message)?;
            if let Some(hint) = &d.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// Why an experiment file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("the experiment file cannot be used: {0}")]
    Io(#[from] FsError),
    /// It is wrong.
    #[error(transparent)]
    Invalid(#[from] SpecErrors),
}
