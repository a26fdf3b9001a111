//! `history`: the runs of a store, or of one experiment.

use crate::cli::args::{Format, HistoryArgs};
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, duration, moment};
use crate::cli::table::Cells::{Names, Numbers, Words};
use crate::exec::{PastRun, RunState};
use crate::spec;
use crate::store::Store;
use serde_json::json;
use std::path::Path;

/// Lists runs, the newest first.
pub(super) fn history(args: &HistoryArgs, output: &Output) -> Result<ExitCode, CliError> {
    let experiment = args.file.as_ref().map(|file| spec::load(file, &[])).transpose()?;
    let of_file = experiment.as_ref().map(|experiment| experiment.run.store.as_path());
    let store = Store::new(args.store.as_deref().or(of_file).unwrap_or(Path::new(".tacq")));
    let name = experiment.as_ref().map(|experiment| experiment.name.as_str());
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let runs: Vec<PastRun> = PastRun::all(&store)
        .filter(|run| name.is_none_or(|name| run.experiment() == Some(name)))
        .take(limit)
        .collect();
    match args.format {
        Format::Json => {
            let runs: Vec<_> = runs.iter().map(as_json).collect();
            output.data(serde_json::to_string_pretty(&runs).expect("plain data"));
        }
        Format::Table if runs.is_empty() => output.news("no run has left a record yet"),
        Format::Table => {
            let headings = [
                ("started (UTC)", Words),
                ("experiment", Names),
                ("state", Words),
                ("computed", Numbers),
                ("reused", Numbers),
                ("failed", Numbers),
                ("time", Numbers),
                ("run", Names),
            ];
            let rows: Vec<_> = runs.iter().map(row).collect();
            output.data(output.table(&headings, &rows));
        }
    }
    Ok(ExitCode::Done)
}

fn as_json(run: &PastRun) -> serde_json::Value {
    json!({ "dir": run.dir, "state": run.state, "started": run.started, "record": run.record })
}

fn row(run: &PastRun) -> Vec<String> {
    let summary = run.record.as_ref().map(|record| &record.summary);
    let live = run.live();
    let number = |of_summary: Option<usize>, of_live: Option<usize>| {
        of_summary.or(of_live).map_or_else(|| "?".to_owned(), |n| n.to_string())
    };
    let state = match (run.state, summary) {
        (RunState::Running, _) => "running",
        (RunState::Killed, _) => "killed",
        (RunState::Ended, Some(summary)) if summary.interrupted => "interrupted",
        (RunState::Ended, Some(summary)) if summary.failed > 0 => "failed",
        (RunState::Ended, _) => "done",
    };
    vec![
        run.started.as_ref().map_or_else(|| "?".to_owned(), |started| moment(started.started_unix)),
        run.experiment().unwrap_or("?").to_owned(),
        state.to_owned(),
        number(summary.map(|s| s.computed), live.as_ref().map(|l| l.computed)),
        number(summary.map(|s| s.reused), live.as_ref().map(|l| l.reused)),
        number(summary.map(|s| s.failed), live.as_ref().map(|l| l.failed)),
        summary.map_or_else(|| "?".to_owned(), |summary| duration(summary.wall_secs)),
        run.dir.display().to_string(),
    ]
}
