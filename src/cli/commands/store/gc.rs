//! `store gc`: removes what is not needed.

use super::Scope;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, bytes, count, duration};
use crate::cli::store_args::PlanArgs;
use crate::cli::table::Cells::{Names, Numbers, Words};
use crate::store::{Garbage, GcScope, Removal};
use serde_json::json;
use std::time::Duration;
use tacq_protocol::StageKind;

/// What was typed.
pub(super) struct Options<'a> {
    pub older_than: Option<Duration>,
    pub keep: &'a [StageKind],
    pub dry_run: bool,
}

/// Removes, or with `dry_run` lists, what is within the scope.
pub(super) fn gc(
    plans: &PlanArgs,
    options: &Options<'_>,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    if plans.files.is_empty() && options.older_than.is_none() {
        return Err(CliError::NoScope);
    }
    let scope = Scope::new(plans)?;
    let limits =
        GcScope { reachable: scope.keys(), older_than: options.older_than, keep: options.keep.to_vec() };
    let mut garbage = scope.store.garbage(&limits)?;
    garbage.sort_by(|a, b| (a.sort, a.kind, &a.label, a.key).cmp(&(b.sort, b.kind, &b.label, b.key)));
    let (mut gone, mut used, mut freed) = (0, 0, 0);
    if options.dry_run {
        (gone, freed) = (garbage.len(), garbage.iter().map(|g| g.bytes).sum());
    } else {
        let told = scope.store.collect(&garbage, &mut |item, removal| match removal {
            Removal::Removed { bytes } => {
                tracing::info!("removed {} {}", item.sort.name(), item.label);
                (gone, freed) = (gone + 1, freed + bytes);
            }
            Removal::Absent => {}
            Removal::Reserved | Removal::InUse => {
                tracing::info!("in use: {} {}", item.sort.name(), item.label);
                used += 1;
            }
        });
        told?;
    }
    if format == Format::Json {
        let whole = json!({
            "dry_run": options.dry_run,
            "garbage": garbage,
            "removed": if options.dry_run { 0 } else { gone },
            "in_use": used,
            "bytes": freed,
        });
        output.data(serde_json::to_string_pretty(&whole).expect("plain data"));
        return Ok(ExitCode::Done);
    }
    if options.dry_run && !garbage.is_empty() {
        output.data(listing(&garbage, output));
    }
    let verb = if options.dry_run { "would remove" } else { "removed" };
    let mut text = format!("{verb} {}, {}", count(gone, "item"), bytes(freed));
    if used > 0 {
        text.push_str(&format!("; {used} stay: running processes use them"));
    }
    output.news(text);
    Ok(ExitCode::Done)
}

fn listing(garbage: &[Garbage], output: &Output) -> String {
    let row = |g: &Garbage| {
        vec![
            g.sort.name().to_owned(),
            g.key.map_or_else(|| "-".to_owned(), |key| key.short()),
            bytes(g.bytes),
            duration(g.age_secs as f64),
            g.label.clone(),
        ]
    };
    let rows: Vec<_> = garbage.iter().map(row).collect();
    let headings = [("what", Words), ("key", Words), ("size", Numbers), ("age", Numbers), ("stage", Names)];
    output.table(&headings, &rows)
}
