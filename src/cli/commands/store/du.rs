//! `store du`: what takes up how much.

use super::Scope;
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, bytes};
use crate::cli::store_args::PlanArgs;
use crate::cli::table::Cells::{Numbers, Words};
use crate::store::{GcScope, Sort};
use serde_json::json;
use std::collections::BTreeMap;
use tacq_protocol::StageKind;

/// Shows usage, and what `gc` with the same files would free.
pub(super) fn du(plans: &PlanArgs, format: Format, output: &Output) -> Result<ExitCode, CliError> {
    let scope = Scope::new(plans)?;
    let has_plan = !scope.opened.is_empty();
    // Without a plan, nobody can tell which artifacts are needed: all.
    let keep = if has_plan { Vec::new() } else { StageKind::ALL.to_vec() };
    let garbage = scope.store.garbage(&GcScope { reachable: scope.keys(), older_than: None, keep })?;
    let mut free: BTreeMap<&str, u64> = BTreeMap::new();
    for item in &garbage {
        let name = match (item.sort, item.kind) {
            (Sort::Artifact, Some(kind)) => kind.name(),
            (Sort::Run, _) => "runs",
            (Sort::Summary, _) => "summaries",
            (sort, _) => sort.name(),
        };
        *free.entry(name).or_default() += item.bytes;
    }
    let usage = scope.store.usage()?;
    let free_of = |name: &str| free.get(name).copied().unwrap_or(0);
    if format == Format::Json {
        let rows: Vec<_> = usage
            .iter()
            .map(|u| json!({ "name": u.name, "count": u.count, "bytes": u.bytes, "reclaimable": free_of(u.name) }))
            .collect();
        output.data(serde_json::to_string_pretty(&rows).expect("plain data"));
        return Ok(ExitCode::Done);
    }
    let row = |name: &str, n: usize, size: u64, free: u64| {
        vec![name.to_owned(), n.to_string(), bytes(size), bytes(free)]
    };
    let mut rows: Vec<_> = usage
        .iter()
        .filter(|u| u.count > 0)
        .map(|u| row(u.name, u.count, u.bytes, free_of(u.name)))
        .collect();
    let (size, free) = (usage.iter().map(|u| u.bytes).sum(), free.values().sum());
    rows.push(row("all", usage.iter().map(|u| u.count).sum(), size, free));
    let headings = [("what", Words), ("count", Numbers), ("size", Numbers), ("reclaimable", Numbers)];
    output.data(output.table(&headings, &rows));
    if free > 0 || !has_plan {
        let files: String = plans.files.iter().map(|file| format!(" {}", file.display())).collect();
        output.news(match has_plan {
            true => format!("free it with: tacq-sweep store gc{files}"),
            false => "with experiment files: also what none of their plans needs".to_owned(),
        });
    }
    Ok(ExitCode::Done)
}
