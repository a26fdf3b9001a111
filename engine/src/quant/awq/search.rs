//! How much each input feature is scaled up.

use super::grids::rounded;
use crate::Result;
use crate::device;
use crate::model::{Block, Proj, Rope};
use crate::quant::matrix::MatrixSpec;
use crate::quant::{Hessian, QuantError};
use tch::{Kind, TchError, Tensor};

/// Exponents that are compared: 0, 1/20 … 19/20.
const EXPONENTS: u32 = 20;
/// Of so many, weights are there at a time.
const AT_ONCE: usize = 10;
/// About so many tokens are kept for clipping.
const SAMPLE: i64 = 512;
/// The least scale before normalization.
const LEAST_SCALE: f64 = 1e-4;

/// From the hidden states at a block's start to inputs, and from inputs to what is compared.
type Forward = fn(&Block, &Tensor, &Rope) -> Result<Tensor>;

/// Projections that share their inputs, and where to look at what they do.
pub struct Part {
    pub projections: &'static [Proj],
    /// Whether scales are searched for.
    is_scaled: bool,
    inputs: Forward,
    /// What is compared; the projection's own output when absent.
    outputs: Option<Forward>,
}

impl Part {
    /// Those of a block.
    pub fn all(block: &Block) -> [Part; 4] {
        let shape = |proj: Proj| block.linear(proj).weight.size();
        [
            Part {
                projections: &[Proj::Q, Proj::K, Proj::V],
                is_scaled: true,
                inputs: |block, h, _| block.attn_norm(h),
                outputs: Some(|block, x, rope| block.linear(Proj::O).forward(&block.attention(x, rope)?)),
            },
            Part {
                projections: &[Proj::O],
                // As in the paper's code: else its scales could not be folded into v.
                is_scaled: shape(Proj::V) == shape(Proj::O),
                inputs: |block, h, rope| block.attention(&block.attn_norm(h)?, rope),
                outputs: None,
            },
            Part {
                projections: &[Proj::Gate, Proj::Up],
                is_scaled: true,
                inputs: |block, h, rope| block.mlp_norm(&block.forward_attention(h, rope)?),
                outputs: Some(|block, x, _| block.linear(Proj::Down).forward(&block.mlp_activation(x)?)),
            },
            Part {
                projections: &[Proj::Down],
                is_scaled: true,
                inputs: |block, h, rope| {
                    block.mlp_activation(&block.mlp_norm(&block.forward_attention(h, rope)?)?)
                },
                outputs: None,
            },
        ]
    }
}

/// A search for the scales of one part.
pub struct Search<'a> {
    pub batches: &'a [Tensor],
    pub rope: &'a Rope,
    pub block: &'a Block,
    pub part: &'a Part,
    pub spec: MatrixSpec,
    /// The first weight's name, for messages.
    pub name: &'a str,
}

impl Search<'_> {
    /// The scale of each input feature of `weights` f32 [rows, cols], f32 \[cols\] such as 16 bits can hold; and some
    /// inputs [tokens, cols].
    pub fn run(&self, weights: &[&Tensor]) -> Result<(Tensor, Tensor)> {
        let (mean, sample) = self.activations()?;
        let not_finite = || QuantError::HessianNotFinite { tensor: self.name.to_owned() };
        if mean.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(not_finite().into());
        }
        let in_half = |scales: Tensor| -> Result<Tensor, TchError> {
            scales.f_to_kind(Kind::Half)?.f_clamp_min(1e-7)?.f_to_kind(Kind::Float)
        };
        if !self.part.is_scaled {
            return Ok((mean.f_ones_like()?, sample));
        }
        let candidates: Vec<Tensor> = (0..EXPONENTS)
            .map(|nth| in_half(scales(&mean, f64::from(nth) / f64::from(EXPONENTS))?))
            .collect::<Result<_, _>>()?;
        let mut losses = Vec::new();
        match self.part.outputs {
            None => losses = device::with_full_precision(|| self.linear_losses(weights[0], &candidates))?,
            Some(outputs) => {
                for chunk in candidates.chunks(AT_ONCE) {
                    losses.extend(self.losses(weights, chunk, outputs)?);
                }
            }
        }
        let first = |best: usize, nth: usize| if losses[nth] < losses[best] { nth } else { best };
        let best = (0..losses.len()).fold(0, first);
        if !losses[best].is_finite() {
            return Err(not_finite().into());
        }
        Ok((candidates[best].shallow_clone(), sample))
    }

    /// The mean magnitude of each input feature, and a sample of tokens, evenly spaced.
    fn activations(&self) -> Result<(Tensor, Tensor)> {
        let tokens: i64 = self.batches.iter().map(|h| h.size()[0] * h.size()[1]).sum();
        let stride = (tokens / SAMPLE).max(1);
        let (mut sum, mut sample, mut first) = (None::<Tensor>, Vec::new(), 0);
        for hidden in self.batches {
            let inputs = self.inputs(hidden)?;
            let x = inputs.f_reshape([-1, inputs.size()[2]])?;
            let magnitudes = x.f_abs()?.f_sum_dim_intlist([0].as_slice(), false, Kind::Float)?;
            sum = Some(match sum {
                None => magnitudes,
                Some(sum) => sum.f_add(&magnitudes)?,
            });
            let n = x.size()[0];
            let offset = (stride - first % stride) % stride;
            if offset < n {
                sample.push(x.f_slice(0, offset, n, stride)?.f_to_kind(Kind::Float)?);
            }
            first += n;
        }
        let sum = sum.expect("a calibration set has at least one sequence");
        Ok((sum.f_div_scalar(tokens as f64)?, Tensor::f_cat(&sample, 0)?))
    }

    fn inputs(&self, hidden: &Tensor) -> Result<Tensor> {
        (self.part.inputs)(self.block, hidden, self.rope)
    }

    /// A weight with each of the scales, f32 [rows, cols].
    fn changed(&self, weight: &Tensor, scales: &Tensor) -> Result<Tensor, TchError> {
        rounded(&weight.f_mul(scales)?, self.spec)?.f_div(scales)
    }

    /// What [`Self::losses`] is where outputs are the weight's own, up to a factor: Σ over tokens of ‖δ·x‖² is
    /// tr(δ·(Σ x·xᵀ)·δᵀ), so that one pass does for all scales.
    fn linear_losses(&self, weight: &Tensor, candidates: &[Tensor]) -> Result<Vec<f64>> {
        let mut products = Hessian::new(weight.size()[1], weight.device())?;
        for hidden in self.batches {
            products.add(&self.inputs(hidden)?)?;
        }
        let products = products.finish()?;
        let loss = |scales: &Tensor| -> Result<Tensor, TchError> {
            let change = self.changed(weight, scales)?.f_sub(weight)?;
            change.f_mm(&products)?.f_mul_(&change)?.f_sum(Kind::Double)
        };
        let losses = candidates.iter().map(loss).collect::<Result<Vec<_>, _>>()?;
        Ok(Vec::try_from(&Tensor::f_stack(&losses, 0)?)?)
    }

    /// Σ of the outputs' squared changes with each of the scales.
    fn losses(&self, weights: &[&Tensor], candidates: &[Tensor], outputs: Forward) -> Result<Vec<f64>> {
        let mut blocks = Vec::new();
        for scales in candidates {
            let mut block = self.block.shallow_clone();
            for (&proj, weight) in self.part.projections.iter().zip(weights) {
                block.set_weight(proj, &self.changed(weight, scales)?)?;
            }
            blocks.push(block);
        }
        let mut losses: Vec<Option<Tensor>> = candidates.iter().map(|_| None).collect();
        for hidden in self.batches {
            let inputs = self.inputs(hidden)?;
            let outputs = |block: &Block| outputs(block, &inputs, self.rope);
            let exact = outputs(self.block)?;
            for (loss, block) in losses.iter_mut().zip(&blocks) {
                let change = outputs(block)?.f_sub(&exact)?.f_to_kind(Kind::Float)?;
                let sum = change.f_square()?.f_sum(Kind::Double)?;
                *loss = Some(match loss.take() {
                    None => sum,
                    Some(loss) => loss.f_add(&sum)?,
                });
            }
        }
        let losses: Vec<Tensor> = losses.into_iter().flatten().collect();
        Ok(Vec::try_from(&Tensor::f_stack(&losses, 0)?)?)
    }
}

/// mean^exponent, normalized so that the geometric mean of the least and the largest is 1.
pub fn scales(mean: &Tensor, exponent: f64) -> Result<Tensor, TchError> {
    let scales = mean.f_pow_tensor_scalar(exponent)?.f_clamp_min(LEAST_SCALE)?;
    scales.f_div(&scales.f_max()?.f_mul(&scales.f_min()?)?.f_sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use std::path::PathBuf;
    use tacq_protocol::stage::Grid;
    use tacq_protocol::units::{Bits, GroupSize};
    use tch::Device;

    /// f32 sums in another order.
    const TOLERANCE: f64 = 1e-4;

    fn model() -> Model {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama");
        Model::load(&folder, Kind::Float, Device::Cpu, None).unwrap()
    }

    /// Hidden states of which a few features are much larger.
    fn batches(hidden: i64) -> Vec<Tensor> {
        tch::manual_seed(4);
        let random = |rows| Tensor::randn([rows, 20, hidden], (Kind::Float, Device::Cpu));
        let batches = [random(3), random(2)];
        batches.iter().for_each(|h| drop(h.narrow(2, 0, 4).g_mul_scalar_(8.0)));
        batches.into()
    }

    fn with_search<T>(nth: usize, f: impl FnOnce(&Search<'_>, &[&Tensor]) -> T) -> T {
        let model = model();
        let block = &model.blocks[0];
        let part = &Part::all(block)[nth];
        let weights: Vec<&Tensor> = part.projections.iter().map(|&proj| &block.linear(proj).weight).collect();
        let spec = MatrixSpec {
            bits: Bits::new(3).unwrap(),
            group_size: Some(GroupSize::new(8).unwrap()),
            grid: Grid::Minmax,
        };
        let batches = batches(model.embedding.weight.size()[1]);
        let rope = model.rope(20).unwrap();
        let search = Search { batches: &batches, rope: &rope, block, part, spec, name: "w" };
        f(&search, &weights)
    }

    #[test]
    fn a_projections_own_outputs_are_compared_without_computing_them() {
        with_search(3, |search, weights| {
            let (mean, _) = search.activations().unwrap();
            let candidates: Vec<Tensor> = [0.0, 0.3, 0.9].map(|a| scales(&mean, a).unwrap()).into();
            let ours = search.linear_losses(weights[0], &candidates).unwrap();
            let plain = search
                .losses(weights, &candidates, |block, x, _| block.linear(Proj::Down).forward(x))
                .unwrap();
            // The statistics are a mean over sequences, times two.
            for (ours, plain) in ours.iter().zip(&plain) {
                let expected = plain * 2.0 / 5.0;
                assert!((ours / expected - 1.0).abs() < TOLERANCE, "{ours} {expected}");
            }
        });
    }

    #[test]
    fn the_scales_are_those_that_change_outputs_least() {
        for nth in [0, 2, 3] {
            with_search(nth, |search, weights| {
                let (found, sample) = search.run(weights).unwrap();
                assert_eq!(sample.size(), [100, weights[0].size()[1]]);
                let (mean, _) = search.activations().unwrap();
                // Straight from the definition, a block at a time.
                let loss = |scales: &Tensor| {
                    let mut block = search.block.shallow_clone();
                    for (&proj, weight) in search.part.projections.iter().zip(weights) {
                        let changed = rounded(&(*weight * scales), search.spec).unwrap() / scales;
                        block.set_weight(proj, &changed).unwrap();
                    }
                    let whole = |block: &Block, h: &Tensor| block.forward(h, search.rope).unwrap();
                    let change =
                        |h: &Tensor| (whole(&block, h) - whole(search.block, h)).square().sum(Kind::Double);
                    // q, k and v change the MLP's inputs too, so for them only attention is looked at.
                    let attention =
                        |block: &Block, h: &Tensor| block.forward_attention(h, search.rope).unwrap();
                    let of = |h: &Tensor| match nth {
                        0 => (attention(&block, h) - attention(search.block, h)).square().sum(Kind::Double),
                        _ => change(h),
                    };
                    search.batches.iter().map(|h| of(h).double_value(&[])).sum::<f64>()
                };
                let all: Vec<f64> =
                    (0..20).map(|i| loss(&scales(&mean, f64::from(i) / 20.0).unwrap())).collect();
                let least = all.iter().copied().fold(f64::INFINITY, f64::min);
                assert!(loss(&found) <= least * 1.01, "part {nth}: {} {all:?}", loss(&found));
                assert!(least < all[0], "scaling helps: {all:?}");
            });
        }
    }

    #[test]
    fn activations_that_are_no_numbers_are_refused() {
        with_search(0, |search, weights| {
            let batches: Vec<Tensor> = search.batches.iter().map(|h| h * f64::NAN).collect();
            let error = Search { batches: &batches, ..*search }.run(weights).unwrap_err();
            assert!(error.to_string().contains("not finite on the calibration set"), "{error}");
        });
    }
}
