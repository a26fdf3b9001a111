//! `store push` and `store pull`: what plans have, here and in the remote store.

use super::{Scope, takes};
use crate::cli::commands::Opened;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::cli::store_args::{ArtifactFilter, PlanArgs};
use crate::cli::transfer::{TransferLine, tell_fetched, tell_pushed};
use crate::exec::sharing::{Fetcher, PushReport, Transfer, fetch_results};
use crate::plan::{Stage, StageId};
use crate::store::remote::{Remote, RemoteError};
use crate::store::{Artifact, in_parallel};
use std::sync::{Mutex, PoisonError};
use tacq_protocol::StageKind;

/// Kinds whose artifacts are what people want of a sweep.
const RESULTS: [StageKind; 2] = [StageKind::Evaluate, StageKind::Command];

/// Artifacts under way together.
const AT_ONCE: usize = 8;

/// Pushes what the plans have here and the remote store lacks; with `check`, also looks at each file of what it has.
pub(super) fn push(
    plans: &PlanArgs,
    filter: &ArtifactFilter,
    check: bool,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let scope = Scope::new(plans)?;
    let mut is_clean = true;
    for opened in &scope.opened {
        let remote = remote_of(opened)?;
        if !remote.is_writable() {
            return Err(RemoteError::ReadOnly { place: remote.place() }.into());
        }
        let report = push_one(opened, remote, filter, check)?;
        tell_pushed(&report, &remote.place(), output);
        if report.pushed == 0 && report.failed.is_empty() {
            output.news(format!("{}: {} has all of it", opened.file.display(), remote.place()));
        }
        is_clean &= report.differ.is_empty() && report.failed.is_empty();
    }
    Ok(if is_clean { ExitCode::Done } else { ExitCode::Failed })
}

fn push_one(
    opened: &Opened,
    remote: &Remote,
    filter: &ArtifactFilter,
    check: bool,
) -> Result<PushReport, CliError> {
    let stages = opened.plan.stages.iter().filter(|stage| {
        let is_meant = match filter.kind.as_slice() {
            [] => remote.pushes(stage.kind()),
            kinds => kinds.contains(&stage.kind()) && stage.kind() != StageKind::Download,
        };
        is_meant && stage.key().is_some_and(|key| takes(filter, key, Some(&stage.label)))
    });
    let mut here: Vec<(&Stage, Artifact)> = Vec::new();
    for stage in stages {
        if let Some(key) = stage.key()
            && let Some(artifact) = opened.store.get(stage.kind(), key)?
        {
            here.push((stage, artifact));
        }
    }
    if !check {
        let asked: Vec<_> =
            here.iter().map(|(stage, artifact)| (stage.kind(), artifact.manifest.key)).collect();
        let there = remote.present(&asked)?;
        for (stage, artifact) in &here {
            if there.contains(&artifact.manifest.key) {
                opened.store.note_pushed(stage.kind(), &artifact.manifest.key)?;
            }
        }
        here.retain(|(_, artifact)| !there.contains(&artifact.manifest.key));
    }
    let line = TransferLine::new("pushing");
    let progress = Mutex::new(Transfer { of: here.len(), ..Transfer::default() });
    let ended = in_parallel(AT_ONCE, &here, |(_, artifact)| {
        let pushed = remote.push(artifact);
        let mut now = progress.lock().unwrap_or_else(PoisonError::into_inner);
        now.artifacts += 1;
        now.bytes += artifact.manifest.bytes();
        line.show(*now);
        pushed
    });
    drop(line);
    let mut report = PushReport::default();
    for ((stage, artifact), pushed) in here.iter().zip(ended) {
        match pushed {
            Ok(pushed) => {
                report.note(&stage.label, &artifact.manifest.key, pushed);
                opened.store.note_pushed(stage.kind(), &artifact.manifest.key)?;
            }
            Err(error @ RemoteError::LocalDamage { .. }) => {
                report.failed.push((stage.label.clone(), error.to_string()));
            }
            // A server that cannot be reached is one error, not one for each artifact.
            Err(error) => return Err(error.into()),
        }
    }
    push_summaries(opened, remote)?;
    Ok(report)
}

/// What tables need of checkpoints, wherever these are.
fn push_summaries(opened: &Opened, remote: &Remote) -> Result<(), CliError> {
    let checkpoints: std::collections::BTreeSet<StageId> =
        opened.plan.trials.iter().filter_map(|trial| trial.checkpoint).collect();
    let keyed = |id: StageId| {
        let stage = &opened.plan.stages[id];
        Some((stage.kind(), *stage.key()?))
    };
    let keyed: Vec<_> = checkpoints.into_iter().filter_map(keyed).collect();
    let ended = in_parallel(AT_ONCE, &keyed, |(kind, key)| remote.push_summary(&opened.store, *kind, key));
    Ok(ended.into_iter().collect::<Result<(), _>>()?)
}

/// Fetches what the plans lack here and the remote store has.
pub(super) fn pull(
    plans: &PlanArgs,
    filter: &ArtifactFilter,
    results: bool,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let scope = Scope::new(plans)?;
    let mut is_clean = true;
    for opened in &scope.opened {
        let remote = remote_of(opened)?;
        let Opened { plan, store, .. } = opened;
        let is_meant = |stage: &Stage| {
            let kind = stage.kind();
            let is_kind = if results { RESULTS.contains(&kind) } else { filter.kind.is_empty() };
            (is_kind || filter.kind.contains(&kind))
                && stage.key().is_some_and(|key| takes(filter, key, Some(&stage.label)))
        };
        let ids: Vec<StageId> = (0..plan.stages.len()).filter(|&id| is_meant(&plan.stages[id])).collect();
        let line = TransferLine::new("fetching");
        let watch = |now| line.show(now);
        let fetcher = Fetcher { plan, store, remote, watch: &watch, stop: &|| false };
        let report = fetch_results(&fetcher, &ids)?;
        drop(line);
        tell_fetched(&report, &remote.place(), output);
        if report.fetched == 0 && report.missed.is_empty() {
            output.news(format!("{}: nothing more to fetch from {}", opened.file.display(), remote.place()));
        }
        is_clean &= report.missed.is_empty();
    }
    Ok(if is_clean { ExitCode::Done } else { ExitCode::Failed })
}

fn remote_of(opened: &Opened) -> Result<&Remote, CliError> {
    let missing = || CliError::NoRemote { file: opened.file.clone() };
    opened.remote.as_deref().ok_or_else(missing)
}
