//! Runs what is asked for, one job after the other, and beside it what nobody waits for.

use super::Demo;
use super::board::{Board, Standing, Step, Task};
use super::choices::Choices;
use super::experiment;
use crate::exec::{self, EngineLauncher, Estimates, Interrupt, Observer, RunEvent, RunOptions, Sweep};
use crate::fsx;
use crate::plan::{StageId, StageState, States};
use crate::serve::site::Opened;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

impl Demo {
    /// Works for ever.
    pub fn work(self: &Arc<Self>) {
        loop {
            // What breaks here is our own mistake; the others still get what they wait for.
            match self.board.next() {
                Task::Asked(choices) => {
                    if catch_unwind(AssertUnwindSafe(|| self.asked(&choices))).is_err() {
                        let problem = "an error of tacq-sweep itself; its terminal has more";
                        self.board.end(&choices.id(), Some(problem.to_owned()));
                    }
                }
                Task::Beside(choices) => {
                    let _ = catch_unwind(AssertUnwindSafe(|| self.beside(&choices)));
                }
            }
        }
    }

    fn asked(self: &Arc<Self>, choices: &Choices) {
        let id = choices.id();
        self.board.change(&id, |job| job.state = Standing::Running);
        let done = self.open(choices).map_err(|error| error.to_string()).and_then(|opened| {
            let wanted = experiment::first(&opened, choices);
            self.board.change(&id, |job| job.steps = steps(&opened, &wanted));
            self.run(&opened, &wanted, &id, &Interrupt::default())
        });
        self.board.end(&id, done.err());
        if choices.prompt.is_none() {
            self.phrase_beside(choices);
            self.board.later(choices.clone());
        }
    }

    /// The other methods, one after the other, until somebody waits.
    fn beside(&self, choices: &Choices) {
        let id = choices.id();
        let Ok(opened) = self.open(choices) else { return };
        for wanted in experiment::others(&opened, choices) {
            if States::look_up(&opened.plan, &opened.store, &wanted).complete() {
                continue;
            }
            let interrupt = Arc::new(Interrupt::default());
            if !self.board.may_run_beside(&interrupt) {
                // Gone on with when this visitor, or another with the same choices, asks again.
                break;
            }
            let name = wanted.first().map(|&stage| opened.plan.stages[stage].label.clone());
            self.board.change(&id, |job| job.beside = name);
            // What fails here is shown by its row that does not come.
            if let Err(problem) = self.run(&opened, &wanted, "", &interrupt) {
                tracing::warn!("{problem}");
            }
            self.board.change(&id, |job| job.version += 1);
        }
        self.board.change(&id, |job| job.beside = None);
    }

    /// Runs what is missing of these stages; a sentence if that fails.
    fn run(
        &self,
        opened: &Opened,
        wanted: &[StageId],
        id: &str,
        interrupt: &Interrupt,
    ) -> Result<(), String> {
        let Opened { experiment, plan, store } = opened;
        let words = |error: &dyn std::error::Error| error.to_string();
        let log_dir = store.serve_dir();
        fsx::create_dir_all(&log_dir).map_err(|error| words(&error))?;
        let keys = plan.stages.iter().filter_map(|stage| stage.key().copied());
        let _pins = store.pin(keys).map_err(|error| words(&error))?;
        let states = States::look_up(plan, store, wanted);
        if states.complete() {
            return Ok(());
        }
        let estimates = Estimates::new(plan, &states, store);
        let hub = self.hub();
        let sweep = Sweep {
            plan,
            states: &states,
            estimates: &estimates,
            store,
            hub: &hub,
            retention: None,
            folder: None,
        };
        let options = RunOptions { settings: experiment.run.clone(), fail_fast: true };
        let launcher = EngineLauncher::new(self.engine.clone(), &log_dir);
        let mut observer = Told { board: &self.board, id };
        let finished = exec::run(sweep, &options, &launcher, &mut observer, interrupt);
        if let Some(fatal) = finished.fatal {
            return Err(fatal.to_string());
        }
        match finished.summary.failures.first() {
            Some(failure) => Err(format!("{}: {}", failure.label, failure.failure)),
            None if finished.summary.interrupted => Err("it was interrupted".to_owned()),
            None => Ok(()),
        }
    }
}

/// The way from examples to scores.
const ORDER: [&str; 8] =
    ["download", "calibrate", "quantize", "gradients", "saliency", "select", "mixed_quantize", "evaluate"];

/// What these stages take, and how each stands.
pub(super) fn steps(opened: &Opened, wanted: &[StageId]) -> Vec<Step> {
    let Opened { plan, store, .. } = opened;
    let states = States::look_up(plan, store, wanted);
    let mut needed: BTreeSet<StageId> = wanted.iter().copied().collect();
    for id in (0..plan.stages.len()).rev() {
        if needed.contains(&id) {
            needed.extend(plan.stages[id].inputs.values().copied());
        }
    }
    let step = |&id: &StageId| {
        let stage = &plan.stages[id];
        let is_there = states.of(id) == StageState::Hit;
        Step {
            label: stage.label.clone(),
            kind: stage.kind().to_string(),
            state: if is_there { "stored" } else { "waiting" },
            done: 0,
            total: 0,
            unit: String::new(),
            secs: states.facts(id).map(|facts| facts.secs),
        }
    };
    let mut steps: Vec<Step> = needed.iter().map(step).collect();
    // As they are told, not as they were planned.
    steps.sort_by_key(|step| ORDER.iter().position(|kind| *kind == step.kind).unwrap_or(0));
    steps
}

/// Writes what happens to a job's steps.
struct Told<'a> {
    board: &'a Board,
    id: &'a str,
}

impl Told<'_> {
    fn step(&self, label: &str, change: impl FnOnce(&mut Step)) {
        self.board.change(self.id, |job| {
            if let Some(step) = job.steps.iter_mut().find(|step| step.label == label) {
                change(step);
            }
        });
    }
}

impl Observer for Told<'_> {
    fn on(&mut self, event: &RunEvent<'_>) {
        match *event {
            RunEvent::Started { label, .. } => self.step(label, |step| step.state = "running"),
            RunEvent::Progress { label, done, total, unit } => self.step(label, |step| {
                (step.done, step.total, step.unit) = (done, total, unit.to_owned());
            }),
            RunEvent::Computed { label, wall_secs, .. } => self.step(label, |step| {
                (step.state, step.secs) = ("done", Some(wall_secs));
            }),
            RunEvent::ComputedElsewhere { label } => self.step(label, |step| step.state = "stored"),
            RunEvent::Failed { label, .. } => self.step(label, |step| step.state = "failed"),
            RunEvent::Planned { .. }
            | RunEvent::Log { .. }
            | RunEvent::Waiting { .. }
            | RunEvent::Retrying { .. }
            | RunEvent::Stopping { .. }
            | RunEvent::Notice { .. } => {}
        }
    }
}
