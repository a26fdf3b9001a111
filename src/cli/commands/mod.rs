//! One file per command.

mod cancel;
mod examples;
mod history;
mod job;
mod plan;
mod report;
mod run;
mod serve;
mod sharing;
mod show;
mod status;
mod store;
mod why;

pub(super) use examples::ExamplesError;

use super::args::{Args, Command, FileArgs};
use super::error::CliError;
use super::exit_code::ExitCode;
use super::output::{Output, count};
use super::{logging, select};
use crate::hub::{Hub, Settings};
use crate::plan::Plan;
use crate::spec::{self, Experiment};
use crate::store::Store;
use crate::store::remote::Remote;
use std::path::PathBuf;
use std::sync::Arc;

/// Does what was asked for.
pub(super) fn dispatch(args: &Args, output: &Output) -> Result<ExitCode, CliError> {
    // `run` logs to its folder too, and starts logging itself.
    if !matches!(args.command, Command::Run { .. }) {
        logging::start(args.verbose, output.color(), None)?;
    }
    match &args.command {
        Command::Validate { file } => validate(file, output),
        Command::Schema => {
            output.data(
                serde_json::to_string_pretty(&spec::schema()).expect("schemas serialize without error"),
            );
            Ok(ExitCode::Done)
        }
        Command::Plan { file, stages, only, json, graph } => {
            let opened = Opened::new(file)?;
            let wanted = select::wanted(&opened.plan, only, &file.file)?;
            plan::plan(&opened, &wanted, plan::View::new(*stages, *json, *graph), output)
        }
        Command::Run { file, only, fail_fast, dry_run, summary_json, engine } => {
            let options = run::Options {
                only,
                fail_fast: *fail_fast,
                dry_run: *dry_run,
                summary_json: summary_json.as_deref(),
                engine: engine.as_deref(),
            };
            run::run(file, &options, args.verbose, output)
        }
        Command::Status { file, format, watch } => {
            status::status(&Opened::new(file)?, *format, *watch, output)
        }
        Command::History(args) => history::history(args, output),
        Command::Why { file, target, format } => {
            why::why(&Opened::new(file)?, target.as_deref(), *format, output)
        }
        Command::Cancel { file } => cancel::cancel(file, output),
        Command::Job { file } => job::job(file, output),
        Command::Report { file, compare, format, watch } => {
            let options = report::Options { compare: compare.as_ref(), format: *format, watch: *watch };
            report::report(&Opened::usable(file)?, options, output)
        }
        Command::Serve(args) => serve::serve(args, output),
        Command::Show { file, target, examples, format } if examples.any() => {
            examples::show(&Opened::new(file)?, target, examples, *format, output)
        }
        Command::Show { file, target, format, .. } => {
            show::show(&Opened::new(file)?, target, *format, output)
        }
        Command::Store { command } => store::dispatch(command, output),
    }
}

fn validate(file: &FileArgs, output: &Output) -> Result<ExitCode, CliError> {
    let experiment = spec::load(&file.file, &file.sets)?;
    let trials = spec::trials(&experiment).len();
    output.data(format!("{}: valid, {}", file.file.display(), count(trials, "trial")));
    Ok(ExitCode::Done)
}

/// An experiment with its plan and its store.
pub(super) struct Opened {
    pub file: PathBuf,
    pub experiment: Experiment,
    pub store: Store,
    /// What machines share, if anything; opened by the first request.
    pub remote: Option<Arc<Remote>>,
    pub hub: Hub,
    pub plan: Plan,
}

impl Opened {
    /// Loads the file, hashes its sources, makes the plan. Sources that are missing leave stages blocked.
    pub fn new(args: &FileArgs) -> Result<Self, CliError> {
        let mut experiment = spec::load(&args.file, &args.sets)?;
        if let Some(store) = &args.store {
            experiment.run.store.clone_from(store);
        }
        let settings = &mut experiment.run;
        settings.remote = sharing::chosen(args.remote.as_ref(), settings.remote.take());
        let remote = settings.remote.clone().map(|settings| Arc::new(Remote::new(settings)));
        let store = Store::new(&experiment.run.store);
        let hub = Hub::new(Settings::from_env(), store.hub_memory(), args.update_revisions);
        let mut digests = store.source_digests();
        let plan = crate::plan::build(&experiment, &mut digests, &hub);
        digests.save();
        Ok(Self { file: args.file.clone(), experiment, store, remote, hub, plan })
    }

    /// Like [`Self::new`], but sources that are missing are an error.
    pub fn usable(args: &FileArgs) -> Result<Self, CliError> {
        let opened = Self::new(args)?;
        opened.check_sources()?;
        Ok(opened)
    }

    /// An error if sources are missing.
    pub fn check_sources(&self) -> Result<(), CliError> {
        if self.plan.problems.is_empty() {
            return Ok(());
        }
        Err(CliError::Sources { path: self.file.clone(), problems: self.plan.problems.clone() })
    }
}
