//! `job`: what a job of Slurm runs.

use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::exec::{self, JobEnd, JobSignals};
use crate::slurm::Slurm;
use std::path::Path;

static SIGNALS: JobSignals = JobSignals::new();

/// Computes the stage of a job's file and commits it.
pub(super) fn job(file: &Path, output: &Output) -> Result<ExitCode, CliError> {
    listen();
    let end = exec::run_job(file, &SIGNALS, &mut Slurm::default(), &mut |line| output.news(line))?;
    Ok(match end {
        // A job that is back in the queue is ended by Slurm; its exit code means nothing.
        JobEnd::Done | JobEnd::Requeued => ExitCode::Done,
        JobEnd::Failed => ExitCode::Failed,
        JobEnd::Interrupted => ExitCode::Interrupted,
    })
}

extern "C" fn on_signal(signal: libc::c_int) {
    match signal {
        libc::SIGUSR1 => SIGNALS.warn(),
        _ => SIGNALS.end(),
    }
}

/// Slurm warns of the time limit by SIGUSR1, and ends a job by SIGTERM some seconds before it kills it.
fn listen() {
    let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
    for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the handler only stores to atomics, which is allowed in a signal handler.
        unsafe { libc::signal(signal, handler) };
    }
}
