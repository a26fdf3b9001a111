//! Running out of memory: half as many sequences, and on.

use crate::{Error, Result};
use tacq_protocol::FailureKind;

/// How many sequences fit side by side, as far as is known.
#[derive(Debug)]
pub struct Limit {
    sequences: usize,
}

impl Limit {
    /// Starts at what was asked for.
    pub fn new(sequences: usize) -> Self {
        Self { sequences: sequences.max(1) }
    }

    /// At most so many sequences.
    pub fn get(&self) -> usize {
        self.sequences
    }

    /// After a failure with `tried` sequences: halves the limit if memory ran out and there was more than one;
    /// otherwise the error stands.
    pub fn halve_after(&mut self, error: Error, tried: usize) -> Result<()> {
        if error.kind() != FailureKind::OutOfMemory || tried <= 1 {
            return Err(error);
        }
        self.sequences = tried.min(self.sequences) / 2;
        tracing::warn!("memory ran out with {tried} sequences; going on with {}", self.sequences);
        Ok(())
    }
}

/// A ceiling for tests, in place of memory that really ends.
#[cfg(test)]
pub mod ceiling {
    use crate::Result;
    use std::cell::Cell;
    use tch::TchError;

    thread_local! {
        static TOKENS: Cell<usize> = const { Cell::new(usize::MAX) };
        static FAILURES: Cell<usize> = const { Cell::new(0) };
    }

    /// Runs `f` on this thread with caches of at most so many tokens; tells how often that was too few.
    pub fn with<T>(tokens: usize, f: impl FnOnce() -> T) -> (T, usize) {
        TOKENS.set(tokens);
        FAILURES.set(0);
        let result = f();
        TOKENS.set(usize::MAX);
        (result, FAILURES.get())
    }

    /// Fails as libtorch does if a cache of so many tokens is above the ceiling.
    pub fn check(tokens: usize) -> Result<()> {
        if tokens > TOKENS.get() {
            FAILURES.set(FAILURES.get() + 1);
            return Err(TchError::Torch("DefaultCPUAllocator: can't allocate memory".to_owned()).into());
        }
        Ok(())
    }
}
