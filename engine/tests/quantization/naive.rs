//! Block-by-block GPTQ as the reference does it: each group of projections after a run of the whole block, one sequence
//! at a time, with the weights quantized so far.
//!
//! Those are taken from the checkpoint under test, so that each matrix is compared on equal inputs: one code that
//! differs would otherwise change all that come after it.

use std::collections::BTreeMap;
use std::path::Path;
use tacq_engine::data::Sequences;
use tacq_engine::model::layout::linear_weights;
use tacq_engine::model::{Block, LinearSource, Model, Proj, Rope};
use tacq_engine::quant::checkpoint::Checkpoint;
use tacq_engine::quant::gptq::GptqSettings;
use tacq_engine::quant::{Factor, MatrixMask, QuantizedMatrix, Scheme, gptq};
use tch::{Device, Kind, Tensor};

/// The input of a projection for hidden states at the block's start.
fn input_of(block: &Block, proj: Proj, h: &Tensor, rope: &Rope) -> Tensor {
    match proj {
        Proj::Q | Proj::K | Proj::V => block.attn_norm(h).unwrap(),
        Proj::O => block.attention(&block.attn_norm(h).unwrap(), rope).unwrap(),
        Proj::Gate | Proj::Up => block.mlp_norm(&block.forward_attention(h, rope).unwrap()).unwrap(),
        Proj::Down => {
            let middle = block.forward_attention(h, rope).unwrap();
            block.mlp_activation(&block.mlp_norm(&middle).unwrap()).unwrap()
        }
    }
}

pub fn quantize(
    model: &Path,
    calibration: &Path,
    checkpoint: &Checkpoint,
    true_sequential: bool,
) -> BTreeMap<String, QuantizedMatrix> {
    let _no_grad = tch::no_grad_guard();
    let Scheme::Grids(spec) = checkpoint.scheme() else { panic!("GPTQ's codes stand on grids") };
    let mut model = Model::load(model, Kind::Float, Device::Cpu, None).unwrap();
    let sequences = Sequences::read(calibration).unwrap();
    let rope = model.rope(sequences.longest() as i64).unwrap();
    let mut hidden: Vec<Tensor> = (0..sequences.len())
        .map(|i| model.embedding.forward(&sequences.tensor(i).unwrap()).unwrap())
        .collect();
    let mut result = BTreeMap::new();
    let names = linear_weights(&model.config);
    for (layer, block) in model.blocks.iter_mut().enumerate() {
        let original = block.shallow_clone();
        for group in [&[Proj::K, Proj::V, Proj::Q][..], &[Proj::O], &[Proj::Up, Proj::Gate], &[Proj::Down]] {
            for (i, &proj) in group.iter().enumerate() {
                // Within a group nothing that the inputs depend on changes, so each may collect for itself.
                assert!(i == 0 || proj != group[0]);
                let source = if true_sequential { &*block } else { &original };
                let mut h = Tensor::zeros([1], (Kind::Float, Device::Cpu));
                for (n, state) in hidden.iter().enumerate() {
                    let x = input_of(source, proj, state, &rope).squeeze_dim(0);
                    let n = n as f64;
                    h = h * (n / (n + 1.0)) + x.tr().matmul(&x) * (2.0 / (n + 1.0));
                }
                let factor = Factor::new("w", h, "0.01".parse().unwrap()).unwrap();
                let weight = &original.linear(proj).weight;
                let rows = weight.size()[0] as usize;
                let settings = GptqSettings { spec, block_size: 128, static_groups: false };
                let (matrix, _) =
                    gptq::quantize("w", weight, &factor, settings, MatrixMask::empty(rows)).unwrap();
                let name = &names[7 * layer + proj as usize].name;
                block.set_weight(proj, &checkpoint.linear(name, Device::Cpu).unwrap().unwrap()).unwrap();
                result.insert(name.clone(), matrix);
            }
        }
        for state in &mut hidden {
            *state = block.forward(state, &rope).unwrap();
        }
    }
    result
}
