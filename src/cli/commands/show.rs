//! `show`: all that is known of a stage, or of a trial's stages.

mod figures;

use self::figures::Figures;
use super::Opened;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::cli::select;
use crate::fsx;
use crate::plan::StageId;
use crate::store::StoreError;
use serde_json::{Map, Value, json};
use tacq_protocol::artifact::file;

/// Shows the stages that the target names.
pub(super) fn show(
    opened: &Opened,
    target: &str,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let mut all = Vec::new();
    for id in select::stages(&opened.plan, "target", target, &opened.file)? {
        all.push((describe(opened, id)?, Figures::of(opened, id)?));
    }
    match format {
        Format::Json => {
            let all: Vec<_> = all.into_iter().map(|(facts, figures)| figures.join(facts)).collect();
            output.data(serde_json::to_string_pretty(&all).expect("plain data"));
        }
        Format::Table => {
            for (stage, figures) in &all {
                let mut text = String::new();
                lines(stage, 0, &mut text);
                text.extend(figures.lines(output).iter().map(|line| format!("{line}\n")));
                output.data(text);
            }
        }
    }
    Ok(ExitCode::Done)
}

fn describe(opened: &Opened, id: StageId) -> Result<Map<String, Value>, StoreError> {
    let stage = &opened.plan.stages[id];
    let mut inputs = Map::new();
    for (role, &input) in &stage.inputs {
        let input = &opened.plan.stages[input];
        let key = input.key().map_or_else(|| "-".to_owned(), |k| k.short());
        inputs.insert(role.to_string(), json!(format!("{key} {}", input.label)));
    }
    let params = serde_json::to_value(&stage.params).expect("stage parameters serialize without error");
    let mut shown = Map::new();
    shown.insert("stage".to_owned(), json!(stage.label));
    shown.insert("kind".to_owned(), json!(format!("{} (version {})", stage.kind(), stage.kind().version())));
    shown.insert("key".to_owned(), json!(stage.key()));
    shown.insert("params".to_owned(), params["params"].clone());
    shown.insert("inputs".to_owned(), Value::Object(inputs));
    let local = stage.source.as_ref().map(|s| s.path.display().to_string());
    let source = local.or_else(|| stage.remote.as_ref().map(ToString::to_string));
    shown.insert("source".to_owned(), json!(source));
    let Some(key) = stage.key() else { return Ok(shown) };
    let Some(artifact) = opened.store.get(stage.kind(), key)? else { return Ok(shown) };
    shown.insert("artifact".to_owned(), json!(artifact.dir));
    for (name, at) in [(file::METRICS, "result"), (file::CHECKPOINT_SUMMARY, "size")] {
        if artifact.manifest.files.iter().any(|f| f.path == name) {
            shown.insert(at.to_owned(), artifact.read_json(name)?);
        }
    }
    let execution = &artifact.manifest.execution;
    if let Some(run) = &execution.run {
        let request = run.join("requests").join(format!("{}-{}.json", stage.kind(), key.short()));
        if fsx::exists(&request) {
            shown.insert("reproduce".to_owned(), json!(format!("tacq-engine run {}", request.display())));
        }
    }
    shown.insert("execution".to_owned(), json!(execution));
    Ok(shown)
}

/// A JSON object as indented `key: value` lines.
fn lines(map: &Map<String, Value>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for (key, item) in map {
        match item {
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Object(inner) => {
                text.push_str(&format!("{indent}{key}:\n"));
                lines(inner, depth + 1, text);
            }
            Value::Array(items) => {
                text.push_str(&format!("{indent}{key}:\n"));
                for item in items {
                    text.push_str(&format!("{indent}  - {item}\n"));
                }
            }
            Value::String(s) => text.push_str(&format!("{indent}{key}: {s}\n")),
            other => text.push_str(&format!("{indent}{key}: {other}\n")),
        }
    }
}
