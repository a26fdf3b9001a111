//! The second-order statistics of a layer's inputs: H = (2/n) Σ XᵀX over n sequences.

use tch::{Device, Kind, TchError, Tensor};

/// Columns of one panel of XᵀX. Only panels on and above the diagonal are computed: about 60 % of the products.
const PANEL: i64 = 192;

/// A running sum of XᵀX in f32.
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
        let rows = inputs.f_reshape([-1, features])?.f_to_kind(Kind::Float)?; // [tokens, features]
        let transposed = rows.f_transpose(0, 1)?;
        let mut start = 0;
        while start < features {
            let width = PANEL.min(features - start);
            let mut target = self.sum.f_narrow(0, start, width)?.f_narrow(1, start, features - start)?;
            let left = transposed.f_narrow(0, start, width)?;
            let _ = target.f_addmm_(&left, &rows.f_narrow(1, start, features - start)?)?;
            start += width;
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
        let features = PANEL + 61;
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
