//! `why`: the fields that make stages a miss.

use super::Opened;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, count, duration};
use crate::cli::select;
use crate::plan::{Change, Explanation, Plan, StageId, StageState, States, explain, roots};
use serde_json::json;

/// Stages whose causes are looked for, where none is named: each is compared with all artifacts of its kind.
const EXPLAINED: usize = 200;

/// Labels that are named as having one cause; the others are counted.
const NAMED: usize = 3;

/// Explains the stages that the target names, or all that would run by their causes.
pub(super) fn why(
    opened: &Opened,
    target: Option<&str>,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let plan = &opened.plan;
    let states = States::look_up(plan, &opened.store, &plan.sinks());
    let ids = match target {
        Some(target) => select::stages(plan, "target", target, &opened.file)?,
        None => roots(plan, &states),
    };
    let explained = if target.is_some() { ids.len() } else { ids.len().min(EXPLAINED) };
    let answers = explain(plan, &ids[..explained], &opened.store)?;
    if format == Format::Json {
        let answers: Vec<_> = answers
            .iter()
            .map(|(id, explanation)| {
                let stage = &plan.stages[*id];
                let follows = follows(plan, &states, &[*id]);
                json!({ "stage": stage.label, "key": stage.key(), "explanation": explanation, "follows": follows })
            })
            .collect();
        output.data(serde_json::to_string_pretty(&answers).expect("plain data"));
    } else if target.is_some() {
        for (id, explanation) in &answers {
            output.data(of_stage(plan, &states, *id, explanation));
        }
    } else {
        by_cause(plan, &states, answers, ids.len() - explained, output);
    }
    opened.check_sources()?;
    Ok(ExitCode::Done)
}

/// Stages that would run because these do.
fn follows(plan: &Plan, states: &States, ids: &[StageId]) -> usize {
    plan.behind(ids, |id| states.of(id) == StageState::Run)
}

fn of_stage(plan: &Plan, states: &States, id: StageId, explanation: &Explanation) -> String {
    let stage = &plan.stages[id];
    let key = stage.key().map_or_else(|| "-".to_owned(), |k| k.short());
    let mut text = format!("{} {key}  {}", stage.label, words(explanation));
    if let Explanation::Changed { causes, .. } = explanation {
        for change in causes {
            let is_own = change.stage == stage.label;
            text.push_str(&format!("\n  {}", cause(change, is_own)));
        }
    }
    let follows = if states.of(id) == StageState::Run { follows(plan, states, &[id]) } else { 0 };
    if follows > 0 {
        text.push_str(&format!("\n  follows: {}", count(follows, "stage")));
    }
    text
}

fn words(explanation: &Explanation) -> String {
    match explanation {
        Explanation::Hit { dir, wall_secs, .. } => {
            format!("HIT  took {}; {}", duration(*wall_secs), dir.display())
        }
        Explanation::Blocked => "BLOCKED  a model or data set that it needs is not there".to_owned(),
        Explanation::NeverRun => "MISS  nothing of its kind is in the store".to_owned(),
        Explanation::Changed { nearest, nearest_label, .. } => {
            format!("MISS  nearest is {} {nearest_label}", nearest.short())
        }
    }
}

fn cause(change: &Change, is_own: bool) -> String {
    let place = if is_own { String::new() } else { format!("{} ", change.stage) };
    format!("{place}{}: {} -> {}", change.field, change.old, change.new)
}

/// What the stages have in common that are a miss for the same reason.
fn reason(explanation: &Explanation) -> Vec<(String, String, String)> {
    match explanation {
        Explanation::Changed { causes, .. } => {
            let mut fields: Vec<_> =
                causes.iter().map(|c| (c.field.clone(), c.old.clone(), c.new.clone())).collect();
            fields.sort();
            fields
        }
        _ => Vec::new(),
    }
}

/// The causes of all misses, each once, with the stages in which it lies and how many follow.
fn by_cause(
    plan: &Plan,
    states: &States,
    answers: Vec<(StageId, Explanation)>,
    unexplained: usize,
    output: &Output,
) {
    if answers.is_empty() {
        output.data("everything is in the store: nothing would run");
        return;
    }
    let mut groups: Vec<(Explanation, Vec<StageId>)> = Vec::new();
    for (id, explanation) in answers {
        let same = |(other, _): &&mut (Explanation, Vec<StageId>)| {
            std::mem::discriminant(other) == std::mem::discriminant(&explanation)
                && reason(other) == reason(&explanation)
        };
        match groups.iter_mut().find(same) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((explanation, vec![id])),
        }
    }
    for (explanation, ids) in groups {
        let mut names: Vec<&str> = ids.iter().take(NAMED).map(|&id| plan.stages[id].label.as_str()).collect();
        let more = format!("{} more", ids.len().saturating_sub(NAMED));
        if ids.len() > NAMED {
            names.push(&more);
        }
        let what = match &explanation {
            Explanation::Changed { causes, .. } => {
                causes.iter().map(|change| cause(change, true)).collect::<Vec<_>>().join(", ")
            }
            other => words(other),
        };
        let follows = count(follows(plan, states, &ids), "stage");
        output.data(format!("{what}\n  in {}\n  follows: {follows}", names.join(", ")));
    }
    if unexplained > 0 {
        output.data(format!("and {} not looked at", count(unexplained, "more stage")));
    }
}
