//! Scores SQL predictions as the engine does, without a model.
//!
//! `cargo run --release -p tacq-tasks --example spider_score -- DATABASES < predictions.jsonl`
//!
//! DATABASES is Spider's folder `database/`, with DB_ID/DB_ID.sqlite in it. Each line of the input is an object with the
//! fields `db_id`, `prediction` (one line of a predictions file; give model output as `output` instead, to have its
//! first statement taken) and `query` (the gold query). Each line of the output has the fields `correct` and `note`,
//! or `error` where the prediction cannot be scored.

use serde::Deserialize;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use tacq_protocol::DataFile;
use tacq_tasks::sql::{Limits, Scorer, first_statement};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    db_id: String,
    prediction: Option<String>,
    output: Option<String>,
    query: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder =
        arguments.next().ok_or("say where the databases are: spider_score DATABASES < predictions.jsonl")?;
    let scorer = Scorer::open(&databases(Path::new(&folder))?, Limits::default())?;
    let (mut correct, mut wrong, mut failed) = (0, 0, 0);
    let mut out = std::io::stdout().lock();
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line: Line = serde_json::from_str(&line?).map_err(|error| format!("line {number}: {error}"))?;
        let prediction = match (line.prediction, line.output) {
            (Some(prediction), None) => prediction,
            (None, Some(output)) => first_statement(&output),
            _ => return Err(format!("line {number}: give either `prediction` or `output`").into()),
        };
        let said = match scorer.score(&line.db_id, &prediction, &line.query) {
            Ok(verdict) => {
                let count = if verdict.correct { &mut correct } else { &mut wrong };
                *count += 1;
                serde_json::json!({"correct": verdict.correct, "note": verdict.note})
            }
            Err(error) => {
                failed += 1;
                serde_json::json!({"error": error.to_string()})
            }
        };
        writeln!(out, "{said}")?;
    }
    eprintln!("{correct} of {} correct; {failed} could not be scored", correct + wrong);
    Ok(())
}

/// All DB_ID/DB_ID.sqlite of a folder.
fn databases(folder: &Path) -> Result<Vec<DataFile>, Box<dyn Error>> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        let Some(name) = folder.file_name().map(|db_id| format!("{}.sqlite", db_id.display())) else {
            continue;
        };
        let path = folder.join(&name);
        if path.is_file() {
            files.push(DataFile { name, path });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
