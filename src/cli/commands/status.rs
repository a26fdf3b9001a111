//! `status`: how far an experiment is, seen from outside any run.

use super::Opened;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Frame, Output, count, duration, moment};
use crate::cli::table::Cells::{Names, Numbers};
use crate::cli::watch::{self, Watched};
use crate::exec::{Estimates, Live, LiveStage, PastRun, RunState};
use crate::plan::{StageId, StageState, States};
use rayon::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

/// More trials than this are counted, not listed.
const LISTED_TRIALS: usize = 100;

/// Shows trials done, what runs at this moment in any process, and how the last run ended.
pub(super) fn status(
    opened: &Opened,
    format: Format,
    is_watched: bool,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let mut status = Status::new(opened, format, output);
    if is_watched {
        watch::watch(&mut status, output)?;
    } else {
        status.look();
        output.data(status.frame().text());
    }
    opened.check_sources()?;
    Ok(ExitCode::Done)
}

/// What was seen at the last look.
struct Status<'a> {
    opened: &'a Opened,
    format: Format,
    output: &'a Output,
    /// All runs of the store, the newest first.
    runs: Vec<PastRun>,
    /// Places in [`Self::runs`] of this experiment's that live, and what they run.
    alive: Vec<(usize, Live)>,
    /// Stages that some process computes.
    reserved: Vec<StageId>,
    /// By stage, whether an artifact lies there.
    present: Vec<bool>,
    states: States,
    estimates: Estimates,
    /// Whether anything ran at any look.
    has_run: bool,
}

impl<'a> Status<'a> {
    fn new(opened: &'a Opened, format: Format, output: &'a Output) -> Self {
        let (runs, alive, reserved, present) = <_>::default();
        let states = States::from_presence(&opened.plan, &[], &[]);
        let estimates = Estimates::default();
        Self { opened, format, output, runs, alive, reserved, present, states, estimates, has_run: false }
    }

    /// Looks again; whether anything changed. Runs before artifacts: what a run leaves at its end is then seen with the
    /// end.
    fn look(&mut self) -> bool {
        let Opened { experiment, plan, store, .. } = self.opened;
        let runs = PastRun::all_again(store, &self.runs);
        let is_own = |run: &PastRun| run.experiment() == Some(&experiment.name);
        let own = runs.iter().enumerate().filter(|(_, run)| is_own(run));
        let alive: Vec<(usize, Live)> = own.filter_map(|(at, run)| Some((at, run.live()?))).collect();
        let in_store =
            |stage: &crate::plan::Stage| stage.key().is_some_and(|key| store.has(stage.kind(), key));
        let present: Vec<bool> = plan.stages.par_iter().map(in_store).collect();
        let mut is_other = present != self.present;
        if is_other {
            self.states = States::look_up(plan, store, &plan.sinks());
            self.estimates = Estimates::new(plan, &self.states, store);
            self.present = present;
        }
        let is_reserved = |id: &StageId| plan.stages[*id].key().is_some_and(|key| store.is_reserved(key));
        let reserved: Vec<StageId> = self.states.in_state(StageState::Run).filter(is_reserved).collect();
        let seen = |runs: &[PastRun]| runs.iter().map(|run| (run.dir.clone(), run.state)).collect::<Vec<_>>();
        is_other |= seen(&runs) != seen(&self.runs) || alive != self.alive || reserved != self.reserved;
        (self.runs, self.alive, self.reserved) = (runs, alive, reserved);
        self.has_run |= self.is_running();
        is_other
    }

    fn is_own(&self, run: &PastRun) -> bool {
        run.experiment() == Some(&self.opened.experiment.name)
    }

    fn is_running(&self) -> bool {
        let is_live = |run: &PastRun| run.state == RunState::Running && self.is_own(run);
        !self.reserved.is_empty() || self.runs.iter().any(is_live)
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.reserved.iter().map(|&id| self.opened.plan.stages[id].label.as_str())
    }

    fn is_done(&self, id: StageId) -> bool {
        self.states.of(id) == StageState::Hit
    }

    fn trials_done(&self) -> usize {
        self.opened.plan.trials_done(|id| self.is_done(id))
    }

    /// The last run of this experiment that does not live any more.
    fn last(&self) -> Option<&PastRun> {
        self.runs.iter().find(|run| run.state != RunState::Running && self.is_own(run))
    }

    fn json(&self) -> String {
        let as_json = |(at, live): &(usize, Live)| {
            let run = &self.runs[*at];
            json!({ "dir": run.dir, "started": run.started, "live": live })
        };
        let last = self.last().map(|run| json!({ "dir": run.dir, "state": run.state, "record": run.record }));
        let whole = json!({
            "experiment": self.opened.experiment.name,
            "trials": self.opened.plan.trials.len(),
            "trials_done": self.trials_done(),
            "complete": self.states.complete(),
            "running": self.labels().collect::<Vec<_>>(),
            "runs": self.alive.iter().map(as_json).collect::<Vec<_>>(),
            "last_run": last,
        });
        serde_json::to_string_pretty(&whole).expect("plain data")
    }

    /// How many tasks of each trial are done; empty if there are too many trials.
    fn trials(&self) -> String {
        let trials = &self.opened.plan.trials;
        if trials.len() > LISTED_TRIALS {
            return String::new();
        }
        let rows = trials.iter().map(|trial| {
            let n = trial.evaluations.iter().filter(|(_, id)| self.is_done(*id)).count();
            vec![trial.trial.label().to_owned(), format!("{n}/{}", trial.evaluations.len())]
        });
        self.output.table(&[("trial", Names), ("tasks done", Numbers)], &rows.collect::<Vec<_>>())
    }

    /// What runs, and how the last run ended.
    fn runs(&self) -> String {
        let n_trials = count(self.opened.plan.trials.len(), "trial");
        let mut text = format!("{} of {n_trials} done", self.trials_done());
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for (at, live) in &self.alive {
            text.push_str(&format!("\n\n{}", running(&self.runs[*at], live)));
            told.extend(live.running.iter().map(|stage| stage.label.as_str()));
        }
        for label in self.labels().filter(|label| !told.contains(label)) {
            text.push_str(&format!("\nrunning elsewhere: {label}"));
        }
        if let Some(run) = self.last() {
            text.push_str(&format!("\n{}", ended(run)));
        }
        text
    }
}

impl Watched for Status<'_> {
    fn look(&mut self) -> Result<bool, CliError> {
        Ok(Status::look(self))
    }

    fn frame(&self) -> Frame {
        match self.format {
            Format::Json => Frame { body: self.json(), ..Frame::default() },
            Format::Table => Frame {
                head: super::plan::counts(self.opened, &self.states, &self.estimates, self.output),
                body: self.trials(),
                foot: self.runs(),
            },
        }
    }

    /// A run that has not begun yet is waited for, but not where nothing is left to do.
    fn is_over(&self) -> bool {
        !self.is_running() && (self.has_run || self.states.complete())
    }
}

/// A run that lives, with a line for each stage that it runs.
fn running(run: &PastRun, live: &Live) -> String {
    let who = run.started.as_ref().map_or_else(String::new, |started| {
        format!(", process {} on {}, since {} UTC", started.pid, started.host, moment(started.started_unix))
    });
    let ended = live.computed + live.reused + live.failed;
    let failed = if live.failed > 0 { format!(", {} failed", live.failed) } else { String::new() };
    let mut lines = vec![format!("run {}{who}: {ended} of {} ended{failed}", run.dir.display(), live.to_run)];
    lines.extend(live.running.iter().map(|stage| format!("  {}", stage_line(stage, live.renewed_unix))));
    lines.join("\n")
}

fn stage_line(stage: &LiveStage, now: u64) -> String {
    let place = stage.device.map_or_else(|| "download".to_owned(), |device| device.to_string());
    let far = match stage.total {
        0 => String::new(),
        total => format!("  {}/{total} {}", stage.done, stage.unit),
    };
    let since = duration(now.saturating_sub(stage.started_unix) as f64);
    format!("{place}  {} {}{far}  {since}", stage.key, stage.label)
}

/// How the last run went that does not live any more.
fn ended(run: &PastRun) -> String {
    let Some(record) = &run.record else {
        return format!("last run: killed; {}", run.dir.display());
    };
    let s = &record.summary;
    let numbers = format!("{} computed, {} reused, {} failed", s.computed, s.reused, s.failed);
    let mut lines = vec![format!("last run: {numbers} in {}; {}", duration(s.wall_secs), run.dir.display())];
    lines
        .extend(s.failures.iter().map(|failure| format!("  failed: {}: {}", failure.label, failure.failure)));
    lines.join("\n")
}
