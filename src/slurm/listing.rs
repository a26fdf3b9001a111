//! Lists of jobs, from squeue or sacct.

use super::ids::{self, JobId, TaskId, Tasks};
use super::state::JobState;
use std::collections::BTreeMap;

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which tasks of the job it is about.
    pub tasks: Tasks,
    /// Their state.
    pub state: JobState,
    /// The job's name.
    pub name: String,
    /// Why it waits or ended; Slurm's word.
    pub reason: String,
    /// Where it runs or ran, if anywhere.
    pub node: Option<String>,
}

/// What Slurm knows of a user's jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    rows: BTreeMap<JobId, Vec<Row>>,
}

impl Listing {
    /// Reads lines of `id|state|name|reason|nodes`; lines about steps and lines that are none are left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        for line in text.lines() {
            let mut cells = line.split('|').map(str::trim);
            let Some(id) = cells.next().filter(|id| !id.contains('.')) else { continue };
            let Some((job, tasks)) = ids::parse(id) else { continue };
            let Some(state) = cells.next() else { continue };
            let mut cell = || cells.next().unwrap_or_default().to_owned();
            let (name, reason, node) = (cell(), cell(), cell());
            let node = Some(node).filter(|n| !n.is_empty() && *n != "None assigned" && *n != "(null)");
            let row = Row { tasks, state: JobState::parse(state), name, reason, node };
            listing.rows.entry(job).or_default().push(row);
        }
        listing
    }

    /// What is known of a task of a job of this name. After a requeue old lines remain: one that says that it is alive
    /// counts, else the last. A controller that lost its memory gives numbers to other jobs: these have other names.
    pub fn of(&self, id: TaskId, name: &str) -> Option<&Row> {
        let rows = self.rows.get(&id.job)?;
        let about = || rows.iter().filter(|row| row.tasks.has(id.task) && row.name == name);
        about().find(|row| !row.state.is_over()).or_else(|| about().next_back())
    }

    /// The job of a name.
    pub fn named(&self, name: &str) -> Option<JobId> {
        self.rows.iter().rev().find(|(_, rows)| rows.iter().any(|row| row.name == name)).map(|(&job, _)| job)
    }

    /// Adds what another list knows of jobs that this one does not know.
    pub fn complete_with(&mut self, other: Listing) {
        for (job, rows) in other.rows {
            self.rows.entry(job).or_insert(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(job: JobId, task: u32) -> TaskId {
        TaskId { job, task: Some(task) }
    }

    /// As Slurm 22.05 prints it for `squeue --states=all -o "%i|%T|%j|%r|%N"`.
    const SQUEUE: &str = "\
1_1|CANCELLED|tacq-abc|BeginTime|
3_[0-5%2]|CANCELLED|wrap|DependencyNeverSatisfied|
2|CANCELLED|wrap|Dependency|
1_0|RUNNING|tacq-abc|None|tacq1
";

    #[test]
    fn tasks_are_found_alone_in_groups_and_in_whole_jobs() {
        let listing = Listing::parse(SQUEUE);
        let state = |id, name| listing.of(id, name).map(|row| row.state);
        assert_eq!(state(task(1, 0), "tacq-abc"), Some(JobState::Running));
        assert_eq!(state(task(1, 1), "tacq-abc"), Some(JobState::Cancelled));
        assert_eq!(state(task(2, 0), "wrap"), Some(JobState::Cancelled));
        assert_eq!(listing.of(task(3, 5), "wrap").unwrap().reason, "DependencyNeverSatisfied");
        assert_eq!(
            (state(task(3, 6), "wrap"), state(task(9, 0), "wrap"), state(task(1, 0), "wrap")),
            (None, None, None)
        );
        assert_eq!(listing.of(task(1, 0), "tacq-abc").unwrap().node.as_deref(), Some("tacq1"));
        assert_eq!(listing.of(task(1, 1), "tacq-abc").unwrap().node, None);
        assert_eq!((listing.named("tacq-abc"), listing.named("tacq-ab")), (Some(1), None));
    }

    #[test]
    fn an_old_line_of_a_requeued_job_does_not_count() {
        let sacct = "7_0|PREEMPTED|tacq|None|n1\n7_0|RUNNING|tacq|None|n2\n7_0|NODE_FAIL|tacq|None|n3\n";
        assert_eq!(Listing::parse(sacct).of(task(7, 0), "tacq").unwrap().node.as_deref(), Some("n2"));
        let ended = "7_0|PREEMPTED|tacq|None|n1\n7_0|COMPLETED|tacq|None|n2\n";
        assert_eq!(Listing::parse(ended).of(task(7, 0), "tacq").unwrap().state, JobState::Completed);
    }

    #[test]
    fn steps_and_noise_are_left_out() {
        let text = "7_0.batch|FAILED|batch||n1\nslurm_load_jobs error: noise\n\n7_0|COMPLETED|tacq|None|None assigned\n";
        let listing = Listing::parse(text);
        let row = listing.of(task(7, 0), "tacq").unwrap();
        assert_eq!((row.state, row.node.as_deref()), (JobState::Completed, None));
    }

    #[test]
    fn a_second_list_adds_only_what_is_missing() {
        let mut listing = Listing::parse("7_0|RUNNING|a||n1\n");
        listing.complete_with(Listing::parse("7_0|PREEMPTED|a||n1\n8_0|COMPLETED|b||n1\n"));
        assert_eq!(listing.of(task(7, 0), "a").unwrap().state, JobState::Running);
        assert_eq!(listing.of(task(8, 0), "b").unwrap().state, JobState::Completed);
    }
}
