//! `status`: how far an experiment is, seen from outside any run.

use super::Opened;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count, duration, table};
use crate::exec::RunFolder;
use crate::plan::{StageState, States};
use serde_json::json;

/// More trials than this are counted, not listed.
const LISTED_TRIALS: usize = 100;

/// Shows trials done, stages running in any process, and how the last run ended.
pub(super) fn status(opened: &Opened, format: Format, output: &Output) -> Result<ExitCode, CliError> {
    let plan = &opened.plan;
    let states = States::look_up(plan, &opened.store, &plan.sinks());
    let running: Vec<&str> = states
        .in_state(StageState::Run)
        .filter(|&id| plan.stages[id].key().is_some_and(|key| opened.store.is_reserved(key)))
        .map(|id| plan.stages[id].label.as_str())
        .collect();
    let done = |id: &usize| states.of(*id) == StageState::Hit;
    let trials_done = plan.trials.iter().filter(|t| t.evaluations.iter().all(|(_, id)| done(id))).count();
    let last = RunFolder::latest(&opened.store, &opened.experiment.name);
    if format == Format::Json {
        let whole = json!({
            "experiment": opened.experiment.name,
            "trials": plan.trials.len(),
            "trials_done": trials_done,
            "complete": states.complete(),
            "running": running,
            "last_run": last.as_ref().map(|(dir, record)| json!({ "dir": dir, "record": record })),
        });
        output.data(serde_json::to_string_pretty(&whole).expect("plain data"));
        return Ok(ExitCode::Done);
    }
    output.data(super::plan::counts(plan, &states));
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
    for label in running {
        output.data(format!("running: {label}"));
    }
    if let Some((dir, record)) = last {
        let s = &record.summary;
        let numbers = format!("{} computed, {} reused, {} failed", s.computed, s.reused, s.failed);
        output.data(format!("last run: {numbers} in {}; {}", duration(s.wall_secs), dir.display()));
        for failure in &s.failures {
            output.data(format!("  failed: {}: {}", failure.label, failure.failure));
        }
    }
    opened.check_sources()?;
    Ok(ExitCode::Done)
}
