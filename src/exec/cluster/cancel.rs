//! Ends the jobs of an experiment.

use super::book::{Book, TaskRef};
use super::layout::{self, RunDir};
use crate::exec::outcome::ExecError;
use crate::exec::record::unix_now;
use crate::fsx::{self, FsError};
use crate::slurm::{Slurm, TaskId};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cancelled {
    /// Jobs that were ended or taken out of the queue.
    pub cancelled: usize,
    /// Jobs that had ended before.
    pub ended: usize,
}

/// Cancels all jobs that were submitted for an experiment of this name, by whichever driver.
///
/// # Errors
/// If the store cannot be read, or Slurm does not answer: then nothing was cancelled, or not all of it.
pub fn cancel(store: &Store, experiment: &str, slurm: &mut Slurm) -> Result<Cancelled, ExecError> {
    let at = |source: FsError| ExecError::Store(StoreError::Fs { root: store.root().to_owned(), source });
    let mut book = Book::open(store, experiment).map_err(at)?;
    if book.of_experiment().is_empty() {
        return Ok(Cancelled::default());
    }
    let listing = slurm.queue()?;
    // Jobs whose numbers nobody wrote down are found by their names. Without the lock, a driver is submitting, and what
    // has no number yet may get one.
    let lock = book.lock().map_err(at)?;
    book.refresh().map_err(at)?;
    book.resolve(&listing, unix_now(), if lock.is_some() { 0 } else { u64::MAX }).map_err(at)?;
    let tasks = book.of_experiment();
    let (alive, ended): (Vec<TaskRef>, Vec<TaskRef>) = tasks.into_iter().partition(|task| {
        let row = book.row(&listing, task);
        row.is_some_and(|row| !row.state.is_over()) && !has_result(task)
    });
    slurm.cancel(&names(&book, &alive))?;
    for task in &alive {
        book.settled(task, "cancelled").map_err(at)?;
    }
    Ok(Cancelled { cancelled: alive.len(), ended: ended.len() })
}

fn has_result(task: &TaskRef) -> bool {
    fsx::exists(&layout::result_path(&task.run.job(task.array, task.task)))
}

/// What scancel is given: an array as a whole where all of its tasks go.
fn names(book: &Book, tasks: &[TaskRef]) -> Vec<TaskId> {
    let mut arrays: BTreeMap<(&RunDir, u32), Vec<&TaskRef>> = BTreeMap::new();
    for task in tasks {
        arrays.entry((&task.run, task.array)).or_default().push(task);
    }
    let mut names = Vec::new();
    for tasks in arrays.into_values() {
        let Some(array) = book.array(tasks[0]) else { continue };
        match array.job {
            Some(job) if tasks.len() == array.intent.tasks.len() => names.push(TaskId { job, task: None }),
            _ => names.extend(tasks.iter().filter_map(|task| book.id(task))),
        }
    }
    names
}
