//! Inputs for the tests of this module.

use super::MatrixSpec;
use tacq_protocol::stage::Grid;
use tacq_protocol::units::{Bits, GroupSize};

/// Reproducible normal numbers (a 64-bit linear congruential generator and Box and Muller's transform).
pub struct Normal(u64);

impl Normal {
    /// Any seed will do.
    pub fn new(seed: u64) -> Normal {
        Normal(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// One number of mean 0 and deviation 1.
    pub fn draw(&mut self) -> f64 {
        let (radius, angle) = ((-2.0 * self.uniform().ln()).sqrt(), std::f64::consts::TAU * self.uniform());
        radius * angle.cos()
    }

    /// `len` numbers of the given deviation.
    pub fn vector(&mut self, len: usize, deviation: f64) -> Vec<f32> {
        (0..len).map(|_| (deviation * self.draw()) as f32).collect()
    }
}

/// MSE grids of `bits`, in groups of `group` columns.
pub fn spec(bits: u64, group: Option<u64>) -> MatrixSpec {
    MatrixSpec {
        bits: Bits::new(bits).unwrap(),
        group_size: group.map(|g| GroupSize::new(g).unwrap()),
        grid: Grid::Mse,
    }
}
