//! `store verify`: every byte read again.

use super::{Scope, takes};
use crate::cli::args::Format;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{Output, bytes, count};
use crate::cli::store_args::{ArtifactFilter, PlanArgs};
use crate::store::{Damage, Entry, Finding, StoreError};
use rayon::prelude::*;
use serde_json::json;

/// An artifact that was looked at.
struct Checked {
    bytes: u64,
    finding: Option<Finding>,
}

/// Verifies the artifacts.
pub(super) fn verify(
    plans: &PlanArgs,
    filter: &ArtifactFilter,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let scope = Scope::new(plans)?;
    let keys = scope.keys();
    let mut entries = scope.store.entries_of(&filter.kind)?;
    entries.retain(|entry| keys.as_ref().is_none_or(|keys| keys.contains(&entry.key)));
    let checked: Result<Vec<Option<Checked>>, StoreError> = entries
        .par_iter()
        .map(|entry| {
            let manifest = entry.open(&scope.store).ok().map(|artifact| artifact.manifest);
            if !takes(filter, &entry.key, manifest.as_ref().map(|m| m.label.as_str())) {
                return Ok(None);
            }
            let bytes = manifest.map_or(0, |m| m.bytes());
            Ok(Some(Checked { bytes, finding: scope.store.verify(entry)? }))
        })
        .collect();
    let checked: Vec<_> = checked?.into_iter().flatten().collect();
    let (n, size) = (checked.len(), checked.iter().map(|checked| checked.bytes).sum::<u64>());
    let findings: Vec<Finding> = checked.into_iter().filter_map(|checked| checked.finding).collect();
    let is_clean = findings.is_empty();
    match format {
        Format::Json => {
            let whole = json!({ "artifacts": n, "bytes": size, "damaged": findings });
            output.data(serde_json::to_string_pretty(&whole).expect("plain data"));
        }
        Format::Table => {
            for Finding { entry: Entry { kind, key, .. }, problem, damage } in &findings {
                let done = match damage {
                    Damage::Quarantined(to) => format!("moved to {}", to.display()),
                    Damage::Reserved => "left alone: a process is computing it".to_owned(),
                    Damage::Gone => "replaced or removed meanwhile".to_owned(),
                };
                output.data(format!("{kind} {}: {problem}\n  {done}", key.short()));
            }
            let found = if is_clean { "all whole".to_owned() } else { format!("{} damaged", findings.len()) };
            output.news(format!("{}, {}: {found}", count(n, "artifact"), bytes(size)));
            if !is_clean {
                output.news("run again: what is missing now will be computed anew");
            }
        }
    }
    Ok(if is_clean { ExitCode::Done } else { ExitCode::Failed })
}
