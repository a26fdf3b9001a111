//! Counting the scores of one matrix.

use rayon::prelude::*;
use tacq_protocol::artifact::ScoreHistogram;

/// Biased exponents of an f32; 0 is zero and the subnormals.
const EXPONENTS: usize = 256;
/// Rows of a parallel step.
const CHUNK: usize = 1 << 16;

/// Counts scores, each 0 or more. Candidates are counted later.
pub fn histogram(tensor: &str, scores: &[f32]) -> ScoreHistogram {
    let zeros = scores.par_iter().filter(|s| **s == 0.0).count() as u64;
    let partial = |chunk: &[f32]| {
        let mut counts = [0u64; EXPONENTS];
        for score in chunk {
            counts[(score.to_bits() >> 23) as usize % EXPONENTS] += 1;
        }
        (counts, chunk.iter().map(|&s| f64::from(s)).sum::<f64>(), chunk.iter().copied().fold(0.0, f32::max))
    };
    // Collected in order, so that the sum does not depend on threads.
    let parts: Vec<_> = scores.par_chunks(CHUNK).map(partial).collect();
    let mut counts = [0u64; EXPONENTS];
    let (mut sum, mut max) = (0.0, 0.0f32);
    for (part, part_sum, part_max) in parts {
        counts.iter_mut().zip(part).for_each(|(count, more)| *count += more);
        (sum, max) = (sum + part_sum, max.max(part_max));
    }
    from_counts(tensor, counts.to_vec(), zeros, max, sum)
}

/// From the scores of each biased exponent, zeros among those of exponent 0.
pub(super) fn from_counts(
    tensor: &str,
    mut counts: Vec<u64>,
    zeros: u64,
    max: f32,
    sum: f64,
) -> ScoreHistogram {
    counts[0] -= zeros;
    let first = counts.iter().position(|&c| c > 0).unwrap_or(0);
    let end = counts.iter().rposition(|&c| c > 0).map_or(first, |last| last + 1);
    ScoreHistogram {
        tensor: tensor.to_owned(),
        zeros,
        max,
        sum,
        first_exponent: first as i32 - 127,
        counts: counts[first..end].to_vec(),
        candidates: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::histogram;

    #[test]
    fn bins_are_powers_of_two() {
        let found = histogram("w", &[0.0, 0.25, 0.3, 0.5, 1.0, 1.5, 1.99, 0.0]);
        assert_eq!((found.zeros, found.first_exponent), (2, -2));
        assert_eq!(found.counts, [2, 1, 3]);
        assert_eq!(found.max, 1.99);
        let empty = histogram("w", &[0.0; 3]);
        assert_eq!((empty.zeros, empty.counts.len()), (3, 0));
    }
}
