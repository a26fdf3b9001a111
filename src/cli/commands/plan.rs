//! `plan`: what a run would do.

use super::Opened;
use crate::cli::args::Graph;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, bytes, count, duration};
use crate::cli::table::Cells::{self, Names, Numbers, Words};
use crate::exec::{Estimates, Expected};
use crate::plan::{Plan, StageId, StageState, States};
use serde_json::json;
use std::fmt::Write;
use tacq_protocol::StageKind;

/// How the plan is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    Counts,
    Stages,
    Json,
    Graph(Graph),
}

impl View {
    pub(super) fn new(stages: bool, json: bool, graph: Option<Graph>) -> Self {
        match (graph, json, stages) {
            (Some(graph), _, _) => Self::Graph(graph),
            (None, true, _) => Self::Json,
            (None, false, true) => Self::Stages,
            (None, false, false) => Self::Counts,
        }
    }
}

/// Shows the plan; the exit code tells whether a run would have something to do.
pub(super) fn plan(
    opened: &Opened,
    wanted: &[StageId],
    view: View,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let plan = &opened.plan;
    let mut states = States::look_up(plan, &opened.store, wanted);
    if let Some(remote) = opened.remote.as_ref().filter(|_| !states.complete()) {
        states = super::sharing::look_up(opened, remote, states, wanted, output);
    }
    let estimates = Estimates::new(plan, &states, &opened.store);
    match view {
        View::Counts => output.data(counts(opened, &states, &estimates, output)),
        View::Stages => output.data(stages(plan, &states, output)),
        View::Json => output.data(json(opened, &states, &estimates)),
        View::Graph(Graph::Mermaid) => output.data(mermaid(plan, &states)),
        View::Graph(Graph::Dot) => output.data(dot(plan, &states)),
    }
    if let Err(error) = opened.check_sources() {
        output.news(error);
    }
    Ok(if states.complete() { ExitCode::Done } else { ExitCode::Failed })
}

/// The table of counts per kind, with what is expected of the stages that are to run.
pub(super) fn counts(opened: &Opened, states: &States, estimates: &Estimates, output: &Output) -> String {
    let plan = &opened.plan;
    // Most experiments have no remote store.
    let has_remote = states.in_state(StageState::Remote).next().is_some();
    let shown: Vec<StageState> =
        ALL_STATES.into_iter().filter(|&state| has_remote || state != StageState::Remote).collect();
    let mut rows = Vec::new();
    let mut sums = vec![0; shown.len()];
    for kind in StageKind::ALL {
        let cells: Vec<usize> = shown.iter().map(|&state| states.count(plan, kind, state)).collect();
        if cells.iter().any(|&cell| cell > 0) {
            let of_kind = states.in_state(StageState::Run).filter(|&id| plan.stages[id].kind() == kind);
            rows.push(row(kind.name(), &cells, price(of_kind, estimates)));
            sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
        }
    }
    rows.push(row("all", &sums, price(states.in_state(StageState::Run), estimates)));
    let names = shown.into_iter().map(name);
    let numbers = ["total"].into_iter().chain(names).chain(["time", "disk"]).map(|name| (name, Numbers));
    let headings: Vec<(&str, Cells)> = [("kind", Words)].into_iter().chain(numbers).collect();
    let devices = &opened.experiment.run.devices;
    let to_run = states.in_state(StageState::Run).count();
    let outlook = outlook(&estimates.expected(plan, states, devices), to_run, devices.len());
    let text = output.table(&headings, &rows);
    format!("{}, {}\n\n{text}{outlook}", count(plan.trials.len(), "trial"), count(plan.stages.len(), "stage"))
}

fn row(name: &str, cells: &[usize], price: [String; 2]) -> Vec<String> {
    let total = cells.iter().sum::<usize>().to_string();
    [name.to_owned(), total].into_iter().chain(cells.iter().map(usize::to_string)).chain(price).collect()
}

/// Time and disk of stages, as far as they are known.
fn price(ids: impl Iterator<Item = StageId>, estimates: &Estimates) -> [String; 2] {
    let known: Vec<_> = ids.filter_map(|id| estimates.of(id)).collect();
    if known.is_empty() {
        return [String::new(), String::new()];
    }
    [duration(known.iter().map(|facts| facts.secs).sum()), bytes(known.iter().map(|facts| facts.bytes).sum())]
}

/// What the run will cost, in a line; nothing if there is nothing to run.
fn outlook(expected: &Expected, to_run: usize, devices: usize) -> String {
    let Expected { secs, gpu_secs, wall_secs, bytes: size, unknown } = *expected;
    if to_run == 0 {
        return String::new();
    }
    if size == 0 && secs == 0.0 {
        return format!("\n\nto run: {}; nothing like them has run yet", count(to_run, "stage"));
    }
    let gpu = if gpu_secs > 0.0 { format!(" ({:.1} GPU-h)", gpu_secs / 3600.0) } else { String::new() };
    let rest = match unknown {
        0 => String::new(),
        n => format!("; not counting {} of which nothing is known", count(n, "stage")),
    };
    format!(
        "\n\nto run: {}, about {} of work{gpu}, {} from start to end on {}, {} of disk{rest}",
        count(to_run, "stage"),
        duration(secs),
        duration(wall_secs),
        count(devices, "device"),
        bytes(size),
    )
}

fn stages(plan: &Plan, states: &States, output: &Output) -> String {
    let rows: Vec<Vec<String>> = plan
        .stages
        .iter()
        .enumerate()
        .map(|(id, stage)| {
            let key = stage.key().map_or_else(|| "-".to_owned(), |k| k.short());
            vec![name(states.of(id)).to_owned(), key, stage.label.clone()]
        })
        .collect();
    output.table(&[("state", Words), ("key", Words), ("stage", Names)], &rows)
}

fn json(opened: &Opened, states: &States, estimates: &Estimates) -> String {
    let plan = &opened.plan;
    let stages: Vec<_> = plan
        .stages
        .iter()
        .enumerate()
        .map(|(id, stage)| {
            let tagged =
                serde_json::to_value(&stage.params).expect("stage parameters serialize without error");
            json!({
                "id": id,
                "label": stage.label,
                "kind": stage.kind(),
                "state": states.of(id),
                "expected": estimates.of(id),
                "key": stage.key(),
                "params": tagged["params"],
                "inputs": stage.inputs,
                "artifact": stage.key().map(|key| opened.store.artifact_dir(stage.kind(), key)),
            })
        })
        .collect();
    let trials: Vec<_> = plan
        .trials
        .iter()
        .map(|t| {
            let evaluations: Vec<_> =
                t.evaluations.iter().map(|(task, id)| json!({ "task": task, "stage": id })).collect();
            json!({ "label": t.trial.label(), "checkpoint": t.checkpoint, "evaluations": evaluations })
        })
        .collect();
    let problems: Vec<_> = plan.problems.iter().map(|p| p.message.clone()).collect();
    let whole = json!({
        "experiment": opened.experiment.name,
        "complete": states.complete(),
        "expected": estimates.expected(plan, states, &opened.experiment.run.devices),
        "stages": stages,
        "trials": trials,
        "problems": problems,
    });
    serde_json::to_string_pretty(&whole).expect("plain data")
}

fn mermaid(plan: &Plan, states: &States) -> String {
    let mut text = String::from("flowchart LR\n");
    for (id, stage) in plan.stages.iter().enumerate() {
        // Quotes end a mermaid label; ours hold none, but names of models are the user's.
        let label = stage.label.replace('"', "'");
        let _ = writeln!(text, "  s{id}[\"{label}\"]:::{}", name(states.of(id)));
        for input in stage.inputs.values() {
            let _ = writeln!(text, "  s{input} --> s{id}");
        }
    }
    let classes: Vec<String> =
        ALL_STATES.iter().map(|&s| format!("  classDef {} fill:{}", name(s), color(s))).collect();
    text + &classes.join("\n")
}

fn dot(plan: &Plan, states: &States) -> String {
    let mut text = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box, style=filled];\n");
    for (id, stage) in plan.stages.iter().enumerate() {
        let label = stage.label.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "  s{id} [label=\"{label}\", fillcolor=\"{}\"];", color(states.of(id)));
        for input in stage.inputs.values() {
            let _ = writeln!(text, "  s{input} -> s{id};");
        }
    }
    text + "}"
}

const ALL_STATES: [StageState; 5] =
    [StageState::Hit, StageState::Remote, StageState::Run, StageState::Blocked, StageState::Unneeded];

/// A state in a word.
fn name(state: StageState) -> &'static str {
    match state {
        StageState::Hit => "hit",
        StageState::Remote => "remote",
        StageState::Run => "run",
        StageState::Blocked => "blocked",
        StageState::Unneeded => "unneeded",
    }
}

fn color(state: StageState) -> &'static str {
    match state {
        StageState::Hit => "#d5f0d5",
        StageState::Remote => "#d5e5f5",
        StageState::Run => "#fdf0c8",
        StageState::Blocked => "#f5d0d0",
        StageState::Unneeded => "#eeeeee",
    }
}
