//! Names of jobs and of the tasks of job arrays.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Slurm's number of a job, or of a whole array.
pub type JobId = u64;

/// A task of a job array, or a job that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId {
    /// The array.
    pub job: JobId,
    /// The task's index; none for a job that is no array.
    pub task: Option<u32>,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(task) => write!(f, "{}_{task}", self.job),
            None => write!(f, "{}", self.job),
        }
    }
}

/// The tasks that one line of a list stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tasks {
    /// The job as a whole.
    All,
    /// These ranges of indices, ends included, with their steps.
    Some(Vec<(u32, u32, u32)>),
}

impl Tasks {
    /// Whether a task is among them.
    pub fn has(&self, task: Option<u32>) -> bool {
        match (self, task) {
            (Tasks::All, _) => true,
            (Tasks::Some(_), None) => false,
            (Tasks::Some(ranges), Some(task)) => ranges.iter().any(|&(first, last, step)| {
                (first..=last).contains(&task) && (task - first).is_multiple_of(step)
            }),
        }
    }
}

/// Reads `12`, `12_3`, `12_[3]`, `12_[1,4-7,9-15:2%3]`; also `12+0` and `12.batch`, which are parts of job 12. None if
/// it is anything else.
pub(super) fn parse(text: &str) -> Option<(JobId, Tasks)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let job: JobId = text[..digits].parse().ok()?;
    let Some(tasks) = text[digits..].strip_prefix('_') else {
        let is_part = text[digits..].starts_with(['+', '.']);
        return (digits == text.len() || is_part).then_some((job, Tasks::All));
    };
    let tasks = match tasks.strip_prefix('[') {
        Some(list) => list.strip_suffix(']')?,
        None => tasks.split(['.', '+']).next()?,
    };
    // `%2`: at most two at a time.
    let list = tasks.split('%').next()?;
    let ranges = list.split(',').map(range).collect::<Option<Vec<_>>>()?;
    Some((job, Tasks::Some(ranges)))
}

fn range(text: &str) -> Option<(u32, u32, u32)> {
    let (span, step) = text.split_once(':').unwrap_or((text, "1"));
    let (first, last) = span.split_once('-').unwrap_or((span, span));
    let step: u32 = step.parse().ok()?;
    (step > 0).then_some((first.parse().ok()?, last.parse().ok()?, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn tasks(text: &str) -> Vec<u32> {
        let (job, tasks) = parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(job, 12);
        (0..32).filter(|&task| tasks.has(Some(task))).collect()
    }

    #[test]
    fn every_notation_of_array_tasks_is_read() {
        assert_eq!(tasks("12_3"), [3]);
        assert_eq!(tasks("12_[3]"), [3]);
        assert_eq!(tasks("12_[3-7%2]"), [3, 4, 5, 6, 7]);
        assert_eq!(tasks("12_[1,4-6,9-15:3%3]"), [1, 4, 5, 6, 9, 12, 15]);
        assert_eq!(tasks("12_3.batch"), [3]);
        assert_eq!(parse("12"), Some((12, Tasks::All)));
        assert_eq!(parse("12.batch"), Some((12, Tasks::All)));
        assert_eq!(parse("12+0"), Some((12, Tasks::All)));
    }

    #[test]
    fn what_is_no_job_is_none() {
        for text in ["", "JOBID", "12_", "12_[", "12_[]", "12_x", "12x", "12_[1-2:0]", "_3", "12_[1,3..."] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_job_without_tasks_is_not_among_an_arrays() {
        assert!(Tasks::All.has(None) && !Tasks::Some(vec![(0, 9, 1)]).has(None));
    }

    #[test]
    fn ids_are_written_as_slurm_reads_them() {
        assert_eq!(TaskId { job: 12, task: Some(3) }.to_string(), "12_3");
        assert_eq!(TaskId { job: 12, task: None }.to_string(), "12");
    }
}
