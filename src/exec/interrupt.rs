//! A person's wish to end a run.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a run is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Not at all.
    None,
    /// Soon: what runs writes its progress first.
    Soon,
    /// Now.
    Now,
}

/// Counts how often a run was asked to end; shared with a signal handler.
#[derive(Debug, Default)]
pub struct Interrupt(AtomicU8);

impl Interrupt {
    /// Asks once more; returns what that means.
    pub fn ask(&self) -> Ending {
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n.saturating_add(1)));
        Self::meaning(before.unwrap_or(0).saturating_add(1))
    }

    /// What was asked for.
    pub fn ending(&self) -> Ending {
        Self::meaning(self.0.load(Ordering::SeqCst))
    }

    fn meaning(asked: u8) -> Ending {
        match asked {
            0 => Ending::None,
            1 => Ending::Soon,
            _ => Ending::Now,
        }
    }
}
