//! All submissions that matter to a run: its own, and those of other drivers on the same store.

use super::journal::{Array, Intent, Journal, Recorded};
use super::layout::RunDir;
use crate::fsx::{self, FsError};
use crate::slurm::{JobId, Listing, Row, TaskId};
use crate::stage_key::StageKey;
use crate::store::Store;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};

/// A task of a submitted array.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskRef {
    pub run: RunDir,
    pub array: u32,
    pub task: u32,
}

/// Journals, kept in memory and on disk alike.
pub(super) struct Book {
    store: Store,
    experiment: String,
    /// Created with the first submission.
    own: Option<RunDir>,
    next_array: u32,
    runs: BTreeMap<RunDir, (u64, Recorded)>,
}

impl Book {
    /// Reads all journals.
    pub fn open(store: &Store, experiment: &str) -> Result<Self, FsError> {
        let mut book = Self {
            store: store.clone(),
            experiment: experiment.to_owned(),
            own: None,
            next_array: 0,
            runs: BTreeMap::new(),
        };
        book.refresh()?;
        Ok(book)
    }

    /// Reads journals that others wrote since.
    pub fn refresh(&mut self) -> Result<(), FsError> {
        for dir in RunDir::all(&self.store)? {
            if self.own.as_ref() == Some(&dir) {
                continue;
            }
            let bytes = fsx::metadata(&dir.journal())?.len();
            if self.runs.get(&dir).is_none_or(|(read, _)| *read != bytes) {
                let recorded = Journal { dir: dir.clone() }.read()?;
                self.runs.insert(dir, (bytes, recorded));
            }
        }
        Ok(())
    }

    /// The right to submit on this store; none while another driver submits, so that no stage is submitted twice.
    pub fn lock(&self) -> Result<Option<File>, FsError> {
        let folder = self.store.slurm_dir();
        fsx::create_dir_all(&folder)?;
        let path = folder.join("submit.lock");
        let file = fsx::open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(FsError { action: "lock", path, source }),
        }
    }

    /// The folder of this run's jobs.
    pub fn own(&mut self, unix: u64) -> Result<RunDir, FsError> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let seed = format!("{}-{}-{:?}", self.experiment, std::process::id(), std::time::SystemTime::now());
        let name = crate::digest::Digest::of(seed.as_bytes()).short();
        let dir = RunDir::new(&self.store, &name[..8]);
        Journal::create(dir.clone(), &self.experiment, unix)?;
        let recorded = Recorded { experiment: self.experiment.clone(), arrays: Vec::new() };
        self.runs.insert(dir.clone(), (0, recorded));
        self.own = Some(dir.clone());
        Ok(dir)
    }

    /// The number of this run's next array; none comes twice, so that names of jobs are unique.
    pub fn next_array(&mut self) -> u32 {
        self.next_array += 1;
        self.next_array - 1
    }

    /// Writes down what is about to be submitted.
    pub fn intend(&mut self, run: &RunDir, intent: Intent) -> Result<(), FsError> {
        Journal { dir: run.clone() }.intend(&intent)?;
        if let Some((_, recorded)) = self.runs.get_mut(run) {
            recorded.arrays.push(Array::new(intent));
        }
        Ok(())
    }

    /// Writes down the number that Slurm gave.
    pub fn submitted(&mut self, run: &RunDir, array: u32, job: JobId) -> Result<(), FsError> {
        Journal { dir: run.clone() }.submitted(array, job)?;
        if let Some(array) = self.find(run, array) {
            array.job = Some(job);
        }
        Ok(())
    }

    /// Writes down that a submission did not come to be.
    pub fn dropped(&mut self, run: &RunDir, array: u32) -> Result<(), FsError> {
        Journal { dir: run.clone() }.dropped(array)?;
        if let Some((_, recorded)) = self.runs.get_mut(run) {
            recorded.arrays.retain(|other| other.intent.array != array);
        }
        Ok(())
    }

    /// Writes down that a task's end was accounted for.
    pub fn settled(&mut self, task: &TaskRef, how: &str) -> Result<(), FsError> {
        Journal { dir: task.run.clone() }.settled(task.array, task.task, how)?;
        let settled = self.find(&task.run, task.array).and_then(|a| a.settled.get_mut(task.task as usize));
        if let Some(settled) = settled {
            *settled = true;
        }
        Ok(())
    }

    fn find(&mut self, run: &RunDir, array: u32) -> Option<&mut Array> {
        let (_, recorded) = self.runs.get_mut(run)?;
        recorded.arrays.iter_mut().find(|other| other.intent.array == array)
    }

    /// A submitted array.
    pub fn array(&self, task: &TaskRef) -> Option<&Array> {
        let (_, recorded) = self.runs.get(&task.run)?;
        recorded.arrays.iter().find(|other| other.intent.array == task.array)
    }

    /// Slurm's name of a task, if its job's number is known.
    pub fn id(&self, task: &TaskRef) -> Option<TaskId> {
        self.array(task)?.id(task.task)
    }

    /// What a list says of a task.
    pub fn row<'a>(&self, listing: &'a Listing, task: &TaskRef) -> Option<&'a Row> {
        let array = self.array(task)?;
        listing.of(array.id(task.task)?, &array.intent.name)
    }

    /// All tasks that were not accounted for, the newest last, with the keys of their stages.
    pub fn open_tasks(&self) -> impl Iterator<Item = (TaskRef, StageKey)> + '_ {
        let mut arrays: Vec<(&RunDir, &Array)> =
            self.runs.iter().flat_map(|(run, (_, rec))| rec.arrays.iter().map(move |a| (run, a))).collect();
        arrays.sort_by_key(|(_, array)| array.intent.unix);
        arrays.into_iter().flat_map(|(run, array)| {
            let tasks = array.intent.tasks.iter().zip(&array.settled).zip(0..);
            tasks.filter(|((_, settled), _)| !**settled).map(move |((entry, _), task)| {
                (TaskRef { run: run.clone(), array: array.intent.array, task }, entry.key)
            })
        })
    }

    /// The tasks of this experiment that were not accounted for.
    pub fn of_experiment(&self) -> Vec<TaskRef> {
        let is_ours = |run: &RunDir| self.runs.get(run).is_some_and(|(_, r)| r.experiment == self.experiment);
        self.open_tasks().map(|(task, _)| task).filter(|task| is_ours(&task.run)).collect()
    }

    /// Submissions of which nobody knows whether they came to be, found by name; the others that are older than `age`
    /// seconds did not. Returns how many came to be and how many did not.
    pub fn resolve(&mut self, listing: &Listing, now: u64, age: u64) -> Result<(usize, usize), FsError> {
        let unknown: Vec<(RunDir, u32, String, u64)> = self
            .runs
            .iter()
            .flat_map(|(run, (_, recorded))| recorded.arrays.iter().map(move |array| (run, array)))
            .filter(|(_, array)| array.job.is_none() && array.settled.iter().any(|settled| !settled))
            .map(|(run, array)| {
                (run.clone(), array.intent.array, array.intent.name.clone(), array.intent.unix)
            })
            .collect();
        let (mut found, mut lost) = (0, 0);
        for (run, array, name, since) in unknown {
            if let Some(job) = listing.named(&name) {
                self.submitted(&run, array, job)?;
                found += 1;
            } else if now.saturating_sub(since) >= age {
                self.dropped(&run, array)?;
                lost += 1;
            }
        }
        Ok((found, lost))
    }
}
