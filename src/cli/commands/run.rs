//! `run`: compute what is missing, then write the tables.

use super::{Opened, plan, sharing};
use crate::cli::args::FileArgs;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, bytes, count, duration};
use crate::cli::progress::Progress;
use crate::cli::{logging, select};
use crate::exec::sharing::Sharing;
use crate::exec::{
    self, ClusterSetup, Ending, EngineLauncher, Estimates, Finished, Interrupt, Observer, Retention,
    RunFolder, RunOptions, RunRecord, RunSummary, Sweep,
};
use crate::fsx::{self, FsError};
use crate::plan::{StageId, States};
use crate::slurm::Slurm;
use crate::store::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tacq_protocol::FailureKind;

/// Blocked stages that are named; the others are counted.
const LISTED_BLOCKS: usize = 3;

/// What was typed.
pub(super) struct Options<'a> {
    pub only: &'a [String],
    pub fail_fast: bool,
    pub dry_run: bool,
    pub summary_json: Option<&'a Path>,
    pub engine: Option<&'a Path>,
}

/// Runs an experiment.
pub(super) fn run(
    file: &FileArgs,
    options: &Options<'_>,
    verbose: u8,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let opened = Opened::usable(file)?;
    let wanted = select::wanted(&opened.plan, options.only, &file.file)?;
    if options.dry_run {
        logging::start(verbose, output.color(), None)?;
        return plan::plan(&opened, &wanted, plan::View::Counts, output);
    }
    let (Finished { summary, fatal, .. }, folder) = execute(&opened, &wanted, options, verbose, output)?;
    let written = super::report::after_run(&opened, &summary);
    if let Some(path) = options.summary_json {
        let record = RunRecord::new(&opened.experiment.name, summary.clone());
        fsx::write_atomic(path, &serde_json::to_vec_pretty(&record).expect("plain data"))?;
    }
    let paths = written.as_ref().ok().and_then(|w| w.as_ref()).map_or(&[][..], |w| &w.paths);
    tell(&summary, folder.as_ref(), paths, output);
    if let Ok(Some(written)) = &written {
        for line in super::report::not_compared(&written.problems) {
            output.news(line);
        }
    }
    // What ended the run matters more than a table that could not be written.
    if let Some(error) = fatal {
        return Err(error.into());
    }
    match (exit_code(&summary), written) {
        (ExitCode::Done, Err(error)) => Err(error),
        (code, Err(error)) => {
            output.error(error);
            Ok(code)
        }
        (code, Ok(_)) => Ok(code),
    }
}

fn execute(
    opened: &Opened,
    wanted: &[StageId],
    options: &Options<'_>,
    verbose: u8,
    output: &Output,
) -> Result<(Finished, Option<RunFolder>), CliError> {
    let mut states = States::look_up(&opened.plan, &opened.store, wanted);
    // A run that finds everything leaves no trace, so that it works on a store that cannot be written.
    let folder = if states.complete() { None } else { Some(create_folder(opened)?) };
    // From here on nobody removes what the plan uses; what went before is seen by another look.
    let keys = || opened.plan.stages.iter().filter_map(|stage| stage.key().copied());
    let pins = folder.as_ref().map(|_| opened.store.pin(keys())).transpose()?;
    if pins.is_some() && states.is_stale(&opened.plan, &opened.store) {
        states = States::look_up(&opened.plan, &opened.store, wanted);
    }
    logging::start(verbose, output.color(), folder.as_ref().map(RunFolder::log_path).as_deref())?;
    let log_dir = folder.as_ref().map_or_else(|| opened.store.runs_dir(), |f| f.dir().to_owned());
    let launcher = EngineLauncher::new(EngineLauncher::find(options.engine), &log_dir);
    let run_options = RunOptions { settings: opened.experiment.run.clone(), fail_fast: options.fail_fast };
    let interrupt = interruptible();
    if let Some(remote) = opened.remote.as_ref().filter(|_| !states.complete()) {
        states = sharing::fetch(opened, remote, states, wanted, &interrupt, output)?;
    }
    let estimates = Estimates::new(&opened.plan, &states, &opened.store);
    let mut progress = Progress::new(output);
    let keep = &opened.experiment.run.keep;
    let retention = pins
        .as_ref()
        .and_then(|pins| Retention::new((&opened.plan, &states), &opened.store, keep, wanted, pins));
    let sweep = Sweep {
        plan: &opened.plan,
        states: &states,
        estimates: &estimates,
        store: &opened.store,
        hub: &opened.hub,
        retention: retention.as_ref(),
        folder: folder.as_ref(),
    };
    let pusher = sharing::pusher(opened, folder.is_some())?;
    let setup = cluster_setup(opened, options)?;
    let run = |observer: &mut dyn Observer| match run_options.settings.slurm {
        None => exec::run(sweep, &run_options, &launcher, observer, &interrupt),
        Some(_) => {
            let cluster = (&setup, &mut Slurm::default());
            exec::run_on_cluster(sweep, &run_options, cluster, &launcher, observer, &interrupt)
        }
    };
    let mut finished = match &pusher {
        Some(pusher) => run(&mut Sharing::new(&opened.plan, pusher, &mut progress)),
        None => run(&mut progress),
    };
    // From here on lines are printed by others.
    drop(progress);
    let tidy_up = |finished: &mut Finished| {
        let removed = retention.as_ref().map(|retention| retention.rest(&finished.outcomes));
        finished.summary.add_removed(removed.unwrap_or_default());
    };
    tidy_up(&mut finished);
    if let Some(folder) = &folder {
        let record = RunRecord::new(&opened.experiment.name, finished.summary.clone());
        // The results are committed; failing to record the run must not lose them.
        if let Err(error) = folder.write_record(&record) {
            tracing::warn!("{error}");
        }
    }
    // Locks that were let go left their files. They hold nobody up, and a store that cannot be written keeps them.
    if let Err(error) = opened.store.sweep_locks() {
        tracing::debug!("{error}");
    }
    if let Some(pusher) = pusher {
        sharing::finish(pusher, opened, &interrupt, output);
        // What was not to go before it was pushed.
        tidy_up(&mut finished);
    }
    Ok((finished, folder))
}

/// The programs as the nodes of a cluster see them: on a file system that they share, or installed alike.
fn cluster_setup(opened: &Opened, options: &Options<'_>) -> Result<ClusterSetup, CliError> {
    let engine = EngineLauncher::find(options.engine);
    // A bare name is looked for on the PATH of the node.
    let is_bare = engine.parent().is_none_or(|parent| parent.as_os_str().is_empty());
    let engine = if is_bare { engine } else { std::path::absolute(&engine).unwrap_or(engine) };
    let driver = std::env::current_exe().map_err(|source| FsError {
        action: "find",
        path: "tacq-sweep".into(),
        source,
    })?;
    Ok(ClusterSetup {
        experiment: opened.experiment.name.clone(),
        driver,
        engine,
        pace: exec::Pace::from_env(),
    })
}

fn create_folder(opened: &Opened) -> Result<RunFolder, CliError> {
    let experiment = &opened.experiment;
    let what = (experiment.name.as_str(), opened.file.as_path(), experiment.run.slurm.is_some());
    RunFolder::create(&opened.store, what, &this_command())
        .map_err(|source| StoreError::Fs { root: opened.store.root().to_owned(), source }.into())
}

/// Counts Ctrl-C and SIGTERM: the first lets stages write their progress, the second ends them, the third ends the
/// process without a word.
fn interruptible() -> Arc<Interrupt> {
    let interrupt = Arc::new(Interrupt::default());
    let asked = Arc::clone(&interrupt);
    let handler = move || {
        if asked.ending() == Ending::Now {
            std::process::exit(ExitCode::Interrupted as i32);
        }
        asked.ask();
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!("interruptions are not handled: {error}");
    }
    interrupt
}

/// The end of a run in a few lines.
fn tell(summary: &RunSummary, folder: Option<&RunFolder>, written: &[PathBuf], output: &Output) {
    for failure in &summary.failures {
        output.news(format!("\nfailed: {} ({})\n  {}", failure.label, failure.key, failure.failure));
        if !failure.blocks.is_empty() {
            let mut blocks =
                failure.blocks.iter().take(LISTED_BLOCKS).cloned().collect::<Vec<_>>().join(", ");
            if failure.blocks.len() > LISTED_BLOCKS {
                blocks.push_str(&format!(" and {} more", failure.blocks.len() - LISTED_BLOCKS));
            }
            output.news(format!("  blocks {}: {blocks}", count(failure.blocks.len(), "stage")));
        }
        if let Some(request) = &failure.request {
            output.news(format!("  reproduce: tacq-engine run {}", request.display()));
        }
    }
    if let Some(folder) = folder.filter(|_| !summary.failures.is_empty()) {
        output.news(format!("  log: {}", folder.log_path().display()));
    }
    let mut parts = vec![format!("{} computed", summary.computed), format!("{} reused", summary.reused)];
    for (n, what) in [(summary.failed, "failed"), (summary.blocked, "blocked"), (summary.cancelled, "left")] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    output.news(format!(
        "{} of {} done; stages: {}; {} (saved {})",
        summary.trials_done,
        count(summary.trials, "trial"),
        parts.join(", "),
        duration(summary.wall_secs),
        duration(summary.saved_secs),
    ));
    if summary.removed > 0 {
        output.news(format!(
            "removed {} that nothing reads any more ({}); run.keep says what stays",
            count(summary.removed, "artifact"),
            bytes(summary.removed_bytes)
        ));
    }
    if summary.interrupted {
        output.news(format!("interrupted; resume with: {}", this_command()));
    } else if summary.failed > 0 {
        output.news(format!("the others are kept; resume with: {}", this_command()));
    }
    for path in written {
        output.news(format!("  {}", path.display()));
    }
}

/// The command as it was typed, for a shell.
fn this_command() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    let quote = |text: String| match text.is_empty() || !text.chars().all(plain) {
        true => format!("'{}'", text.replace('\'', "'\\''")),
        false => text,
    };
    std::iter::once("tacq-sweep".to_owned())
        .chain(std::env::args().skip(1).map(quote))
        .collect::<Vec<_>>()
        .join(" ")
}

fn exit_code(summary: &RunSummary) -> ExitCode {
    let failed_by = |kind| summary.failures.iter().any(|f| f.failure.kind == kind);
    if summary.interrupted {
        ExitCode::Interrupted
    } else if failed_by(FailureKind::Io) {
        ExitCode::Store
    } else if failed_by(FailureKind::Device) {
        ExitCode::Environment
    } else if summary.failed + summary.blocked + summary.cancelled > 0 {
        ExitCode::Failed
    } else {
        ExitCode::Done
    }
}
