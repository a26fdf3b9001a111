//! Which weights stay in 16 bit: those of large magnitude, and those to which the loss is sensitive.

use super::quartiles::quartiles;
use crate::saliency::TopCandidates;
use rayon::prelude::*;

/// Weights of large magnitude, over all matrices of a model.
///
/// As in the paper's code a weight is an outlier where its magnitude exceeds those of the quartiles by a number of
/// interquartile ranges; the number, one for all matrices, is that with which a wanted share of all weights are.
#[derive(Debug)]
pub struct Magnitudes {
    top: TopCandidates,
    next: u64,
}

impl Magnitudes {
    /// Keeps the `wanted` weights that exceed their matrix's quartiles most.
    pub fn new(wanted: usize) -> Self {
        Self { top: TopCandidates::new(wanted), next: 0 }
    }

    /// Adds the next matrix.
    pub fn add(&mut self, weights: &[f32]) {
        let [first, third] = quartiles(weights);
        let range = (third - first).max(f32::MIN_POSITIVE);
        // |w| > max(|q1 − t·range|, |q3 + t·range|) is t < both of these.
        let exceeds = |w: &f32| ((w.abs() - third) / range).min((w.abs() + first) / range);
        let scores: Vec<f32> = weights.par_iter().map(exceeds).collect();
        self.top.push(self.next, &scores);
        self.next += weights.len() as u64;
    }

    /// Positions over all matrices in their order, ascending.
    pub fn into_positions(self) -> Vec<u64> {
        let mut positions: Vec<u64> = self.top.into_sorted().iter().map(|c| c.index()).collect();
        positions.par_sort_unstable();
        positions
    }
}

/// The `wanted` weights of a matrix of largest Fisher information: positions, ascending.
pub fn sensitive(fisher: &[f32], wanted: usize) -> Vec<u64> {
    let mut top = TopCandidates::new(wanted);
    top.push(0, fisher);
    let mut positions: Vec<u64> = top.into_sorted().iter().map(|c| c.index()).collect();
    positions.sort_unstable();
    positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    #[test]
    fn outliers_exceed_one_number_of_ranges_in_all_matrices() {
        let mut normal = Normal::new(2);
        // A wide and a narrow matrix, and one with a few large weights.
        let mut matrices = [normal.vector(4000, 1.0), normal.vector(3000, 0.01), normal.vector(2000, 0.01)];
        for at in (0..2000).step_by(100) {
            matrices[2][at] *= 30.0;
        }
        let mut magnitudes = Magnitudes::new(90);
        matrices.iter().for_each(|weights| magnitudes.add(weights));
        let positions = magnitudes.into_positions();
        assert_eq!(positions.len(), 90);
        assert!(positions.is_sorted());
        // The least number of ranges of those that are in is no less than the largest of those that are not.
        let (mut inside, mut outside, mut first) = (f32::INFINITY, f32::NEG_INFINITY, 0);
        for weights in &matrices {
            let [q1, q3] = quartiles(weights);
            for (i, w) in weights.iter().enumerate() {
                let t = ((w.abs() - q3) / (q3 - q1)).min((w.abs() + q1) / (q3 - q1));
                match positions.binary_search(&(first + i as u64)) {
                    Ok(_) => inside = inside.min(t),
                    Err(_) => outside = outside.max(t),
                }
            }
            first += weights.len() as u64;
        }
        assert!(inside >= outside, "{inside} {outside}");
        assert!(positions.iter().filter(|&&at| at >= 7000).count() >= 15);
    }

    #[test]
    fn sensitive_weights_are_the_first_of_a_sort() {
        assert_eq!(sensitive(&[0.5, 3.0, 0.0, 3.0, 7.0, 1.0], 3), [1, 3, 4]);
        assert!(sensitive(&[1.0, 2.0], 0).is_empty());
    }
}
