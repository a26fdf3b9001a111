//! `saliency`: gradients, weights and their uniform quantization → the best candidates.
//!
//! Matrix by matrix: no more than one matrix' scores exist at a time, and the running candidates.

use super::Context;
use crate::model::layout::weight_layout;
use crate::model::{ModelConfig, Weights};
use crate::quant::checkpoint::Checkpoint;
use crate::quant::dequantize_on;
use crate::saliency::{
    DeviceCandidates, DeviceInputs, Ranked, ScoreInputs, TopCandidates, histogram, histogram_on_device,
    scores, scores_on_device,
};
use crate::tensorfile::TensorFile;
use crate::{Result, fsx};
use std::path::Path;
use tacq_protocol::artifact::{ScoreHistograms, TensorShape, file, role};
use tacq_protocol::stage::{SaliencyParams, Score};
use tch::{Device, Kind, Tensor};

/// Ranks all linear weights and writes the best.
pub fn run(params: &SaliencyParams, context: &mut Context<'_>) -> Result<()> {
    let folder = context.input(role::MODEL)?;
    let weights = Weights::open(folder)?;
    let layout = weight_layout(&ModelConfig::read(folder)?);
    let sources = Sources::open(params, context, &weights)?;
    let total: u64 = layout.tensors.iter().map(|t| t.rows * t.cols).sum();
    let wanted = params.candidates.count_of(total) as usize;
    let largest = layout.tensors.iter().map(|t| t.rows * t.cols).max().unwrap_or(0) as usize;
    let on_device = params.score != Score::Random && DeviceCandidates::fit(wanted, largest, context.device);
    let mut top = if on_device {
        Top::Device(DeviceCandidates::new(wanted))
    } else {
        Top::Host(TopCandidates::new(wanted))
    };
    let (mut histograms, mut starts, mut first) = (Vec::new(), Vec::new(), 0);
    for (nth, tensor) in layout.tensors.iter().enumerate() {
        histograms.push(match &mut top {
            Top::Host(top) => {
                let scores = sources.scores(tensor, first)?;
                top.push(first, &scores);
                histogram(&tensor.name, &scores)
            }
            Top::Device(top) => {
                let scores = sources.scores_on(context.device, tensor, first)?;
                top.push(first, &scores)?;
                histogram_on_device(&tensor.name, &scores)?
            }
        });
        starts.push(first);
        first += tensor.rows * tensor.cols;
        context.report(nth as u64 + 1, layout.tensors.len() as u64, "tensors");
    }
    let candidates = match top {
        Top::Host(top) => Ranked::Host(top.into_sorted()),
        Top::Device(top) => top.into_ranked()?,
    };
    for (histogram, count) in histograms.iter_mut().zip(candidates.count_by_tensor(&starts)?) {
        histogram.candidates = count;
    }
    let output = context.output();
    candidates.write(output)?;
    fsx::write_json(&output.join(file::LAYOUT), &layout)?;
    let histograms = ScoreHistograms { score: params.score, tensors: histograms };
    Ok(fsx::write_json(&output.join(file::SCORE_HISTOGRAMS), &histograms)?)
}

/// The best so far.
enum Top {
    Host(TopCandidates),
    Device(DeviceCandidates),
}

/// What the score is made of.
struct Sources<'a> {
    score: Score,
    seed: u32,
    weights: &'a Weights,
    gradients: Option<TensorFile>,
    uniform: Option<Checkpoint>,
}

impl<'a> Sources<'a> {
    fn open(params: &SaliencyParams, context: &Context<'_>, weights: &'a Weights) -> Result<Self> {
        let score = params.score;
        let input = |role, name: &str| -> Result<_> { Ok(Path::new(context.input(role)?).join(name)) };
        let gradients = match score.reduction() {
            Some(_) => Some(TensorFile::open(&input(role::GRADIENTS, file::GRADIENTS)?)?),
            None => None,
        };
        let uniform = if score.needs_uniform() {
            Some(Checkpoint::open(&input(role::UNIFORM, file::CHECKPOINT)?)?)
        } else {
            None
        };
        let seed = params.seed.map_or(0, |seed| seed.get());
        Ok(Self { score, seed, weights, gradients, uniform })
    }

    /// Whether the score looks at the weights.
    fn needs_weights(&self) -> bool {
        !matches!(self.score, Score::Fisher | Score::SignedGrad | Score::AbsGrad | Score::Random)
    }

    /// [`Self::scores`] on a CUDA device.
    fn scores_on(&self, device: Device, tensor: &TensorShape, first: u64) -> Result<Tensor> {
        let (name, shape) = (&tensor.name, [tensor.rows as i64, tensor.cols as i64]);
        let weights = || self.weights.get_shaped(name, &shape, Kind::Float, device);
        let gradients = |file: &TensorFile| -> Result<Tensor> {
            file.check_shape(name, &shape)?;
            Ok(file.get_on(name, device)?.f_to_kind(Kind::Float)?)
        };
        let quantized = |checkpoint: &Checkpoint| -> Result<Tensor> {
            Ok(dequantize_on(&checkpoint.load_shaped(name, tensor)?, device)?)
        };
        let inputs = DeviceInputs {
            weights: self.needs_weights().then(weights).transpose()?,
            gradients: self.gradients.as_ref().map(gradients).transpose()?,
            quantized: self.uniform.as_ref().map(quantized).transpose()?,
        };
        let scores = scores_on_device(self.score, &inputs)?;
        if scores.f_isnan()?.f_any()?.f_int64_value(&[])? != 0 {
            // The host says where.
            self.scores(tensor, first)?;
        }
        Ok(scores)
    }

    fn scores(&self, tensor: &TensorShape, first: u64) -> Result<Vec<f32>> {
        let (name, shape) = (&tensor.name, [tensor.rows as i64, tensor.cols as i64]);
        let weights = if self.needs_weights() {
            elements(&self.weights.get_shaped(name, &shape, Kind::Float, Device::Cpu)?)?
        } else {
            Vec::new()
        };
        let gradients = match &self.gradients {
            Some(file) => elements(&file.get_shaped(name, &shape)?)?,
            None => Vec::new(),
        };
        let quantized = match &self.uniform {
            Some(checkpoint) => checkpoint.load_shaped(name, tensor)?.dequantize(),
            None => Vec::new(),
        };
        let inputs = ScoreInputs {
            weights: &weights,
            quantized: &quantized,
            gradients: &gradients,
            first,
            seed: self.seed,
            len: (tensor.rows * tensor.cols) as usize,
            cols: tensor.cols as usize,
        };
        Ok(scores(self.score, name, &inputs)?)
    }
}

/// A tensor's elements, row-major.
fn elements(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(Vec::try_from(&tensor.f_to_kind(Kind::Float)?.f_reshape([-1])?)?)
}
