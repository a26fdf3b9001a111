//! `store ls`: one line per artifact.

use super::{Scope, takes};
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, bytes, count, duration};
use crate::cli::store_args::{ArtifactFilter, PlanArgs};
use crate::cli::table::Cells::{Names, Numbers, Words};
use crate::stage_key::StageKey;
use crate::store::{Entry, Store, StoreError};
use rayon::prelude::*;
use serde::Serialize;
use std::path::PathBuf;
use tacq_protocol::StageKind;

/// An artifact as it is listed.
#[derive(Serialize)]
struct Row {
    kind: StageKind,
    key: StageKey,
    label: Option<String>,
    bytes: Option<u64>,
    age_secs: u64,
    wall_secs: Option<f64>,
    host: Option<String>,
    dir: PathBuf,
    /// What is wrong with it, as far as sizes tell.
    problem: Option<String>,
}

/// Lists the artifacts.
pub(super) fn ls(
    plans: &PlanArgs,
    filter: &ArtifactFilter,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let scope = Scope::new(plans)?;
    let (keys, labels) = (scope.keys(), scope.labels());
    let entries = scope.store.entries_of(&filter.kind)?;
    let entries =
        entries.into_par_iter().filter(|entry| keys.as_ref().is_none_or(|keys| keys.contains(&entry.key)));
    let rows: Result<Vec<Row>, StoreError> = entries
        .map(|entry| row(&scope.store, entry, |key| labels.get(key).map(|l| (*l).to_owned())))
        .collect();
    let mut rows = rows?;
    rows.retain(|row| takes(filter, &row.key, row.label.as_deref()));
    rows.sort_by(|a, b| (a.kind, &a.label, a.key).cmp(&(b.kind, &b.label, b.key)));
    if format == Format::Json {
        output.data(serde_json::to_string_pretty(&rows).expect("plain data"));
        return Ok(ExitCode::Done);
    }
    let cells = |row: &Row| {
        let label = row.label.clone().unwrap_or_default();
        vec![
            row.kind.name().to_owned(),
            row.key.short(),
            row.bytes.map_or_else(|| "-".to_owned(), bytes),
            duration(row.age_secs as f64),
            row.wall_secs.map_or_else(|| "-".to_owned(), duration),
            row.problem.as_ref().map_or(label, |problem| format!("DAMAGED: {problem}")),
        ]
    };
    let lines: Vec<Vec<String>> = rows.iter().map(cells).collect();
    if !lines.is_empty() {
        let headings = [
            ("kind", Words),
            ("key", Words),
            ("size", Numbers),
            ("age", Numbers),
            ("took", Numbers),
            ("stage", Names),
        ];
        output.data(output.table(&headings, &lines));
    }
    let sum = rows.iter().filter_map(|row| row.bytes).sum();
    output.news(format!(
        "{}, {} in {}",
        count(rows.len(), "artifact"),
        bytes(sum),
        scope.store.root().display()
    ));
    Ok(ExitCode::Done)
}

fn row(
    store: &Store,
    entry: Entry,
    label_in_plan: impl Fn(&StageKey) -> Option<String>,
) -> Result<Row, StoreError> {
    let opened = entry.open(store);
    let age_secs = entry.age().as_secs();
    let label = label_in_plan(&entry.key);
    let Entry { kind, key, dir } = entry;
    match opened {
        Ok(artifact) => {
            let execution = &artifact.manifest.execution;
            Ok(Row {
                bytes: Some(artifact.manifest.bytes()),
                wall_secs: Some(execution.engine.wall_secs),
                host: Some(execution.host.clone()),
                label: label.or(Some(artifact.manifest.label)),
                problem: None,
                kind,
                key,
                age_secs,
                dir,
            })
        }
        Err(StoreError::Damaged { problem, .. }) => Ok(Row {
            bytes: None,
            wall_secs: None,
            host: None,
            problem: Some(problem),
            label,
            kind,
            key,
            age_secs,
            dir,
        }),
        Err(other) => Err(other),
    }
}
