//! A run from its plan to its summary.

use super::estimate::Estimates;
use super::interrupt::{Ending, Interrupt};
use super::ledger::Ledger;
use super::local;
use super::observer::Observer;
use super::options::RunOptions;
use super::outcome::{ExecError, Outcome, RunSummary};
use super::record::RunFolder;
use super::worker::Launcher;
use crate::hub::Hub;
use crate::plan::{Plan, States};
use crate::store::Store;
use std::time::Instant;

/// What there is to run, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The stages.
    pub plan: &'a Plan,
    /// Which of them are there, and which are to run.
    pub states: &'a States,
    /// What the stages are expected to take.
    pub estimates: &'a Estimates,
    /// Where artifacts are.
    pub store: &'a Store,
    /// Where models and data sets that are not here come from.
    pub hub: &'a Hub,
    /// Where the run leaves its record, if it has something to do.
    pub folder: Option<&'a RunFolder>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// Of each stage of the plan.
    pub outcomes: Vec<Outcome>,
    /// In numbers.
    pub summary: RunSummary,
    /// What ended the run as a whole: a store that cannot be used, an engine that cannot be started.
    pub fatal: Option<ExecError>,
}

/// Runs the stages whose state says so. Keeps going past failures: only what reads a failed stage is blocked.
pub fn run(
    sweep: Sweep<'_>,
    options: &RunOptions,
    launcher: &dyn Launcher,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Finished {
    let started = Instant::now();
    let mut ledger = Ledger::new(sweep, options, observer);
    let fatal = local::drive(&mut ledger, launcher, interrupt).err();
    let interrupted = interrupt.ending() > Ending::None;
    let (summary, outcomes) = ledger.close(started.elapsed().as_secs_f64(), interrupted);
    Finished { outcomes, summary, fatal }
}
