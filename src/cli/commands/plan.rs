//! `plan`: what a run would do.

use super::Opened;
use crate::cli::args::Graph;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count, table};
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
    let states = States::look_up(plan, &opened.store, wanted);
    match view {
        View::Counts => output.data(counts(plan, &states)),
        View::Stages => output.data(stages(plan, &states)),
        View::Json => output.data(json(opened, &states)),
        View::Graph(Graph::Mermaid) => output.data(mermaid(plan, &states)),
        View::Graph(Graph::Dot) => output.data(dot(plan, &states)),
    }
    if let Err(error) = opened.check_sources() {
        output.news(error);
    }
    Ok(if states.complete() { ExitCode::Done } else { ExitCode::Failed })
}

/// The table of counts per kind.
pub(super) fn counts(plan: &Plan, states: &States) -> String {
    let columns = [StageState::Hit, StageState::Run, StageState::Blocked, StageState::Unneeded];
    let row = |name: &str, cells: [usize; 5]| {
        std::iter::once(name.to_owned()).chain(cells.iter().map(usize::to_string)).collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    let mut sums = [0; 5];
    for kind in StageKind::ALL {
        let [hit, run, blocked, unneeded] = columns.map(|state| states.count(plan, kind, state));
        let cells = [hit + run + blocked + unneeded, hit, run, blocked, unneeded];
        if cells[0] > 0 {
            rows.push(row(kind.name(), cells));
            sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
        }
    }
    rows.push(row("all", sums));
    let right = [false, true, true, true, true, true];
    let text = table(&["kind", "total", "hit", "run", "blocked", "unneeded"], &right, &rows);
    format!("{}, {}\n\n{text}", count(plan.trials.len(), "trial"), count(plan.stages.len(), "stage"))
}

fn stages(plan: &Plan, states: &States) -> String {
    let rows: Vec<Vec<String>> = plan
        .stages
        .iter()
        .enumerate()
        .map(|(id, stage)| {
            let key = stage.key().map_or_else(|| "-".to_owned(), |k| k.short());
            vec![name(states.of(id)).to_owned(), key, stage.label.clone()]
        })
        .collect();
    table(&["state", "key", "stage"], &[false; 3], &rows)
}

fn json(opened: &Opened, states: &States) -> String {
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

const ALL_STATES: [StageState; 4] =
    [StageState::Hit, StageState::Run, StageState::Blocked, StageState::Unneeded];

/// A state in a word.
fn name(state: StageState) -> &'static str {
    match state {
        StageState::Hit => "hit",
        StageState::Run => "run",
        StageState::Blocked => "blocked",
        StageState::Unneeded => "unneeded",
    }
}

fn color(state: StageState) -> &'static str {
    match state {
        StageState::Hit => "#d5f0d5",
        StageState::Run => "#fdf0c8",
        StageState::Blocked => "#f5d0d0",
        StageState::Unneeded => "#eeeeee",
    }
}
