//! What ends a command, and the exit code it ends with.

use super::commands::ExamplesError;
use super::exit_code::ExitCode;
use crate::exec::{ExecError, LaunchError};
use crate::fsx::FsError;
use crate::page::PageError;
use crate::plan::SourceProblem;
use crate::report::ReportError;
use crate::serve::ServeError;
use crate::slurm::SlurmError;
use crate::spec::LoadError;
use crate::store::StoreError;
use crate::store::remote::RemoteError;
use std::path::{Path, PathBuf};

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The experiment file cannot be read or is wrong.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The experiment names sources that are missing or unusable.
    #[error("{}", list(path, problems))]
    Sources {
        /// The experiment file.
        path: PathBuf,
        /// At least one.
        problems: Vec<SourceProblem>,
    },
    /// A name on the command line matches nothing.
    #[error("{what} `{pattern}` matches no stage or trial of {}; `tacq-sweep plan {} --stages` lists them", path.display(), path.display())]
    NoMatch {
        /// The option or argument.
        what: &'static str,
        /// What was typed.
        pattern: String,
        /// The experiment file.
        path: PathBuf,
    },
    /// Experiment files that belong together have different stores.
    #[error("{} has the store {}, the files before it {}; name the one that is meant: --store DIR", file.display(), store.display(), first.display())]
    ManyStores {
        /// The file.
        file: PathBuf,
        /// Its store.
        store: PathBuf,
        /// The store of the first file.
        first: PathBuf,
    },
    /// A folder that was named is none.
    #[error("{} is no folder; name the one that is meant: {option} DIR", path.display())]
    NoFolder {
        /// What was typed, or could have been.
        option: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// `store push` or `store pull` without an experiment file.
    #[error("say which experiments are meant: tacq-sweep store {command} FILE…")]
    NoFiles {
        /// The command.
        command: &'static str,
    },
    /// `store gc` without a scope.
    #[error(
        "say what may go: `tacq-sweep store gc FILE…` removes what the plans of these files do not need, `tacq-sweep store gc --older-than 14d` what is older, both together what is both; --dry-run shows it first"
    )]
    NoScope,
    /// Examples cannot be shown.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The remote store cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// `store push` or `store pull` without a remote store.
    #[error("{} has no remote store; say where it is: --remote s3://bucket/prefix, TACQ_REMOTE, or run.remote in the file", file.display())]
    NoRemote {
        /// The experiment file.
        file: PathBuf,
    },
    /// No engine can be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A server cannot start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Slurm cannot be used.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// A table or report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The page cannot be made.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Some other file cannot be written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl From<ExecError> for CliError {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Store(error) => Self::Store(error),
            ExecError::Launch(error) => Self::Launch(error),
            ExecError::Slurm(error) => Self::Slurm(error),
        }
    }
}

impl CliError {
    /// Whether it is a list of places, one a line, which editors read best without a prefix.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Load(LoadError::Invalid(_)) | Self::Sources { .. })
    }

    /// The documented code. Exhaustive, so that a new error must choose.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Load(_)
            | Self::Sources { .. }
            | Self::NoMatch { .. }
            | Self::ManyStores { .. }
            | Self::NoRemote { .. }
            | Self::NoFiles { .. }
            | Self::NoFolder { .. }
            | Self::NoScope => ExitCode::Usage,
            Self::Examples(error) => match error {
                ExamplesError::NoEvaluation { .. } | ExamplesError::Ambiguous { .. } => ExitCode::Usage,
                ExamplesError::Missing { .. }
                | ExamplesError::NoRecords { .. }
                | ExamplesError::OtherExamples { .. } => ExitCode::Failed,
                ExamplesError::Records(_) | ExamplesError::Store(_) => ExitCode::Store,
            },
            Self::Store(_) => ExitCode::Store,
            Self::Remote(error) => match error {
                RemoteError::ReadOnly { .. } => ExitCode::Usage,
                RemoteError::Store(_) | RemoteError::Fs(_) => ExitCode::Store,
                RemoteError::LocalDamage { .. } | RemoteError::Unusable { .. } => ExitCode::Failed,
                RemoteError::Setup { .. } | RemoteError::Request { .. } => ExitCode::Environment,
            },
            Self::Serve(ServeError::BadToken { .. }) => ExitCode::Usage,
            Self::Serve(_) | Self::Launch(_) | Self::Slurm(_) | Self::Fs(_) => ExitCode::Environment,
            Self::Report(_) | Self::Page(_) => ExitCode::Failed,
        }
    }
}

fn list(path: &Path, problems: &[SourceProblem]) -> String {
    let place = |p: &SourceProblem| match p.position.line {
        // Line 0: it came from the command line.
        0 => format!("{} (--set)", path.display()),
        _ => format!("{}:{}", path.display(), p.position),
    };
    let lines: Vec<_> = problems.iter().map(|p| format!("{}: {}", place(p), p.message)).collect();
    lines.join("\n")
}
