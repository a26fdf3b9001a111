//! Llama and Qwen2 language models on libtorch, block by block.
//!
//! [`config`] turns `config.json` into a checked [`ModelConfig`]; [`weights`] reads the safetensors; [`rope`],
//! [`block`] and [`ends`] are the parts of the network (Hugging Face transformers' `modeling_llama.py` and
//! `modeling_qwen2.py` are the reference for every operation's order and number format); [`Model`] joins them.

pub mod block;
pub mod cache;
pub mod config;
pub mod ends;
mod error;
pub mod grad;
pub mod layout;
mod norm;
pub mod rope;
pub mod weights;

pub use block::{Block, Proj};
pub use config::ModelConfig;
pub use ends::{Embedding, Head};
pub use error::ModelError;
pub use layout::{LinearWeight, linear_weights};
pub use rope::{Angles, Rope};
pub use weights::{LinearSource, Weights};

use crate::Result;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A whole model on one device in one number format.
#[derive(Debug)]
pub struct Model {
    /// What it is.
    pub config: ModelConfig,
    /// Token ids → hidden states.
    pub embedding: Embedding,
    /// The decoder blocks, first to last.
    pub blocks: Vec<Block>,
    /// Hidden states → logits.
    pub head: Head,
}

impl Model {
    /// Loads a model folder; linear weights that `source` has replace those of the folder.
    pub fn load(
        folder: &Path,
        kind: Kind,
        device: Device,
        source: Option<&dyn LinearSource>,
    ) -> Result<Self> {
        let config = ModelConfig::read(folder)?;
        let weights = Weights::open(folder)?;
        let embedding = Embedding::load(&weights, &config, kind, device)?;
        let blocks = (0..config.layers)
            .map(|layer| Block::load(&weights, &config, layer, kind, device, source))
            .collect::<Result<_>>()?;
        let head = Head::load(&weights, &config, &embedding)?;
        Ok(Self { config, embedding, blocks, head })
    }

    /// The same model for another thread: the weights are shared, not copied.
    pub fn shallow_clone(&self) -> Self {
        Self {
            config: self.config.clone(),
            embedding: self.embedding.shallow_clone(),
            blocks: self.blocks.iter().map(Block::shallow_clone).collect(),
            head: self.head.shallow_clone(),
        }
    }

    /// Bytes of its weights; tied ones count once.
    pub fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| tensor.numel() * tensor.kind().elt_size_in_bytes();
        let blocks =
            self.blocks.iter().flat_map(|block| Proj::ALL.map(|proj| of(&block.linear(proj).weight)));
        let output = if self.config.tied { 0 } else { of(&self.head.weight) };
        of(&self.embedding.weight) + output + blocks.sum::<usize>()
    }

    /// The rotary table for sequences of up to `length` tokens, in the model's number format and device.
    pub fn rope(&self, length: i64) -> Result<Rope> {
        let like = &self.embedding.weight;
        Rope::new(&self.config, length, like.kind(), like.device())
    }

    /// Hidden states after the last block, before the final norm: `ids` [b, t] → [b, t, hidden].
    pub fn hidden(&self, ids: &Tensor, rope: &Rope) -> Result<Tensor> {
        let mut h = self.embedding.forward(ids)?;
        for block in &self.blocks {
            h = block.forward(&h, rope)?;
        }
        Ok(h)
    }

    /// Logits of every position: `ids` [b, t] → [b, t, vocab], in the model's number format.
    pub fn logits(&self, ids: &Tensor) -> Result<Tensor> {
        let length = ids.size().last().copied().unwrap_or(0);
        let rope = self.rope(length)?;
        self.head.logits(&self.hidden(ids, &rope)?)
    }
}
