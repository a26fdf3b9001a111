//! The questions that are put to Slurm.

use super::SlurmError;
use super::command::{Finished, Program, Runner};
use super::ids::{JobId, TaskId};
use super::listing::Listing;
use super::submission::Submission;
use std::time::Duration;

/// Jobs that one scancel is given.
const CANCELLED_TOGETHER: usize = 100;

/// MaxArraySize where the configuration does not say.
const USUAL_ARRAY: u32 = 1001;

/// What Slurm's clients say when no controller answers, or when one is too busy to: asking again later may help.
const OUTAGES: [&str; 12] = [
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "connection timed out",
    "communication connection failure",
    "zero bytes were transmitted",
    "transport endpoint",
    "standby mode",
    "resource temporarily unavailable",
    "slurmdbd",
    "unable to establish control machine address",
    "slurm temporarily unable to accept job",
];

/// What the site allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tasks of one array: its indices stay below this. 0 means that there are no arrays.
    pub array: u32,
    /// Whether ended jobs can be looked up in the accounting.
    pub accounting: bool,
}

/// Slurm, as this user sees it.
pub struct Slurm {
    runner: Box<dyn Runner>,
}

impl std::fmt::Debug for Slurm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slurm")
    }
}

impl Default for Slurm {
    fn default() -> Self {
        Self::new(Box::new(Program))
    }
}

impl Slurm {
    /// Slurm through this runner.
    pub fn new(runner: Box<dyn Runner>) -> Self {
        Self { runner }
    }

    fn ask(&mut self, program: &str, arguments: &[String], stdin: &str) -> Result<String, SlurmError> {
        let finished = self.runner.run(program, arguments, stdin)?;
        match finished.success {
            true => Ok(finished.stdout),
            false => Err(why(program, &finished)),
        }
    }

    /// What the site allows.
    pub fn limits(&mut self) -> Result<Limits, SlurmError> {
        let text = self.ask("scontrol", &["show".to_owned(), "config".to_owned()], "")?;
        let value = |key: &str| {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            lines.map(|(k, v)| (k.trim(), v.trim())).find(|(k, _)| *k == key).map(|(_, v)| v)
        };
        let array = value("MaxArraySize").and_then(|n| n.parse().ok()).unwrap_or(USUAL_ARRAY);
        let accounting = value("AccountingStorageType").is_some_and(|kind| !kind.ends_with("/none"));
        Ok(Limits { array, accounting })
    }

    /// Submits; returns the job's number.
    pub fn submit(&mut self, submission: &Submission<'_>) -> Result<JobId, SlurmError> {
        let text = self.ask("sbatch", &submission.arguments(), submission.script)?;
        // `12`, or `12;cluster`; a site's plugin may print lines of its own before.
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let number = last.split(';').next().unwrap_or_default();
        number
            .parse()
            .map_err(|_| SlurmError::Garbled { program: "sbatch".to_owned(), output: excerpt(&text) })
    }

    /// This user's jobs, those that ended a few minutes ago included.
    pub fn queue(&mut self) -> Result<Listing, SlurmError> {
        let arguments = ["--me", "--noheader", "--states=all", "--format=%i|%T|%j|%r|%N"].map(str::to_owned);
        Ok(Listing::parse(&self.ask("squeue", &arguments, "")?))
    }

    /// These jobs in the accounting, however long they have ended, if they were submitted within that time: without it
    /// sacct knows nothing from before midnight.
    pub fn history(&mut self, jobs: &[JobId], age: Duration) -> Result<Listing, SlurmError> {
        let ids: Vec<String> = jobs.iter().map(ToString::to_string).collect();
        let arguments = [
            "--allocations".to_owned(),
            "--parsable2".to_owned(),
            "--noheader".to_owned(),
            format!("--jobs={}", ids.join(",")),
            format!("--starttime=now-{}seconds", age.as_secs()),
            "--format=JobID,State,JobName,Reason,NodeList".to_owned(),
        ];
        Ok(Listing::parse(&self.ask("sacct", &arguments, "")?))
    }

    /// Cancels tasks, a hundred at a time. What has ended already is no error.
    pub fn cancel(&mut self, tasks: &[TaskId]) -> Result<(), SlurmError> {
        let mut problem = None;
        for chunk in tasks.chunks(CANCELLED_TOGETHER) {
            let ids: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            // The others are cancelled all the same.
            if let Err(error) = self.ask("scancel", &ids, "") {
                problem.get_or_insert(error);
            }
        }
        problem.map_or(Ok(()), Err)
    }

    /// Puts a job back into the queue; ends it if it runs. Its owner may.
    pub fn requeue(&mut self, task: TaskId) -> Result<(), SlurmError> {
        self.ask("scontrol", &["requeue".to_owned(), task.to_string()], "").map(drop)
    }
}

/// What a program that ended with an error means.
fn why(program: &str, finished: &Finished) -> SlurmError {
    let said = if finished.stderr.trim().is_empty() { &finished.stdout } else { &finished.stderr };
    let (program, message) = (program.to_owned(), excerpt(said));
    let lower = said.to_lowercase();
    match OUTAGES.iter().any(|words| lower.contains(words)) {
        true => SlurmError::Unreachable { program, message },
        false => SlurmError::Refused { program, message },
    }
}

/// One line of at most 300 characters.
fn excerpt(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ").chars().take(300).collect()
}

#[cfg(test)]
mod tests;
