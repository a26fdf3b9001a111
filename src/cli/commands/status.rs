//! `status`: how far an experiment is, seen from outside any run.

use super::Opened;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count, duration, moment, table};
use crate::exec::{Estimates, Live, LiveStage, PastRun, RunState};
use crate::plan::{StageState, States};
use serde_json::json;
use std::collections::BTreeSet;

/// More trials than this are counted, not listed.
const LISTED_TRIALS: usize = 100;

/// Shows trials done, what runs at this moment in any process, and how the last run ended.
pub(super) fn status(opened: &Opened, format: Format, output: &Output) -> Result<ExitCode, CliError> {
    let plan = &opened.plan;
    let states = States::look_up(plan, &opened.store, &plan.sinks());
    let reserved: Vec<&str> = states
        .in_state(StageState::Run)
        .filter(|&id| plan.stages[id].key().is_some_and(|key| opened.store.is_reserved(key)))
        .map(|id| plan.stages[id].label.as_str())
        .collect();
    let done = |id: &usize| states.of(*id) == StageState::Hit;
    let trials_done = plan.trials.iter().filter(|t| t.evaluations.iter().all(|(_, id)| done(id))).count();
    let runs: Vec<PastRun> = PastRun::of(&opened.store, &opened.experiment.name).collect();
    let alive: Vec<(&PastRun, Live)> = runs.iter().filter_map(|run| Some((run, run.live()?))).collect();
    let last = runs.iter().find(|run| run.state != RunState::Running);
    if format == Format::Json {
        let alive: Vec<_> = alive
            .iter()
            .map(|(run, live)| json!({ "dir": run.dir, "started": run.started, "live": live }))
            .collect();
        let whole = json!({
            "experiment": opened.experiment.name,
            "trials": plan.trials.len(),
            "trials_done": trials_done,
            "complete": states.complete(),
            "running": reserved,
            "runs": alive,
            "last_run": last.map(|run| json!({ "dir": run.dir, "state": run.state, "record": run.record })),
        });
        output.data(serde_json::to_string_pretty(&whole).expect("plain data"));
        return Ok(ExitCode::Done);
    }
    let estimates = Estimates::new(plan, &states, &opened.store);
    output.data(super::plan::counts(opened, &states, &estimates));
    if plan.trials.len() <= LISTED_TRIALS {
        let rows: Vec<Vec<String>> = plan
            .trials
            .iter()
            .map(|t| {
                let n = t.evaluations.iter().filter(|(_, id)| done(id)).count();
                vec![t.trial.label().to_owned(), format!("{n}/{}", t.evaluations.len())]
            })
            .collect();
        output.data(format!("\n{}", table(&["trial", "tasks done"], &[false, true], &rows)));
    }
    output.data(format!("\n{trials_done} of {} done", count(plan.trials.len(), "trial")));
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for (run, live) in &alive {
        output.data(format!("\n{}", running(run, live)));
        told.extend(live.running.iter().map(|stage| stage.label.as_str()));
    }
    for label in reserved.into_iter().filter(|label| !told.contains(label)) {
        output.data(format!("running elsewhere: {label}"));
    }
    if let Some(run) = last {
        output.data(ended(run));
    }
    opened.check_sources()?;
    Ok(ExitCode::Done)
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
