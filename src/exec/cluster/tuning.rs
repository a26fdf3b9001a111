//! What the end of a job means for its stage: done, another attempt under other conditions, or a failure.

use super::layout::{Ending, JobResult};
use crate::exec::worker::Failure;
use crate::slurm::{JobState, Resources, Row};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tacq_protocol::FailureKind;

/// Jobs of one stage that may be lost to nodes that fail.
const NODE_FAILURES: u32 = 3;
/// Jobs of one stage that may be preempted. Slurm requeues most by itself; this ends a site that never lets one finish.
const PREEMPTIONS: u32 = 100;
/// Jobs of one stage that may vanish without a trace, or never begin.
const LOSSES: u32 = 1;

const TIME_HINT: &str = "raise run.time, or run.kinds.KIND.time for this kind of stage";

/// What earlier jobs of a stage taught.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tuning {
    /// Memory was raised once.
    pub more_memory: bool,
    /// The time limit was raised once.
    pub more_time: bool,
    /// Nodes that failed.
    pub exclude: Vec<String>,
    pub node_failures: u32,
    pub preemptions: u32,
    pub losses: u32,
}

impl Tuning {
    /// What to ask for, given what the experiment says.
    pub fn apply(&self, resources: &Resources) -> Resources {
        let mut tuned = resources.clone();
        if self.more_memory {
            tuned.mem = resources.mem.map(|bytes| bytes.saturating_add(bytes / 2));
        }
        if self.more_time {
            tuned.time = resources.time.map(|limit| limit.saturating_mul(2));
        }
        tuned.exclude.extend(self.exclude.iter().cloned());
        tuned
    }
}

/// What is known about a job that has ended without an artifact.
pub(super) struct Ended<'a> {
    /// Slurm's name of it.
    pub id: String,
    /// Slurm's view; none if it has forgotten the job.
    pub row: Option<&'a Row>,
    /// The job's own view, if it left one.
    pub result: Option<&'a JobResult>,
    /// The last line of its log.
    pub last_words: String,
    /// Whether all that it reads is there.
    pub has_inputs: bool,
    /// What the experiment asks for.
    pub resources: &'a Resources,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Submit again, on these terms.
    Again(Tuning, Failure),
    /// It never began; what it reads comes first.
    NotYet,
    /// The stage failed.
    Failed(Failure),
}

/// Decides.
pub(super) fn judge(ended: &Ended<'_>, tuning: &Tuning) -> Verdict {
    let state = ended.row.map(|row| row.state);
    let reason = ended.row.map(|row| row.reason.as_str()).unwrap_or_default();
    let mut next = tuning.clone();
    match (state, ended.result.map(|result| &result.ending)) {
        (Some(JobState::OutOfMemory), _) => out_of_memory(ended, next),
        // It began too early: what it reads was thought to be done, or will be done again.
        (_, Some(Ending::MissingInput { .. })) if !ended.has_inputs => Verdict::NotYet,
        (_, Some(Ending::MissingInput { message })) => {
            next.losses += 1;
            let hint = "run again: what is missing will be computed";
            again(next.losses <= LOSSES, next, failure(ended, &format!("cannot begin: {message}"), hint))
        }
        (_, Some(Ending::OutOfTime)) => {
            timeout(ended, next, failure(ended, "reached its time limit and wrote no progress", TIME_HINT))
        }
        (_, Some(Ending::Failed { failure })) => Verdict::Failed(failure.clone()),
        (_, Some(Ending::Interrupted)) => Verdict::Again(
            next,
            failure(ended, "was stopped before its time limit and keeps its progress", ""),
        ),
        (Some(JobState::Cancelled), _) if !ended.has_inputs || reason.starts_with("Dependency") => {
            Verdict::NotYet
        }
        (Some(JobState::Cancelled), _) => {
            let hint = "somebody ended it with scancel; run again to submit it anew";
            Verdict::Failed(failure(ended, "was cancelled", hint))
        }
        (Some(JobState::Timeout), _) => {
            timeout(ended, next, failure(ended, "reached its time limit", TIME_HINT))
        }
        (Some(JobState::Preempted), _) => {
            next.preemptions += 1;
            let failure = failure(ended, "was preempted", "ask for a partition or QOS that is not");
            again(next.preemptions <= PREEMPTIONS, next, failure)
        }
        (Some(JobState::NodeFail), _) => node_failed(ended, next, "lost its node"),
        (Some(JobState::Failed), _) if reason == "JobLaunchFailure" => {
            node_failed(ended, next, "lost its node")
        }
        // Not even its log was begun, so that our program never was: a node's daemon that has just come back may lose the
        // job's folder, and a node that lacks a file system would swallow job after job.
        (Some(JobState::Failed), _) if ended.last_words.trim().is_empty() => {
            let what = "failed before it wrote a word";
            if next.losses < LOSSES {
                next.losses += 1;
                return Verdict::Again(next, failure(ended, what, "ask the site's administrators"));
            }
            node_failed(ended, next, what)
        }
        (Some(JobState::Failed), _) => {
            Verdict::Failed(failure(ended, "failed before it could say why", "see its log"))
        }
        // It may have been cancelled with what it depended on.
        (Some(JobState::Completed | JobState::Pending | JobState::Running) | None, _)
            if !ended.has_inputs =>
        {
            Verdict::NotYet
        }
        // Forgotten, or said to be done without a trace of it.
        (Some(JobState::Completed | JobState::Pending | JobState::Running) | None, _) => {
            next.losses += 1;
            let what = match state {
                Some(_) => "ended and left neither an artifact nor a result",
                None => "is no longer known to Slurm and left neither an artifact nor a result",
            };
            let hint = "is the store on a file system that all nodes share?";
            again(next.losses <= LOSSES, next, failure(ended, what, hint))
        }
    }
}

fn again(may: bool, next: Tuning, failure: Failure) -> Verdict {
    if may { Verdict::Again(next, failure) } else { Verdict::Failed(failure) }
}

fn out_of_memory(ended: &Ended<'_>, mut next: Tuning) -> Verdict {
    let hint = "raise run.mem, or run.kinds.KIND.mem for this kind of stage";
    let mut failure = failure(ended, "needed more memory than it asked for", hint);
    failure.kind = FailureKind::OutOfMemory;
    // Without a number, or with all of a node, there is nothing to raise.
    let may = !next.more_memory && ended.resources.mem.is_some_and(|bytes| bytes > 0);
    next.more_memory = true;
    again(may, next, failure)
}

fn timeout(ended: &Ended<'_>, mut next: Tuning, mut failure: Failure) -> Verdict {
    failure.kind = FailureKind::Timeout;
    let may = !next.more_time && ended.resources.time.is_some();
    next.more_time = true;
    again(may, next, failure)
}

fn node_failed(ended: &Ended<'_>, mut next: Tuning, what: &str) -> Verdict {
    next.node_failures += 1;
    let node = ended.row.and_then(|row| row.node.clone());
    let what = format!("{what}{}", node.as_ref().map(|n| format!(" (node {n})")).unwrap_or_default());
    if let Some(node) = node.filter(|node| !next.exclude.contains(node)) {
        next.exclude.push(node);
    }
    again(next.node_failures <= NODE_FAILURES, next, failure(ended, &what, "ask the site's administrators"))
}

fn failure(ended: &Ended<'_>, what: &str, hint: &str) -> Failure {
    let last = ended.last_words.trim();
    let last = if last.is_empty() { String::new() } else { format!("; its last words: {last}") };
    Failure {
        kind: FailureKind::Cluster,
        message: format!("Slurm job {} {what}{last}", ended.id),
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
    }
}

/// A time limit or memory was raised to this, for people.
pub(super) fn changes(before: &Tuning, after: &Tuning, resources: &Resources) -> Option<String> {
    let (old, new) = (before.apply(resources), after.apply(resources));
    let minutes = |limit: Option<Duration>| limit.map_or(0, |limit| limit.as_secs().div_ceil(60));
    if old.mem != new.mem {
        return Some(format!("with {} MiB of memory", new.mem.unwrap_or_default() >> 20));
    }
    if old.time != new.time {
        return Some(format!("with a limit of {} minutes", minutes(new.time)));
    }
    (old.exclude != new.exclude).then(|| format!("without the nodes {}", new.exclude.join(", ")))
}

#[cfg(test)]
mod tests;
