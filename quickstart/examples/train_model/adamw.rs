//! AdamW (arXiv 1711.05101) whose state can be saved, which that of libtorch's own, as tch gives it, cannot.

use tch::{Kind, Tensor, no_grad};

const BETAS: (f64, f64) = (0.9, 0.95);
const EPSILON: f64 = 1e-8;
/// On matrices; norms are left alone.
const WEIGHT_DECAY: f64 = 0.1;
/// Longest gradient; longer ones are shortened.
const CLIP: f64 = 1.0;

const PEAK: f64 = 2e-3;
const WARM_UP: u64 = 400;
/// What is left of the peak at the end.
const LAST: f64 = 0.02;

/// Linear warm-up, then half a cosine down to a fiftieth.
pub fn learning_rate(step: u64, steps: u64) -> f64 {
    let warm = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
    let done = step.saturating_sub(WARM_UP) as f64 / steps.saturating_sub(WARM_UP).max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
    PEAK * warm * (LAST + (1.0 - LAST) * cosine)
}

/// Running means of the gradients and of their squares.
pub struct AdamW {
    /// As many as parameters.
    pub means: Vec<Tensor>,
    /// As many as parameters.
    pub squares: Vec<Tensor>,
    /// Steps taken.
    pub n_steps: i32,
}

impl AdamW {
    /// Before the first step.
    pub fn new(parameters: &[(String, Tensor)]) -> Self {
        let zeros = || parameters.iter().map(|(_, tensor)| tensor.detach().zeros_like()).collect();
        Self { means: zeros(), squares: zeros(), n_steps: 0 }
    }

    /// Changes the parameters by their gradients, and clears those.
    pub fn step(&mut self, parameters: &[(String, Tensor)], rate: f64) {
        self.n_steps += 1;
        let (beta1, beta2) = BETAS;
        let unbiased = [beta1, beta2].map(|beta| 1.0 - beta.powi(self.n_steps));
        no_grad(|| {
            let gradients: Vec<Tensor> = parameters.iter().map(|(_, tensor)| tensor.grad()).collect();
            let squares: Vec<Tensor> = gradients.iter().map(|g| g.square().sum(Kind::Float)).collect();
            let norm = Tensor::stack(&squares, 0).sum(Kind::Float).sqrt();
            // Stays on the device: the host need not wait for it.
            let shrink = ((norm + 1e-6).reciprocal() * CLIP).clamp_max(1.0);
            for (i, (_, parameter)) in parameters.iter().enumerate() {
                let gradient = &gradients[i] * &shrink;
                let (mean, square) = (&mut self.means[i], &mut self.squares[i]);
                *mean *= beta1;
                *mean += &gradient * (1.0 - beta1);
                *square *= beta2;
                *square += gradient.square() * (1.0 - beta2);
                let mut parameter = parameter.shallow_clone();
                if parameter.dim() > 1 {
                    parameter *= 1.0 - rate * WEIGHT_DECAY;
                }
                let root = (&*square / unbiased[1]).sqrt() + EPSILON;
                parameter -= (&*mean / root) * (rate / unbiased[0]);
                parameter.zero_grad();
            }
        });
    }
}
