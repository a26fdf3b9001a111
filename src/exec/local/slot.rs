//! One device slot: a thread that keeps a worker alive, runs requests on it, and commits what they make.

use crate::exec::job::{Job, JobError, Made};
use crate::exec::worker::{self, Failure, Launcher, Limits, Worker};
use crate::plan::StageId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, FailureKind, StageKind};

/// Where a stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exec) enum Seat {
    /// A device slot.
    Slot(usize),
    /// A thread that downloads.
    Lane(usize),
}

/// What a seat tells the scheduler.
pub(in crate::exec) enum Message {
    Event {
        id: StageId,
        event: Event,
    },
    /// A stage ended; `lives` says whether the worker is still there.
    Finished {
        seat: Seat,
        id: StageId,
        result: Result<Made, JobError>,
        lives: bool,
    },
}

/// What a slot is told.
pub(super) enum Order {
    /// Compute a stage, once these slots have given up their workers.
    Run { id: StageId, job: Box<Job>, limits: Limits, after: Vec<Receiver<()>> },
    /// End the worker, so that the memory it holds on to is free; the sender is dropped when that is done.
    Rest { _done: Sender<()> },
}

/// A device slot and what its thread needs.
pub(super) struct Slot<'a> {
    pub index: usize,
    pub device: Device,
    pub launcher: &'a dyn Launcher,
    /// Set when the run ends early: no worker is started any more.
    pub stopping: &'a AtomicBool,
    pub messages: Sender<Message>,
}

impl Slot<'_> {
    /// Obeys until the scheduler hangs up.
    pub(super) fn serve(self, orders: Receiver<Order>) {
        let mut worker = None;
        for order in orders {
            match order {
                Order::Rest { _done } => worker = None,
                Order::Run { id, job, limits, after } => {
                    for slot in after {
                        // Ends with an error: nothing is ever sent.
                        let _ = slot.recv();
                    }
                    let result = self.attempt(&mut worker, id, &job, &limits);
                    let result = result.and_then(|provenance| job.commit(provenance));
                    let (seat, lives) = (Seat::Slot(self.index), worker.is_some());
                    if self.messages.send(Message::Finished { seat, id, result, lives }).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn attempt(
        &self,
        worker: &mut Option<Box<dyn Worker>>,
        id: StageId,
        job: &Job,
        limits: &Limits,
    ) -> Result<Provenance, JobError> {
        if self.stopping.load(Ordering::Relaxed) {
            let message = "the run was stopped".to_owned();
            return Err(JobError::Stage(Failure { kind: FailureKind::Interrupted, message, hint: None }));
        }
        job.check_sources()?;
        // libtorch keeps the memory of a GPU that it once took; a command of the user's is to have it.
        if job.request.stage.kind() == StageKind::Command && self.device != Device::Cpu {
            *worker = None;
        }
        let engine = match worker {
            Some(engine) => engine,
            None => {
                let is_stopping = || self.stopping.load(Ordering::Relaxed);
                let started = worker::launch(self.launcher, self.index, self.device, &is_stopping);
                worker.insert(started.map_err(JobError::Launch)?)
            }
        };
        let mut forward = |event| {
            // The scheduler outlives its slots; if it is gone, nobody wants to know.
            let _ = self.messages.send(Message::Event { id, event });
        };
        let result = engine.run(&job.request, limits, &mut forward);
        // libtorch keeps the memory of every GPU that it worked on; the others' own workers are to have it.
        if !job.request.run.more_devices.is_empty() {
            *worker = None;
        }
        // A process that died, ran out of memory, lost its device or met a bug may fail everything after it too.
        if let Err(failure) = &result
            && !matches!(
                failure.kind,
                FailureKind::InvalidInput
                    | FailureKind::Unsupported
                    | FailureKind::Numerics
                    | FailureKind::Io
                    | FailureKind::Interrupted
                    | FailureKind::Download
                    | FailureKind::Command
            )
        {
            *worker = None;
        }
        result.map_err(JobError::Stage)
    }
}
