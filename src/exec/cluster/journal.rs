//! What was submitted and what became of it, written before and after each step, so that a driver that is killed at
//! any moment leaves no job that the next one does not know.

use super::layout::RunDir;
use super::tuning::Tuning;
use crate::fsx::{self, FsError};
use crate::slurm::{JobId, Resources, TaskId};
use crate::stage_key::StageKey;
use serde::{Deserialize, Serialize};
use std::io::Write;
use tacq_protocol::StageKind;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum Entry {
    /// Whose jobs these are.
    Opened { experiment: String, unix: u64 },
    /// Before sbatch.
    Intent(Box<Intent>),
    /// After sbatch.
    Submitted { array: u32, job: JobId },
    /// It did not come to be.
    Dropped { array: u32 },
    /// A task's end was accounted for, otherwise than by its artifact.
    Settled { array: u32, task: u32, how: String },
}

/// What is about to be submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// Its number in the run.
    pub array: u32,
    /// Slurm's name of it, unique.
    pub name: String,
    /// Seconds since 1970.
    pub unix: u64,
    /// What the stages are.
    pub kind: StageKind,
    /// Whether it is an array; a site without arrays gets single jobs.
    pub is_array: bool,
    /// What was asked for.
    pub resources: Resources,
    /// How that came about.
    pub tuning: Tuning,
    /// The stages, in the order of tasks.
    pub tasks: Vec<TaskEntry>,
}

/// A stage of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TaskEntry {
    pub key: StageKey,
    pub label: String,
}

/// A submitted array, as its journal says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub intent: Intent,
    /// Slurm's number; none if it is not known whether sbatch succeeded.
    pub job: Option<JobId>,
    /// Tasks that were accounted for.
    pub settled: Vec<bool>,
}

impl Array {
    pub fn new(intent: Intent) -> Self {
        let settled = vec![false; intent.tasks.len()];
        Self { intent, job: None, settled }
    }

    /// Slurm's name of a task, if the job's number is known.
    pub fn id(&self, task: u32) -> Option<TaskId> {
        self.job.map(|job| TaskId { job, task: self.intent.is_array.then_some(task) })
    }
}

/// The journal of one driver's jobs.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub dir: RunDir,
}

impl Journal {
    /// A new journal.
    pub fn create(dir: RunDir, experiment: &str, unix: u64) -> Result<Self, FsError> {
        fsx::create_dir_all(&dir.0)?;
        let journal = Self { dir };
        journal.append(&Entry::Opened { experiment: experiment.to_owned(), unix })?;
        // The folder's own entry, so that the journal is found after a crash of the machine.
        fsx::sync(&journal.dir.0)?;
        Ok(journal)
    }

    /// Before sbatch.
    pub fn intend(&self, intent: &Intent) -> Result<(), FsError> {
        self.append(&Entry::Intent(Box::new(intent.clone())))
    }

    /// After sbatch.
    pub fn submitted(&self, array: u32, job: JobId) -> Result<(), FsError> {
        self.append(&Entry::Submitted { array, job })
    }

    /// Sbatch failed, or was never called.
    pub fn dropped(&self, array: u32) -> Result<(), FsError> {
        self.append(&Entry::Dropped { array })
    }

    /// A task's end was accounted for.
    pub fn settled(&self, array: u32, task: u32, how: &str) -> Result<(), FsError> {
        self.append(&Entry::Settled { array, task, how: how.to_owned() })
    }

    fn append(&self, entry: &Entry) -> Result<(), FsError> {
        // The line begins with a break: a line that a killed writer left half-written spoils no other.
        let mut line = "\n".to_owned();
        line.push_str(&serde_json::to_string(entry).expect("plain data"));
        line.push('\n');
        let path = self.dir.journal();
        let mut file = fsx::append(&path)?;
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|source| FsError { action: "write", path, source })
    }

    /// What it says.
    pub fn read(&self) -> Result<Recorded, FsError> {
        let bytes = fsx::read_if_exists(&self.dir.journal())?.unwrap_or_default();
        let mut recorded = Recorded::default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            // A half-written line was followed by nothing that depends on it.
            if let Ok(entry) = serde_json::from_str::<Entry>(line) {
                recorded.apply(entry);
            }
        }
        Ok(recorded)
    }
}

/// The contents of a journal.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Recorded {
    /// Name of the experiment.
    pub experiment: String,
    /// What was submitted, without what did not come to be.
    pub arrays: Vec<Array>,
}

impl Recorded {
    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Opened { experiment, .. } => self.experiment = experiment,
            Entry::Intent(intent) => self.arrays.push(Array::new(*intent)),
            Entry::Submitted { array, job } => {
                if let Some(found) = self.find(array) {
                    found.job = Some(job);
                }
            }
            Entry::Dropped { array } => self.arrays.retain(|other| other.intent.array != array),
            Entry::Settled { array, task, .. } => {
                if let Some(settled) = self.find(array).and_then(|a| a.settled.get_mut(task as usize)) {
                    *settled = true;
                }
            }
        }
    }

    fn find(&mut self, array: u32) -> Option<&mut Array> {
        self.arrays.iter_mut().find(|other| other.intent.array == array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage_key::KeyPayload;
    use std::collections::BTreeMap;

    fn intent(array: u32) -> Intent {
        let payload = KeyPayload {
            kind: StageKind::Select,
            version: array,
            params: serde_json::json!({}),
            inputs: BTreeMap::new(),
        };
        let task = TaskEntry { key: payload.key(), label: "select[x]".to_owned() };
        Intent {
            array,
            name: format!("tacq-0123abcd-{array}"),
            unix: 5,
            kind: StageKind::Select,
            is_array: true,
            resources: Resources::default(),
            tuning: Tuning::default(),
            tasks: vec![task.clone(), task],
        }
    }

    fn journal(dir: &std::path::Path) -> Journal {
        Journal::create(RunDir(dir.join("0123abcd")), "demo", 1).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        for array in 0..3 {
            journal.intend(&intent(array)).unwrap();
        }
        journal.submitted(0, 77).unwrap();
        journal.settled(0, 1, "failed").unwrap();
        journal.dropped(1).unwrap();
        let recorded = journal.read().unwrap();
        assert_eq!(recorded.experiment, "demo");
        assert_eq!(recorded.arrays.iter().map(|a| a.intent.array).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(recorded.arrays[0].settled, [false, true]);
        assert_eq!(recorded.arrays[0].id(1).unwrap().to_string(), "77_1");
        assert_eq!(recorded.arrays[1].id(0), None);
        assert_eq!(recorded.arrays[1].intent, intent(2));
    }

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        journal.intend(&intent(0)).unwrap();
        let whole = fsx::read(&journal.dir.journal()).unwrap();
        for cut in 1..whole.len() {
            fsx::write_atomic(&journal.dir.journal(), &whole[..whole.len() - cut]).unwrap();
            journal.intend(&intent(1)).unwrap();
            let arrays = journal.read().unwrap().arrays;
            assert!(arrays.contains(&Array::new(intent(1))), "cut by {cut}");
        }
    }
}
