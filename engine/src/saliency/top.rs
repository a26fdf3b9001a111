//! The best candidates of a stream of scores, exactly, in memory proportional to their number.

use rayon::prelude::*;
use std::cmp::Ordering;

/// Room above the wanted number, as its share, before the worst are thrown out.
const SLACK: usize = 4;

/// A weight with its score. Twelve bytes: at 5 % of 7·10⁹ weights, four more would be gigabytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its score.
    pub score: f32,
    high: u32,
    low: u32,
}

impl Candidate {
    /// A weight at a global index.
    pub fn new(score: f32, index: u64) -> Candidate {
        Candidate { score, high: (index >> 32) as u32, low: index as u32 }
    }

    /// Its global index.
    pub fn index(&self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }

    /// Best first: descending score, then ascending index.
    fn order(&self, other: &Candidate) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.index().cmp(&other.index()))
    }
}

/// Keeps the best of the weights pushed so far.
#[derive(Debug)]
pub struct TopCandidates {
    wanted: usize,
    buffer: Vec<Candidate>,
    /// Score of the worst that still counts, once `wanted` are there; a later weight must exceed it, since at equal
    /// scores the lower index wins.
    threshold: Option<f32>,
}

impl TopCandidates {
    /// Keeps the best `wanted`.
    pub fn new(wanted: usize) -> TopCandidates {
        TopCandidates { wanted, buffer: Vec::new(), threshold: None }
    }

    /// Adds the scores of the weights from global index `first` on, none of them NaN. Indices must ascend from call to
    /// call.
    pub fn push(&mut self, first: u64, scores: &[f32]) {
        if self.wanted == 0 {
            return;
        }
        for (i, &score) in scores.iter().enumerate() {
            if self.threshold.is_some_and(|threshold| score <= threshold) {
                continue;
            }
            self.buffer.push(Candidate::new(score, first + i as u64));
            if self.buffer.len() > self.wanted + self.wanted / SLACK {
                self.shrink();
            }
        }
    }

    /// Throws out all but the best `wanted`.
    fn shrink(&mut self) {
        if self.buffer.len() <= self.wanted {
            return;
        }
        self.buffer.select_nth_unstable_by(self.wanted - 1, Candidate::order);
        self.buffer.truncate(self.wanted);
        self.threshold = Some(self.buffer[self.wanted - 1].score);
    }

    /// The best, in order.
    pub fn into_sorted(mut self) -> Vec<Candidate> {
        self.shrink();
        self.buffer.par_sort_unstable_by(Candidate::order);
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saliency::uniform;

    /// The same by sorting everything.
    fn by_sorting(scores: &[f32], wanted: usize) -> Vec<(u64, f32)> {
        let mut all: Vec<(u64, f32)> = scores.iter().enumerate().map(|(i, &s)| (i as u64, s)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(wanted);
        all
    }

    #[test]
    fn the_best_are_those_of_a_full_sort_whatever_the_ties() {
        for (levels, wanted) in
            [(1.0f32, 10), (3.0, 100), (50.0, 499), (1e6, 500), (1e6, 1), (7.0, 2000), (7.0, 0)]
        {
            let scores: Vec<f32> = (0..2000).map(|i| (uniform(1, i) * levels).floor()).collect();
            let mut top = TopCandidates::new(wanted);
            for (i, chunk) in scores.chunks(77).enumerate() {
                top.push(77 * i as u64, chunk);
            }
            let found: Vec<_> = top.into_sorted().iter().map(|c| (c.index(), c.score)).collect();
            assert_eq!(found, by_sorting(&scores, wanted), "{levels} levels, {wanted} wanted");
        }
    }

    #[test]
    fn rising_scores_replace_all_earlier_ones() {
        let mut top = TopCandidates::new(3);
        top.push(5_000_000_000, &(0..100).map(|i| i as f32).collect::<Vec<_>>());
        let indices: Vec<u64> = top.into_sorted().iter().map(Candidate::index).collect();
        assert_eq!(indices, [5_000_000_099, 5_000_000_098, 5_000_000_097]);
        assert_eq!(size_of::<Candidate>(), 12);
    }
}
