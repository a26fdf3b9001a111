//! `report --watch`: the tables as results come.

use super::{Made, Options, make, nothing_yet};
use crate::cli::args::ReportFormat;
use crate::cli::commands::Opened;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Frame, Output, count};
use crate::cli::watch::{self, Watched};
use crate::plan::StageId;
use crate::store::has_summaries;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Prints and writes until somebody interrupts.
pub(super) fn watch(opened: &Opened, options: Options<'_>, output: &Output) -> Result<ExitCode, CliError> {
    let plan = &opened.plan;
    let shown = match options.format {
        // The page is made of what lies in all of them.
        Some(ReportFormat::Html) => (0..plan.stages.len()).collect(),
        None => plan.sinks().into_iter().chain(plan.trials.iter().filter_map(|t| t.checkpoint)).collect(),
    };
    watch::watch(&mut Watch { opened, options, output, shown, there: None, made: None }, output)
}

struct Watch<'a> {
    opened: &'a Opened,
    options: Options<'a>,
    output: &'a Output,
    /// Stages of which the tables tell.
    shown: BTreeSet<StageId>,
    /// Those of them that were there at the last look.
    there: Option<BTreeSet<StageId>>,
    made: Option<Made>,
}

impl Watch<'_> {
    /// What is there, without reading any of it: an artifact never changes under its key.
    fn look_up(&self) -> BTreeSet<StageId> {
        let is_there = |id: &StageId| {
            let stage = &self.opened.plan.stages[*id];
            // The size of a checkpoint outlives it.
            let in_store = |key| {
                let (store, kind) = (&self.opened.store, stage.kind());
                store.has(kind, key) || (has_summaries(kind) && store.has_summary(kind, key))
            };
            stage.key().is_some_and(in_store)
        };
        self.shown.par_iter().copied().filter(is_there).collect()
    }
}

impl Watched for Watch<'_> {
    fn look(&mut self) -> Result<bool, CliError> {
        let there = Some(self.look_up());
        if there == self.there {
            return Ok(false);
        }
        self.there = there;
        self.made = make(self.opened, self.options)?;
        Ok(true)
    }

    fn frame(&self) -> Frame {
        let Some(made) = &self.made else {
            return Frame { foot: nothing_yet(self.opened), ..Frame::default() };
        };
        let dir = self.opened.experiment.report.dir.display();
        let written = format!("{} in {dir}", count(made.paths.len(), "file"));
        let foot = [vec![written], made.notes()].concat().join("\n");
        Frame { head: String::new(), body: made.tables(self.output).join("\n\n"), foot }
    }

    fn is_over(&self) -> bool {
        false
    }
}
