//! The network: its size, its first weights, its loss, and how it is written.

use crate::Failure;
use half::bf16;
use serde_json::json;
use std::fs;
use std::path::Path;
use tacq_engine::model::{Model, Proj, Rope};
use tacq_engine::tensorfile::{TensorSpec, TensorWriter};
use tacq_quickstart::tokenizer::VOCABULARY;
use tacq_testkit::random::Random;
use tch::{Kind, Tensor};

const HIDDEN: usize = 256;
const INTERMEDIATE: usize = 704;
const LAYERS: usize = 8;
const HEADS: usize = 8;
const KV_HEADS: usize = 4;
const KV_WIDTH: usize = HIDDEN / HEADS * KV_HEADS;

/// Deviation of the first weights, as usual for transformers of this kind (GPT-2).
const DEVIATION: f32 = 0.02;

/// Where the first weights come from.
const SEED: u64 = 0;

/// `config.json`, as transformers reads it.
fn config() -> String {
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HIDDEN / HEADS,
        "max_position_embeddings": 2048,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "initializer_range": DEVIATION,
        "bos_token_id": 0,
        "eos_token_id": 3,
        "torch_dtype": "bfloat16",
    });
    serde_json::to_string_pretty(&config).expect("plain data") + "\n"
}

/// Names, shapes and first weights' deviations of all tensors; a norm has none and begins with ones.
fn tensors() -> Vec<(String, Vec<usize>, Option<f32>)> {
    // What adds to the residual stream is smaller, so that the sum over all layers has a size of one.
    let residual = DEVIATION / (2.0 * LAYERS as f32).sqrt();
    let mut tensors =
        vec![("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN], Some(DEVIATION))];
    for layer in 0..LAYERS {
        let mut add = |part: &str, shape: &[usize], deviation| {
            tensors.push((format!("model.layers.{layer}.{part}.weight"), shape.to_vec(), deviation));
        };
        add("input_layernorm", &[HIDDEN], None);
        add(Proj::Q.path(), &[HIDDEN, HIDDEN], Some(DEVIATION));
        add(Proj::K.path(), &[KV_WIDTH, HIDDEN], Some(DEVIATION));
        add(Proj::V.path(), &[KV_WIDTH, HIDDEN], Some(DEVIATION));
        add(Proj::O.path(), &[HIDDEN, HIDDEN], Some(residual));
        add("post_attention_layernorm", &[HIDDEN], None);
        add(Proj::Gate.path(), &[INTERMEDIATE, HIDDEN], Some(DEVIATION));
        add(Proj::Up.path(), &[INTERMEDIATE, HIDDEN], Some(DEVIATION));
        add(Proj::Down.path(), &[HIDDEN, INTERMEDIATE], Some(residual));
    }
    tensors.push(("model.norm.weight".to_owned(), vec![HIDDEN], None));
    tensors
}

/// Writes a folder with the untrained network in float32.
pub fn write_random(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("config.json"), config())?;
    let mut random = Random::new(SEED);
    let tensors = tensors().into_iter().map(|(name, shape, deviation)| {
        let n = shape.iter().product();
        let values = match deviation {
            Some(deviation) => (0..n).map(|_| random.normal() * deviation).collect(),
            None => vec![1.0; n],
        };
        tacq_testkit::safetensors::Tensor { name, shape, values }
    });
    Ok(tacq_testkit::safetensors::write(&folder.join("model.safetensors"), &tensors.collect::<Vec<_>>())?)
}

/// All weights with their names, to be learnt; they share the model's memory.
pub fn parameters(model: &Model) -> Vec<(String, Tensor)> {
    let mut parameters = vec![("model.embed_tokens.weight".to_owned(), &model.embedding.weight)];
    for (layer, block) in (0..).zip(&model.blocks) {
        let norm = |part: &str| format!("model.layers.{layer}.{part}.weight");
        parameters.push((norm("input_layernorm"), &block.attn_norm_weight));
        parameters.push((norm("post_attention_layernorm"), &block.mlp_norm_weight));
        parameters.extend(Proj::ALL.map(|proj| (proj.weight_name(layer), &block.linear(proj).weight)));
    }
    parameters.push(("model.norm.weight".to_owned(), &model.head.norm));
    let shared = |(name, tensor): (String, &Tensor)| {
        let tensor = tensor.shallow_clone();
        (name, tensor.set_requires_grad(true))
    };
    parameters.into_iter().map(shared).collect()
}

/// Sum of the weighted cross-entropies of rows `ids` [b, t + 1], each token predicted from those before it; `weights`
/// [b, t] are those of the predicted tokens.
pub fn loss(model: &Model, rope: &Rope, ids: &Tensor, weights: &Tensor) -> Result<Tensor, Failure> {
    let length = ids.size()[1] - 1;
    let hidden = model.hidden(&ids.narrow(1, 0, length), rope)?;
    let logits = model.head.logits(&hidden)?.flatten(0, 1);
    let targets = ids.narrow(1, 1, length).flatten(0, 1);
    let each = logits.cross_entropy_loss::<Tensor>(&targets, None, tch::Reduction::None, -100, 0.0);
    Ok((each * weights.flatten(0, 1)).sum(Kind::Float))
}

/// Writes the trained model in bfloat16.
pub fn export(folder: &Path, parameters: &[(String, Tensor)]) -> Result<(), Failure> {
    fs::write(folder.join("config.json"), config())?;
    let shape = |tensor: &Tensor| tensor.size().iter().map(|&n| n as u64).collect::<Vec<_>>();
    let specs: Vec<TensorSpec> = parameters
        .iter()
        .map(|(name, tensor)| TensorSpec::new(name, safetensors::Dtype::BF16, &shape(tensor)))
        .collect();
    let metadata = [("format", "pt".to_owned())];
    let path = folder.join("model.safetensors");
    let mut file = TensorWriter::create_with_metadata(&path, &specs, &metadata)?;
    for (_, tensor) in parameters {
        let values = Vec::<f32>::try_from(tensor.detach().to_device(tch::Device::Cpu).flatten(0, -1))?;
        let bytes: Vec<u8> = values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect();
        file.write(&bytes)?;
    }
    Ok(file.commit()?)
}
