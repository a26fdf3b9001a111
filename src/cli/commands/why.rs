//! `why`: the fields that make a stage a miss.

use super::Opened;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, duration};
use crate::cli::select;
use crate::plan::{Explanation, explain};
use serde_json::json;

/// Explains the stages that the target names.
pub(super) fn why(
    opened: &Opened,
    target: &str,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let plan = &opened.plan;
    let mut answers = Vec::new();
    for id in select::stages(plan, "target", target, &opened.file)? {
        let explanation = explain(plan, id, &opened.store)?;
        let stage = &plan.stages[id];
        let key = stage.key().map_or_else(|| "-".to_owned(), |k| k.short());
        match format {
            Format::Json => {
                answers.push(json!({ "stage": stage.label, "key": stage.key(), "explanation": explanation }));
            }
            Format::Table => {
                output.data(format!("{} {key}  {}", stage.label, words(&explanation, &stage.label)));
            }
        }
    }
    if format == Format::Json {
        output.data(serde_json::to_string_pretty(&answers).expect("plain data"));
    }
    opened.check_sources()?;
    Ok(ExitCode::Done)
}

fn words(explanation: &Explanation, label: &str) -> String {
    match explanation {
        Explanation::Hit { dir, wall_secs, .. } => {
            format!("HIT  took {}; {}", duration(*wall_secs), dir.display())
        }
        Explanation::Blocked => "BLOCKED  a model or data set that it needs is not there".to_owned(),
        Explanation::NeverRun => "MISS  nothing of its kind is in the store".to_owned(),
        Explanation::Changed { nearest, nearest_label, causes } => {
            let mut text = format!("MISS  nearest is {} {nearest_label}", nearest.short());
            for change in causes {
                let place = if change.stage == label { String::new() } else { format!("{} ", change.stage) };
                text.push_str(&format!("\n  {place}{}: {} -> {}", change.field, change.old, change.new));
            }
            text
        }
    }
}
