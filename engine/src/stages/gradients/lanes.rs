//! Several sequences at once, each on its own thread, with sums that do not depend on how many.
//!
//! The products of one sequence are too small to keep several cores busy together: two sequences on a core each take
//! a sixth less time than one after the other on both. Every sum takes its sequences in order, whoever is ready first,
//! so that its bits are those of one lane.

use super::sums::{Sums, reduce_into};
use crate::Result;
use crate::data::Sequences;
use crate::device;
use crate::model::grad::{self, Budget, product};
use crate::model::{Model, Proj, Rope};
use crate::stages::{Context, StageError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use tacq_protocol::stage::Reduction;
use tch::Tensor;

/// More lanes than this cost memory and gain nothing over more threads a lane.
const MAX_LANES: usize = 8;
/// Bytes of activations that all lanes together may keep rather than compute again.
const BUDGET_BYTES: i64 = 1 << 30;

/// One thread's view of the model; tensors are shared.
struct Lane {
    model: Model,
    rope: Rope,
}

/// What differentiates sequences, several at a time.
pub struct Lanes {
    lanes: Vec<Lane>,
    threads: i32,
    run_threads: Option<u32>,
}

impl Lanes {
    /// As many lanes as there are threads to use and sequences in all. Not: sequences left, since a stage that goes on
    /// after a kill must compute each sequence as one that was left alone does.
    pub fn new(model: &Model, rope: &Rope, context: &Context<'_>, sequences: usize) -> Self {
        let run_threads = context.request.run.threads;
        let threads = device::thread_count(run_threads);
        let count = threads.min(MAX_LANES).min(sequences).max(1);
        let lanes =
            (0..count).map(|_| Lane { model: model.shallow_clone(), rope: rope.shallow_clone() }).collect();
        Self { lanes, threads: i32::try_from(threads / count).unwrap_or(1).max(1), run_threads }
    }

    /// How many sequences a round takes.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Adds the sequences from `start` on, one a lane, to the sums; returns how many that were.
    pub fn round(&mut self, sequences: &Sequences, start: usize, sums: &Sums) -> Result<usize> {
        let count = self.len().min(sequences.len() - start);
        let turns = Turns::new(sums, start);
        let budget = BUDGET_BYTES / self.lanes.len() as i64;
        if self.lanes.len() == 1 {
            self.lanes[0].differentiate(sequences, start, Budget::default(), &turns)?;
            return Ok(1);
        }
        let threads = self.threads;
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let running: Vec<_> = self.lanes[..count]
                .iter_mut()
                .enumerate()
                .map(|(i, lane)| {
                    let turns = &turns;
                    scope.spawn(move || {
                        tch::set_num_threads(threads);
                        let _no_grad = tch::no_grad_guard();
                        // Also when it panics, the lanes behind this one must not wait for it.
                        let leave = Leave { turns };
                        lane.differentiate(sequences, start + i, Budget::of(budget), turns)?;
                        std::mem::forget(leave);
                        Ok(())
                    })
                })
                .collect();
            running
                .into_iter()
                .map(|lane| lane.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
                .collect()
        });
        device::set_threads(self.run_threads);
        // The first lane that failed by itself says why; those behind it only stopped.
        let mut stopped = None;
        for result in results {
            match result {
                Err(crate::Error::Stage(StageError::LaneStopped)) => stopped = Some(StageError::LaneStopped),
                other => other?,
            }
        }
        stopped.map_or(Ok(count), |error| Err(error.into()))
    }
}

impl Lane {
    fn differentiate(
        &mut self,
        sequences: &Sequences,
        i: usize,
        budget: Budget,
        turns: &Turns,
    ) -> Result<()> {
        let mut add = |layer, proj, d_out: &Tensor, input: &Tensor| turns.add(layer, proj, i, d_out, input);
        let loss = grad::sequence(&self.model, &self.rope, &sequences.tensor(i)?, budget, &mut add)?;
        if loss.is_finite() { Ok(()) } else { Err(StageError::Loss { sequence: i, loss }.into()) }
    }
}

/// Lets each sum take the sequences in order.
struct Turns {
    slots: Vec<Slot>,
    reduction: Reduction,
}

struct Slot {
    state: Mutex<Turn>,
    turned: Condvar,
}

struct Turn {
    /// Shares its numbers with the sum.
    sum: Tensor,
    /// The sequence whose turn it is; none once a lane has failed.
    next: Option<usize>,
}

impl Turns {
    fn new(sums: &Sums, start: usize) -> Self {
        let slot = |sum: &Tensor| Slot {
            state: Mutex::new(Turn { sum: sum.shallow_clone(), next: Some(start) }),
            turned: Condvar::new(),
        };
        Self { slots: sums.tensors().iter().map(slot).collect(), reduction: sums.reduction() }
    }

    fn add(&self, layer: usize, proj: Proj, sequence: usize, d_out: &Tensor, input: &Tensor) -> Result<()> {
        let gradient = product(d_out, input)?;
        let slot = &self.slots[Sums::index(layer, proj)];
        let waiting = |turn: &mut Turn| turn.next.is_some_and(|next| next != sequence);
        let mut turn = slot.turned.wait_while(slot.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        if turn.next.is_none() {
            return Err(StageError::LaneStopped.into());
        }
        reduce_into(&mut turn.sum, gradient, self.reduction)?;
        turn.next = Some(sequence + 1);
        slot.turned.notify_all();
        Ok(())
    }

    fn stop(&self) {
        for slot in &self.slots {
            slot.lock().next = None;
            slot.turned.notify_all();
        }
    }
}

impl Slot {
    /// A lane that panicked leaves a sum that is thrown away with the stage.
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the other lanes when dropped.
struct Leave<'a> {
    turns: &'a Turns,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.turns.stop();
    }
}
