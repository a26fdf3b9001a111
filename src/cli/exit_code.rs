//! Exit codes; docs/exit-codes.md lists them for people.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// All trials are done; for other commands: success.
    Done = 0,
    /// Some stages failed; for `plan`: a run would have something to do.
    Failed = 1,
    /// The command line or the experiment file is wrong, or names sources that are not there.
    Usage = 2,
    /// The environment is not fit: no engine, one that does not start, a device that is not there.
    Environment = 3,
    /// The store cannot be read or written.
    Store = 4,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl std::process::Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        std::process::ExitCode::from(self as u8)
    }
}
