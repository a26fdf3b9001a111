//! A Llama folder with random weights, as Hugging Face publishes models: config.json, model.safetensors,
//! tokenizer.json.

use crate::json::sorted;
use crate::random::Random;
use crate::safetensors::{Tensor, write};
use crate::tokenizer::{BOS, EOS, VOCAB_SIZE, tokenizer_json};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// Sizes of a Llama.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Decoder blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Attention heads.
    pub heads: usize,
    /// Key and value heads; a divisor of `heads`.
    pub kv_heads: usize,
}

impl Size {
    /// The smallest that still has grouped-query attention and several blocks: tests run it in milliseconds.
    pub const TINY: Size = Size { layers: 2, hidden: 32, intermediate: 64, heads: 4, kv_heads: 2 };

    /// Number of linear weights: what is quantized.
    pub fn linear_weights(&self) -> usize {
        let attention = 2 * self.hidden * self.hidden + 2 * self.kv_width() * self.hidden;
        self.layers * (attention + 3 * self.intermediate * self.hidden)
    }

    fn kv_width(&self) -> usize {
        self.hidden / self.heads * self.kv_heads
    }
}

/// Writes a model folder; equal arguments give equal bytes.
pub fn random_llama(folder: &Path, size: &Size, seed: u64) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let pretty = |value: Value| format!("{:#}\n", sorted(value));
    fs::write(folder.join("config.json"), pretty(config(size)))?;
    fs::write(folder.join("tokenizer.json"), pretty(tokenizer_json()))?;
    write(&folder.join("model.safetensors"), &weights(size, seed))
}

fn config(size: &Size) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "vocab_size": VOCAB_SIZE,
        "max_position_embeddings": 2048,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": false,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "torch_dtype": "float32",
    })
}

/// All tensors in model order. Rows have length about one, so that every block moves the residual stream.
fn weights(size: &Size, seed: u64) -> Vec<Tensor> {
    let mut random = Random::new(seed);
    let mut matrix = |name: String, rows: usize, cols: usize| {
        let scale = 1.0 / (cols as f32).sqrt();
        let values = (0..rows * cols).map(|_| random.normal() * scale).collect();
        Tensor { name, shape: vec![rows, cols], values }
    };
    let norm = |name: String| Tensor { name, shape: vec![size.hidden], values: vec![1.0; size.hidden] };

    let mut tensors = vec![matrix("model.embed_tokens.weight".to_owned(), VOCAB_SIZE, size.hidden)];
    for layer in 0..size.layers {
        let prefix = format!("model.layers.{layer}");
        tensors.push(norm(format!("{prefix}.input_layernorm.weight")));
        for (part, rows, cols) in [
            ("self_attn.q_proj", size.hidden, size.hidden),
            ("self_attn.k_proj", size.kv_width(), size.hidden),
            ("self_attn.v_proj", size.kv_width(), size.hidden),
            ("self_attn.o_proj", size.hidden, size.hidden),
            ("mlp.gate_proj", size.intermediate, size.hidden),
            ("mlp.up_proj", size.intermediate, size.hidden),
            ("mlp.down_proj", size.hidden, size.intermediate),
        ] {
            tensors.push(matrix(format!("{prefix}.{part}.weight"), rows, cols));
        }
        tensors.push(norm(format!("{prefix}.post_attention_layernorm.weight")));
    }
    tensors.push(norm("model.norm.weight".to_owned()));
    tensors.push(matrix("lm_head.weight".to_owned(), VOCAB_SIZE, size.hidden));
    tensors
}
