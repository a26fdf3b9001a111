//! What happens during a run, for whoever shows it.

use super::worker::Failure;
use tacq_protocol::LogLevel;
use tacq_protocol::units::Device;

/// Something that happened. Labels are those of the plan's stages.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// What there is to do.
    Planned {
        /// Stages to run.
        to_run: usize,
        /// Stages whose artifacts are there.
        hits: usize,
    },
    /// A stage was given to a worker.
    Started {
        /// The stage.
        label: &'a str,
        /// Where it runs; nowhere for a download.
        device: Option<Device>,
    },
    /// A running stage got further.
    Progress {
        /// The stage.
        label: &'a str,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// What is counted.
        unit: &'a str,
    },
    /// A running stage says something.
    Log {
        /// The stage.
        label: &'a str,
        /// How urgent.
        level: LogLevel,
        /// What.
        message: &'a str,
    },
    /// A stage's artifact was committed.
    Computed {
        /// The stage.
        label: &'a str,
        /// Seconds it took.
        wall_secs: f64,
        /// Whether an earlier attempt's progress was continued.
        resumed: bool,
    },
    /// Another process computed a stage in the meantime.
    ComputedElsewhere {
        /// The stage.
        label: &'a str,
    },
    /// Another process is computing a stage; this run waits for it.
    Waiting {
        /// The stage.
        label: &'a str,
    },
    /// An attempt failed; the stage is tried again.
    Retrying {
        /// The stage.
        label: &'a str,
        /// What happened.
        failure: &'a Failure,
    },
    /// The run ends soon: what runs finishes its batch and writes its progress.
    Stopping {
        /// Stages that run.
        running: usize,
    },
    /// Something that concerns no single stage, in a sentence.
    Notice {
        /// The sentence.
        message: &'a str,
    },
    /// A stage failed.
    Failed {
        /// The stage.
        label: &'a str,
        /// Why.
        failure: &'a Failure,
    },
}

/// Shows what happens.
pub trait Observer: Send {
    /// Called on one thread, in order.
    fn on(&mut self, event: &RunEvent<'_>);
}

/// Shows nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _: &RunEvent<'_>) {}
}
