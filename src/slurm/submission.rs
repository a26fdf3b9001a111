//! What a job asks for, and the command line that says so.

use super::ids::TaskId;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Seconds before its time limit at which a job is told to write its progress.
const WARNING_SECS: u64 = 120;

/// What a job asks for. What is not said is left to the site's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// `--partition`
    pub partition: Option<String>,
    /// `--account`
    pub account: Option<String>,
    /// `--qos`
    pub qos: Option<String>,
    /// `--gres`, such as `gpu:1`
    pub gres: Option<String>,
    /// `--time`
    pub time: Option<Duration>,
    /// `--mem`: bytes of a node's memory; 0 is all of it.
    pub mem: Option<u64>,
    /// `--cpus-per-task`
    pub cpus: Option<u32>,
    /// `--constraint`
    pub constraint: Option<String>,
    /// `--exclude`: nodes.
    pub exclude: Vec<String>,
    /// Other options of sbatch, as they are typed; they win over those above.
    pub extra: Vec<String>,
}

impl Resources {
    /// Seconds before the time limit at which the job is warned: two minutes, or a quarter of a short limit. Slurm may
    /// be a minute early.
    fn warning_secs(&self) -> u64 {
        self.time.map_or(WARNING_SECS, |limit| (limit.as_secs() / 4).clamp(1, WARNING_SECS))
    }

    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let texts = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("gres", &self.gres),
            ("constraint", &self.constraint),
        ];
        for (name, value) in texts {
            options.extend(value.iter().map(|value| format!("--{name}={value}")));
        }
        if let Some(limit) = self.time {
            // Whole minutes are all that Slurm keeps.
            options.push(format!("--time={}", limit.as_secs().div_ceil(60).max(1)));
        }
        if let Some(bytes) = self.mem {
            options.push(format!("--mem={}M", bytes.div_ceil(1 << 20)));
        }
        options.extend(self.cpus.map(|n| format!("--cpus-per-task={n}")));
        if !self.exclude.is_empty() {
            options.push(format!("--exclude={}", self.exclude.join(",")));
        }
        options
    }
}

/// An array to submit.
#[derive(Debug)]
pub struct Submission<'a> {
    /// Unique, so that the job can be found again when the answer to sbatch was lost.
    pub name: &'a str,
    /// For people who look at the queue.
    pub comment: &'a str,
    /// Tasks, numbered from zero; none submits a plain job.
    pub tasks: Option<u32>,
    /// What it asks for.
    pub resources: &'a Resources,
    /// Tasks that must end with success before any of these begins.
    pub after: &'a [TaskId],
    /// A folder on the shared file system, where it runs.
    pub dir: &'a Path,
    /// The file of what it says, with Slurm's patterns: `%a` is the task.
    pub log: &'a Path,
    /// The batch script.
    pub script: &'a str,
}

impl Submission<'_> {
    /// The arguments of sbatch; the script goes to its standard input.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--parsable".to_owned(),
            format!("--job-name={}", self.name),
            format!("--comment={}", self.comment),
            format!("--chdir={}", self.dir.display()),
            format!("--output={}", self.log.display()),
            // A job that is requeued must not lose what it said before.
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            // The engine may need the user's environment: library paths, HF_HOME, modules that were loaded.
            "--export=ALL".to_owned(),
            // `B:` means the batch script, which becomes our program by `exec`.
            format!("--signal=B:USR1@{}", self.resources.warning_secs()),
        ];
        if let Some(tasks) = self.tasks {
            arguments.push(format!("--array=0-{}", tasks.saturating_sub(1)));
        }
        if !self.after.is_empty() {
            let ids: Vec<String> = self.after.iter().map(ToString::to_string).collect();
            arguments.push(format!("--dependency=afterok:{}", ids.join(":")));
            arguments.push("--kill-on-invalid-dep=yes".to_owned());
        }
        arguments.extend(self.resources.options());
        arguments.extend(self.resources.extra.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission<'a>(resources: &'a Resources, after: &'a [TaskId]) -> Submission<'a> {
        let (dir, log) = (Path::new("/s"), Path::new("/s/%a.log"));
        Submission { name: "n", comment: "c", tasks: Some(5), resources, after, dir, log, script: "" }
    }

    #[test]
    fn what_is_asked_for_becomes_options_and_extra_comes_last() {
        let resources = Resources {
            partition: Some("gpu".into()),
            gres: Some("gpu:1".into()),
            time: Some(Duration::from_secs(3601)),
            mem: Some(16 << 30),
            cpus: Some(8),
            exclude: vec!["n1".into(), "n2".into()],
            extra: vec!["--nice=100".into()],
            ..Resources::default()
        };
        let after = [TaskId { job: 7, task: Some(1) }, TaskId { job: 8, task: None }];
        let arguments = submission(&resources, &after).arguments();
        for expected in [
            "--partition=gpu",
            "--gres=gpu:1",
            "--time=61",
            "--mem=16384M",
            "--cpus-per-task=8",
            "--exclude=n1,n2",
            "--array=0-4",
            "--dependency=afterok:7_1:8",
            "--kill-on-invalid-dep=yes",
            "--signal=B:USR1@120",
        ] {
            assert!(arguments.iter().any(|a| a == expected), "{expected} in {arguments:?}");
        }
        assert_eq!(arguments.last().unwrap(), "--nice=100");
    }

    #[test]
    fn what_is_not_asked_for_is_left_to_the_site() {
        let resources = Resources::default();
        let text = submission(&resources, &[]).arguments().join(" ");
        for absent in ["--time", "--mem", "--partition", "--dependency", "--exclude", "--cpus"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }

    #[test]
    fn a_short_limit_leaves_most_of_itself_for_work() {
        let minutes = |n: u64| Resources { time: Some(Duration::from_secs(60 * n)), ..Resources::default() };
        assert_eq!([1, 4, 8, 600].map(|n| minutes(n).warning_secs()), [15, 60, 120, 120]);
    }
}
