//! `saliency`: gradients, weights and their uniform quantization → the best candidates.
//!
//! Matrix by matrix: no more than one matrix' scores exist at a time, and the running candidates.

use super::Context;
use crate::model::layout::weight_layout;
use crate::model::{ModelConfig, Weights};
use crate::quant::checkpoint::Checkpoint;
use crate::saliency::{Histogram, ScoreInputs, TopCandidates, scores, write_candidates};
use crate::tensorfile::TensorFile;
use crate::{Result, fsx};
use serde::Serialize;
use std::path::Path;
use tacq_protocol::artifact::{TensorShape, file, role};
use tacq_protocol::stage::{SaliencyParams, Score};
use tch::{Device, Kind, Tensor};

/// `histograms.json`
#[derive(Serialize)]
struct Histograms {
    score: Score,
    tensors: Vec<Histogram>,
}

/// Ranks all linear weights and writes the best.
pub fn run(params: &SaliencyParams, context: &mut Context<'_>) -> Result<()> {
    let folder = context.input(role::MODEL)?;
    let weights = Weights::open(folder)?;
    let layout = weight_layout(&ModelConfig::read(folder)?);
    let sources = Sources::open(params, context, &weights)?;
    let total: u64 = layout.tensors.iter().map(|t| t.rows * t.cols).sum();
    let mut top = TopCandidates::new(params.candidates.count_of(total) as usize);
    let (mut histograms, mut starts, mut first) = (Vec::new(), Vec::new(), 0);
    for (nth, tensor) in layout.tensors.iter().enumerate() {
        let scores = sources.scores(tensor, first)?;
        histograms.push(Histogram::of(&tensor.name, &scores));
        top.push(first, &scores);
        starts.push(first);
        first += tensor.rows * tensor.cols;
        context.report(nth as u64 + 1, layout.tensors.len() as u64, "tensors");
    }
    let candidates = top.into_sorted();
    for candidate in &candidates {
        histograms[starts.partition_point(|&start| start <= candidate.index()) - 1].candidates += 1;
    }
    let output = context.output();
    write_candidates(output, &candidates)?;
    fsx::write_json(&output.join(file::LAYOUT), &layout)?;
    let histograms = Histograms { score: params.score, tensors: histograms };
    Ok(fsx::write_json(&output.join(file::HISTOGRAMS), &histograms)?)
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

    fn scores(&self, tensor: &TensorShape, first: u64) -> Result<Vec<f32>> {
        let (name, shape) = (&tensor.name, [tensor.rows as i64, tensor.cols as i64]);
        let needs_weights = !matches!(self.score, Score::Fisher | Score::AbsGrad | Score::Random);
        let weights = if needs_weights {
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
