//! AWQ (arXiv 2306.00978): input features of large activations are scaled up before rounding to nearest, so that their
//! weights lose less.
//!
//! *Scales* (section 3.2, equations 4 and 5): s = mean(|x|)^α, α of 0, 1/20 … 19/20 the one with which the output of what
//! the projections feed (attention, the MLP, or the projection itself) changes least on the calibration set, as in the
//! paper's code: normalized to √(max·min) = 1, and o left alone where queries share keys. The code folds s into the layers
//! before; here it stays with the weight, Q(w·s)/s, which is the same: rows of a layer before that are divided by numbers
//! round to the same codes. Inputs are those of the unquantized model throughout.
//!
//! *Clipping* (section 3.2, "weight clipping"): each row's group is cut off at 1, 0.95 … 0.55 of its largest magnitude, with
//! the least squared error of its outputs on 512 to 1023 tokens, evenly spaced; not for q and k. Ranges hold 0, which in
//! the code those of one sign do not.

mod grids;
mod search;

use super::levels::{Grids, Levels};
use super::matrix::{MatrixSpec, QuantizedMatrix, Shape};
use super::pass::{self, BlockPass, Finished, Original};
use super::{MatrixMask, dequantize_on, rtn, weight_histogram_of};
use crate::data::Sequences;
use crate::model::{Block, Embedding, Proj, Rope};
use crate::tensorfile::tensor_bytes;
use crate::{Result, device};
use grids::{Rounded, clip, round};
use half::f16;
use search::{Part, Search};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};

/// AWQ's parameters.
#[derive(Debug, Clone, Copy)]
pub struct AwqSettings {
    /// Bits and groups; full ranges.
    pub spec: MatrixSpec,
    /// Whether groups are cut off.
    pub clip: bool,
}

/// The calibration set on its way through the model.
#[derive(Debug)]
pub struct Awq {
    settings: AwqSettings,
    /// Hidden states of the unquantized model at the current block boundary, [b, t, hidden] each.
    batches: Vec<Tensor>,
    rope: Rope,
    forward: Duration,
    scales: Duration,
    matrices: Duration,
}

impl Awq {
    /// Embeds the calibration set; `rope` covers its longest sequence.
    pub fn new(
        settings: AwqSettings,
        embedding: &Embedding,
        sequences: &Sequences,
        rope: Rope,
    ) -> Result<Self> {
        let (batches, none) = (pass::embed(embedding, sequences)?, Duration::ZERO);
        Ok(Self { settings, batches, rope, forward: none, scales: none, matrices: none })
    }

    /// Finds the scales of projections that share their inputs and quantizes them.
    fn quantize_group(
        &mut self,
        part: &Part,
        block: &Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        done: &mut BTreeMap<Proj, Finished>,
    ) -> Result<()> {
        let started = Instant::now();
        let originals =
            part.projections.iter().map(|&proj| original(proj)).collect::<Result<Vec<Original>>>()?;
        for Original { name, weight, .. } in &originals {
            let (rows, cols) = weight.size2()?;
            if weight.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
                let elements = Vec::<f32>::try_from(&weight.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
                rtn::check_finite(name, &elements, Shape { rows: rows as usize, cols: cols as usize })?;
            }
        }
        let search = Search {
            batches: &self.batches,
            rope: &self.rope,
            block,
            part,
            spec: self.settings.spec,
            name: &originals[0].name,
        };
        let weights: Vec<&Tensor> = originals.iter().map(|original| &original.weight).collect();
        let (scales, sample) = search.run(&weights)?;
        self.scales += started.elapsed();
        let started = Instant::now();
        for (&proj, Original { name, weight, .. }) in part.projections.iter().zip(originals) {
            let mut scaled = weight.f_mul(&scales)?;
            if self.settings.clip && !matches!(proj, Proj::Q | Proj::K) {
                // The inputs that scaled weights see.
                let sample = sample.f_div(&scales)?;
                scaled = device::with_full_precision(|| clip(&scaled, &sample, self.settings.spec))?;
            }
            let matrix = self.matrix(&scaled, &scales)?;
            drop(scaled);
            let quantized = dequantize_on(&matrix, weight.device())?;
            let histogram = weight_histogram_of(&name, &weight, &quantized)?;
            done.insert(proj, Finished { name, matrix, histogram });
        }
        device::wait(self.batches[0].device());
        self.matrices += started.elapsed();
        Ok(())
    }

    /// The codes of a scaled weight, with what they stand for.
    fn matrix(&self, scaled: &Tensor, scales: &Tensor) -> Result<QuantizedMatrix> {
        let (rows, cols) = scaled.size2()?;
        let shape = Shape { rows: rows as usize, cols: cols as usize };
        let Rounded { codes, scales: steps, zeros } = round(scaled, self.settings.spec)?;
        let of_columns = Vec::<f32>::try_from(&scales.f_to_device(tch::Device::Cpu)?)?;
        let is_scaled = of_columns.iter().any(|scale| *scale != 1.0);
        let levels = Levels::Grids(Grids {
            spec: self.settings.spec,
            scales: Vec::try_from(&steps.f_reshape([-1])?)?,
            zeros: tensor_bytes(&zeros.f_to_kind(Kind::Uint8)?)?,
            group_of: None,
            column_scales: is_scaled.then(|| of_columns.into_iter().map(f16::from_f32).collect()),
        });
        let (codes, mask) = (tensor_bytes(&codes)?, MatrixMask::empty(shape.rows));
        Ok(QuantizedMatrix { shape, codes, levels, mask, outliers: Vec::new() })
    }
}

impl BlockPass for Awq {
    fn sees_quantized(&self) -> bool {
        false
    }

    fn advance(&mut self, block: &Block) -> Result<()> {
        let started = Instant::now();
        for hidden in &mut self.batches {
            *hidden = block.forward(hidden, &self.rope)?;
        }
        device::wait(self.batches[0].device());
        self.forward += started.elapsed();
        Ok(())
    }

    fn quantize(
        &mut self,
        block: &mut Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        last: bool,
    ) -> Result<Vec<Finished>> {
        let mut done = BTreeMap::new();
        for part in Part::all(block) {
            self.quantize_group(&part, block, original, &mut done)?;
        }
        if !last {
            self.advance(block)?;
        }
        Ok(done.into_values().collect())
    }

    fn timings(&self) -> String {
        let [forward, scales, matrices] = [self.forward, self.scales, self.matrices].map(|d| d.as_secs_f64());
        format!("{forward:.1} s forward, {scales:.1} s scales, {matrices:.1} s matrices")
    }
}

#[cfg(test)]
mod tests;
