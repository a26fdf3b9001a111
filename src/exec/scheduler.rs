//! A run from its plan to its summary.

use super::cluster::{self, ClusterSetup};
use super::interrupt::{Ending, Interrupt};
use super::ledger::Ledger;
use super::local;
use super::observer::Observer;
use super::options::RunOptions;
use super::outcome::{ExecError, Outcome, RunSummary};
use super::sweep::Sweep;
use super::worker::Launcher;
use crate::slurm::Slurm;
use std::time::Instant;

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
    finish(sweep, options, observer, interrupt, |ledger| local::drive(ledger, launcher, interrupt))
}

/// Like [`run`], as jobs on a Slurm cluster. `launcher` is for what the driver does itself.
pub fn run_on_cluster(
    sweep: Sweep<'_>,
    options: &RunOptions,
    (setup, slurm): (&ClusterSetup, &mut Slurm),
    launcher: &dyn Launcher,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Finished {
    let drive = |ledger: &mut Ledger<'_>| cluster::drive(ledger, setup, slurm, launcher, interrupt);
    finish(sweep, options, observer, interrupt, drive)
}

fn finish<'a>(
    sweep: Sweep<'a>,
    options: &'a RunOptions,
    observer: &'a mut dyn Observer,
    interrupt: &Interrupt,
    drive: impl FnOnce(&mut Ledger<'a>) -> Result<(), ExecError>,
) -> Finished {
    let started = Instant::now();
    let mut ledger = Ledger::new(sweep, options, observer);
    let fatal = drive(&mut ledger).err();
    let interrupted = interrupt.ending() > Ending::None;
    let (summary, outcomes) = ledger.close(started.elapsed().as_secs_f64(), interrupted);
    Finished { outcomes, summary, fatal }
}
