//! How often Slurm is asked: seldom while nothing changes, because a controller serves a whole site.

use std::time::{Duration, Instant};

/// Seconds between the first questions; `TACQ_SLURM_POLL_SECS` in its place.
const FIRST_SECS: f64 = 5.0;
/// The interval grows up to this many times the first.
const GROWTH: u32 = 36;
/// Seconds that a job that has ended may take to be seen in the store; `TACQ_SLURM_GRACE_SECS` in its place. Network
/// file systems remember for up to a minute that a file is not there.
const GRACE_SECS: f64 = 60.0;
/// How often results are looked for, at most: that asks the file system, not Slurm.
const RESULTS: Duration = Duration::from_secs(1);

/// Intervals of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    first: Duration,
    /// How long a file written elsewhere may take to be seen.
    pub(super) grace: Duration,
}

impl Pace {
    /// The usual intervals, or those of the environment.
    pub fn from_env() -> Self {
        let secs = |name: &str, usual: f64| {
            let asked = std::env::var(name).ok().and_then(|text| text.parse::<f64>().ok());
            Duration::try_from_secs_f64(asked.unwrap_or(usual)).unwrap_or(Duration::from_secs_f64(usual))
        };
        Self {
            first: secs("TACQ_SLURM_POLL_SECS", FIRST_SECS).max(Duration::from_millis(10)),
            grace: secs("TACQ_SLURM_GRACE_SECS", GRACE_SECS),
        }
    }

    /// How often results are looked for.
    pub(super) fn results(&self) -> Duration {
        RESULTS.min(self.first)
    }

    /// How long a submission that was refused for now waits.
    pub(super) fn pause(&self) -> Duration {
        self.first * GROWTH / 3
    }
}

/// When to ask next.
#[derive(Debug)]
pub(super) struct Clock {
    pace: Pace,
    interval: Duration,
    next: Instant,
}

impl Clock {
    /// Asks at once.
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, interval: pace.first, next: now }
    }

    /// Whether it is time.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Slurm was asked; the interval grows, and begins anew when something changed.
    pub fn asked(&mut self, changed: bool, now: Instant) {
        self.interval = match changed {
            true => self.pace.first,
            false => (self.interval * 2).min(self.pace.first * GROWTH),
        };
        self.next = now + self.interval;
    }

    /// Something is about to change: a job was submitted, or ended.
    pub fn hurry(&mut self, now: Instant) {
        self.interval = self.pace.first;
        self.next = self.next.min(now + self.pace.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_grows_while_nothing_changes_and_begins_anew() {
        let start = Instant::now();
        let pace = Pace { first: Duration::from_secs(5), grace: Duration::ZERO };
        let mut clock = Clock::new(pace, start);
        assert!(clock.is_due(start));
        let mut intervals = Vec::new();
        for _ in 0..7 {
            clock.asked(false, start);
            intervals.push((clock.next - start).as_secs());
        }
        assert_eq!(intervals, [10, 20, 40, 80, 160, 180, 180]);
        clock.hurry(start);
        assert_eq!((clock.next - start).as_secs(), 5);
        clock.asked(true, start);
        assert_eq!((clock.next - start).as_secs(), 5);
    }
}
