//! `store`: what lies there, whether it is right, and what may go.

mod du;
mod gc;
mod ls;
mod transfer;
mod verify;

use super::Opened;
use crate::cli::args::FileArgs;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::cli::select;
use crate::cli::store_args::{ArtifactFilter, DEFAULT_STORE, PlanArgs, StoreCommand};
use crate::fsx;
use crate::stage_key::StageKey;
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Does what was asked for.
pub(super) fn dispatch(command: &StoreCommand, output: &Output) -> Result<ExitCode, CliError> {
    match command {
        StoreCommand::Ls { plans, filter, format } => ls::ls(plans, filter, *format, output),
        StoreCommand::Du { plans, format } => du::du(plans, *format, output),
        StoreCommand::Verify { plans, filter, format } => verify::verify(plans, filter, *format, output),
        StoreCommand::Gc { plans, older_than, keep, dry_run, format } => {
            let options = gc::Options { older_than: *older_than, keep, dry_run: *dry_run };
            gc::gc(plans, &options, *format, output)
        }
        StoreCommand::Push { plans, filter, check } => {
            plans.need_files("push")?;
            transfer::push(plans, filter, *check, output)
        }
        StoreCommand::Pull { plans, filter, results } => {
            plans.need_files("pull")?;
            transfer::pull(plans, filter, *results, output)
        }
    }
}

impl PlanArgs {
    fn need_files(&self, command: &'static str) -> Result<(), CliError> {
        if self.files.is_empty() { Err(CliError::NoFiles { command }) } else { Ok(()) }
    }
}

/// A store, and the plans that are meant.
struct Scope {
    store: Store,
    opened: Vec<Opened>,
}

impl Scope {
    /// Opens the files, which must have one store; sources that are missing are an error, for then nobody knows what is
    /// needed.
    fn new(args: &PlanArgs) -> Result<Self, CliError> {
        let mut opened: Vec<Opened> = Vec::new();
        for file in &args.files {
            let args = FileArgs {
                file: file.clone(),
                sets: args.sets.clone(),
                store: args.store.clone(),
                remote: args.remote.clone(),
                update_revisions: false,
            };
            opened.push(Opened::usable(&args)?);
        }
        let store = match opened.first() {
            Some(first) => first.store.clone(),
            None => Store::new(args.store.as_deref().unwrap_or(Path::new(DEFAULT_STORE))),
        };
        if let Some(other) = opened.iter().find(|other| other.store.root() != store.root()) {
            return Err(CliError::ManyStores {
                file: other.file.clone(),
                store: other.store.root().to_owned(),
                first: store.root().to_owned(),
            });
        }
        // Listed, so that a store that may not be read, or whose name is mistyped, is not taken for an empty one.
        match fsx::list_dir(store.root()) {
            Err(error) if error.is_not_found() && !args.files.is_empty() => {}
            other => {
                let fail = |source| StoreError::Fs { root: store.root().to_owned(), source };
                other.map_err(fail)?;
            }
        }
        Ok(Self { store, opened })
    }

    /// Keys of all stages of the plans; none if no file was given.
    fn keys(&self) -> Option<BTreeSet<StageKey>> {
        let stages = self.opened.iter().flat_map(|opened| &opened.plan.stages);
        (!self.opened.is_empty()).then(|| stages.filter_map(|stage| stage.key().copied()).collect())
    }

    /// Labels of the plans' stages.
    fn labels(&self) -> BTreeMap<StageKey, &str> {
        let stages = self.opened.iter().flat_map(|opened| &opened.plan.stages);
        stages.filter_map(|stage| Some((*stage.key()?, stage.label.as_str()))).collect()
    }
}

/// Whether a filter takes an artifact; of a damaged one, only the key is known.
fn takes(filter: &ArtifactFilter, key: &StageKey, label: Option<&str>) -> bool {
    let text = key.to_string();
    let is_meant = |pattern: &String| {
        let is_key = pattern.len() >= 4 && text.starts_with(&pattern.to_lowercase());
        is_key || label.is_some_and(|label| select::matches(pattern, label))
    };
    filter.only.is_empty() || filter.only.iter().any(is_meant)
}
