//! The scores of one matrix (arXiv 2504.07389, section 3 and table 5).

use super::SaliencyError;
use super::random::uniform;
use rayon::prelude::*;
use tacq_protocol::stage::Score;

/// What a score may need of one matrix, row-major; what a score does not need is not looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScoreInputs<'a> {
    /// Weights.
    pub weights: &'a [f32],
    /// Weights after uniform quantization.
    pub quantized: &'a [f32],
    /// The score's gradient statistic.
    pub gradients: &'a [f32],
    /// Global index of the first weight.
    pub first: u64,
    /// Seed of [`Score::Random`].
    pub seed: u32,
    /// Weights in the matrix.
    pub len: usize,
    /// Input features, for messages.
    pub cols: usize,
}

/// Computes the scores of the matrix called `tensor`; each is 0 or more.
pub fn scores(score: Score, tensor: &str, inputs: &ScoreInputs<'_>) -> Result<Vec<f32>, SaliencyError> {
    let &ScoreInputs { weights: w, quantized: q, gradients: g, first, seed, .. } = inputs;
    let one = |i: usize| match score {
        // Σ|g| and |Σg| differ in the statistic; the product is the same.
        Score::Tacq | Score::Signed => w[i].abs() * g[i].abs() * (w[i] - q[i]).abs(),
        Score::Weight => w[i].abs(),
        Score::Fisher | Score::SignedGrad | Score::AbsGrad => g[i].abs(),
        Score::Msg => w[i].abs() * g[i].abs(),
        Score::Qal => g[i].abs() * (w[i] - q[i]).abs(),
        Score::Random => uniform(seed, first + i as u64),
    };
    let scores: Vec<f32> = (0..inputs.len).into_par_iter().map(one).collect();
    match scores.par_iter().position_first(|s| s.is_nan()) {
        None => Ok(scores),
        Some(at) => Err(SaliencyError::ScoreNotFinite {
            score: score.name(),
            tensor: tensor.to_owned(),
            row: at / inputs.cols,
            col: at % inputs.cols,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: [f32; 3] = [2.0, -3.0, 0.5];
    const QUANTIZED: [f32; 3] = [1.5, -3.25, 0.5];
    const GRADIENTS: [f32; 3] = [4.0, -8.0, 16.0];

    fn inputs() -> ScoreInputs<'static> {
        ScoreInputs {
            weights: &WEIGHTS,
            quantized: &QUANTIZED,
            gradients: &GRADIENTS,
            len: 3,
            cols: 3,
            ..ScoreInputs::default()
        }
    }

    #[test]
    fn each_score_is_its_definition() {
        for (score, expected) in [
            (Score::Tacq, [4.0, 6.0, 0.0]),
            (Score::Signed, [4.0, 6.0, 0.0]),
            (Score::Weight, [2.0, 3.0, 0.5]),
            (Score::Fisher, [4.0, 8.0, 16.0]),
            (Score::SignedGrad, [4.0, 8.0, 16.0]),
            (Score::AbsGrad, [4.0, 8.0, 16.0]),
            (Score::Msg, [8.0, 24.0, 8.0]),
            (Score::Qal, [2.0, 2.0, 0.0]),
        ] {
            assert_eq!(scores(score, "w", &inputs()).unwrap(), expected, "{score}");
        }
    }

    #[test]
    fn random_scores_depend_on_the_global_index_only() {
        let whole =
            scores(Score::Random, "w", &ScoreInputs { seed: 3, len: 10, cols: 5, ..inputs() }).unwrap();
        let tail = ScoreInputs { seed: 3, first: 4, len: 6, cols: 3, ..inputs() };
        assert_eq!(scores(Score::Random, "w", &tail).unwrap(), whole[4..]);
    }

    #[test]
    fn a_nan_score_is_named() {
        let gradients = [1.0, f32::NAN, 1.0];
        let inputs = ScoreInputs { gradients: &gradients, ..inputs() };
        let error = scores(Score::Qal, "w", &inputs).unwrap_err();
        assert!(matches!(error, SaliencyError::ScoreNotFinite { row: 0, col: 1, .. }), "{error}");
        assert_eq!(error.kind(), tacq_protocol::FailureKind::Numerics);
    }
}
