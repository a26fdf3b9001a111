//! Which failures are worth another attempt, when, and under what conditions.

use std::time::Duration;
use tacq_protocol::FailureKind;

/// First pause before another attempt; each further one is four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Attempts after memory ran out: alone on the device, then with smaller batches.
const MEMORY_RETRIES: u32 = 3;

/// Examples side by side that an engine may choose by itself.
const USUAL_BATCH: u32 = 32;

/// How often a stage of this run failed, and what the next attempt must respect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    failed: u32,
    out_of_memory: u32,
}

impl Attempts {
    /// Notes a failure; the pause before the next attempt, if there is to be one.
    pub(super) fn after(&mut self, kind: FailureKind, retries: u32) -> Option<Duration> {
        match kind {
            FailureKind::OutOfMemory => {
                self.out_of_memory += 1;
                (self.out_of_memory <= MEMORY_RETRIES).then_some(FIRST_PAUSE)
            }
            // The process may have been unlucky: a kill for memory, a driver bug, a machine that stood still. Progress
            // inside the stage is kept, so that no attempt is lost.
            FailureKind::EngineDied | FailureKind::Timeout => {
                self.failed += 1;
                let pause = FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(self.failed - 1));
                (self.failed <= retries).then_some(pause.min(LONGEST_PAUSE))
            }
            // A device that met an error serves no process that saw it; one that is not there serves none.
            FailureKind::Device => {
                self.failed += 1;
                (self.failed <= retries.min(1)).then_some(FIRST_PAUSE)
            }
            FailureKind::InvalidInput
            | FailureKind::Unsupported
            | FailureKind::Numerics
            | FailureKind::Io
            | FailureKind::Internal
            // What is transient of it, it can try again by itself.
            | FailureKind::Command
            // The client of the hub has tried again already.
            | FailureKind::Download
            | FailureKind::Interrupted
            // The cluster's own rules say what is tried again.
            | FailureKind::Cluster => None,
        }
    }

    /// Whether the next attempt wants the device for itself: memory ran out, perhaps because others used it too.
    pub(super) fn alone(&self) -> bool {
        self.out_of_memory > 0 || self.failed > 1
    }

    /// Examples side by side in the next attempt: as asked for, then an eighth of it, then one.
    pub(super) fn batch_size(&self, asked: Option<u32>) -> Option<u32> {
        match self.out_of_memory {
            0 | 1 => asked,
            2 => Some((asked.unwrap_or(USUAL_BATCH) / 8).max(1)),
            _ => Some(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_engine_is_tried_again_with_growing_pauses() {
        let mut attempts = Attempts::default();
        let pauses: Vec<_> = (0..4).map(|_| attempts.after(FailureKind::EngineDied, 3)).collect();
        let expected = [250, 1000, 4000].map(|ms| Some(Duration::from_millis(ms)));
        assert_eq!(pauses[..3], expected);
        assert_eq!(pauses[3], None);
        assert_eq!(Attempts::default().after(FailureKind::EngineDied, 0), None);
    }

    #[test]
    fn what_no_attempt_can_mend_is_not_tried_again() {
        for kind in [FailureKind::InvalidInput, FailureKind::Numerics, FailureKind::Internal, FailureKind::Io]
        {
            assert_eq!(Attempts::default().after(kind, 9), None, "{kind}");
        }
    }

    #[test]
    fn without_memory_a_stage_runs_alone_and_then_in_smaller_batches() {
        let mut attempts = Attempts::default();
        assert!(!attempts.alone());
        let mut batches = Vec::new();
        while attempts.after(FailureKind::OutOfMemory, 0).is_some() {
            assert!(attempts.alone());
            batches.push((attempts.batch_size(None), attempts.batch_size(Some(4))));
        }
        assert_eq!(batches, [(None, Some(4)), (Some(4), Some(1)), (Some(1), Some(1))]);
    }
}
