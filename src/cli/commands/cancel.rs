//! `cancel`: ends an experiment's jobs on a Slurm cluster.

use crate::cli::args::FileArgs;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count};
use crate::exec::{self, Cancelled};
use crate::slurm::Slurm;
use crate::spec;
use crate::store::Store;

/// Cancels what was submitted under the experiment's name. Nothing is planned: the file may have changed since.
pub(super) fn cancel(file: &FileArgs, output: &Output) -> Result<ExitCode, CliError> {
    let experiment = spec::load(&file.file, &file.sets)?;
    let store = Store::new(file.store.as_deref().unwrap_or(&experiment.run.store));
    let Cancelled { cancelled, ended } = exec::cancel(&store, &experiment.name, &mut Slurm::default())?;
    output.news(match (cancelled, ended) {
        (0, 0) => format!("no jobs of {} are queued or running", experiment.name),
        (0, n) => format!(
            "no jobs of {} are queued or running; {} had ended before",
            experiment.name,
            count(n, "job")
        ),
        (n, 0) => {
            format!("cancelled {} of {}; what they had computed stays", count(n, "job"), experiment.name)
        }
        (n, m) => {
            let (n, m) = (count(n, "job"), count(m, "job"));
            format!(
                "cancelled {n} of {}; {m} had ended before; what they had computed stays",
                experiment.name
            )
        }
    });
    Ok(ExitCode::Done)
}
