//! One pass of packed tokens through the network.

use super::cache::{Cache, Space};
use super::kernel::{floats, silu_mul};
use super::packed::{Packed, padded};
use super::{ROWS, plan};
use crate::model::{Block, Model, ModelError, Proj, Rope};
use crate::{Result, device};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// Tokens of a pass on the CPU: enough for products to run at full speed, few enough for the cache.
const HOST_TOKENS: usize = 1024;
/// Tokens of a pass on a device with memory to spare.
const DEVICE_TOKENS: usize = 8192;
/// Bytes that a pass on a device may need beside the model, keys and values.
const PASS_BYTES: usize = 3 << 30;
/// Bytes of keys and values on the host where nobody says how many.
const HOST_CACHE_BYTES: usize = 4 << 30;

/// A model ready for packed tokens.
pub struct Runner<'a> {
    model: &'a Model,
    rope: Rope,
    /// What caches are made for.
    pub space: Space,
    /// Most tokens of a pass.
    pub pass_tokens: usize,
}

/// Tokens computed once for many sequences.
pub struct Prefix {
    /// How many.
    pub len: usize,
    /// Their keys and values; absent if there are none.
    pub cache: Option<Rc<Cache>>,
}

impl<'a> Runner<'a> {
    /// For sequences of at most `longest` tokens.
    pub fn new(model: &'a Model, longest: usize) -> Result<Self> {
        let weight = &model.embedding.weight;
        let space = Space::new(&model.config, weight.kind(), weight.device());
        let pass_tokens = if weight.device().is_cuda() { DEVICE_TOKENS } else { HOST_TOKENS };
        Ok(Self { model, rope: model.rope(longest as i64)?, space, pass_tokens })
    }

    /// Checks that the model has all these tokens; on CUDA one that it has not would end the process.
    pub fn check<'t>(&self, ids: impl IntoIterator<Item = &'t u32>) -> Result<()> {
        let vocab = self.model.config.vocab;
        match ids.into_iter().map(|&id| i64::from(id)).find(|id| *id >= vocab) {
            Some(id) => Err(ModelError::TokenId { id, vocab }.into()),
            None => Ok(()),
        }
    }

    /// Computes the tokens that a group shares.
    pub fn prefix(&self, group: &plan::Group, ids: &[u32]) -> Result<Prefix> {
        let ids = &ids[..group.prefix];
        if ids.is_empty() {
            return Ok(Prefix { len: 0, cache: None });
        }
        let mut cache = Cache::new(self.space, None, 1, ids.len())?;
        for (i, part) in ids.chunks(self.pass_tokens).enumerate() {
            let mut packed = Packed::default();
            packed.push(0, i * self.pass_tokens, 0, part);
            let _ = self.hidden(&mut cache, &packed)?;
        }
        Ok(Prefix { len: ids.len(), cache: Some(Rc::new(cache)) })
    }

    /// Room for `rows` sequences of `tokens` each, after the prefix if there is one.
    pub fn cache(&self, prefix: Option<&Prefix>, rows: usize, tokens: usize) -> Result<Cache> {
        Cache::new(self.space, prefix.and_then(|prefix| prefix.cache.clone()), rows, tokens)
    }

    /// How many sequences of `tokens` fit in `bytes` (see [`super::Options::cache_bytes`]) beside `shared` tokens that all
    /// have, at least one.
    pub fn rows_in(&self, bytes: Option<usize>, shared: usize, tokens: usize) -> usize {
        let bytes = bytes.unwrap_or_else(|| match self.space.device {
            Device::Cuda(index) => {
                let left = device::budget_bytes(index).saturating_sub(self.model.bytes());
                left.saturating_sub(PASS_BYTES).max(left / 2)
            }
            _ => HOST_CACHE_BYTES,
        });
        let token = self.space.bytes_per_token();
        (bytes.saturating_sub(token * shared) / (token * tokens.max(1))).max(1)
    }

    /// Packed tokens → [n and padding, hidden], before the final norm. Their keys and values join the cache.
    pub fn hidden(&self, cache: &mut Cache, packed: &Packed) -> Result<Tensor> {
        let ids = device::place(&padded(&packed.ids), self.space.device)?;
        self.pass(cache, &ids, packed)
    }

    /// [`Self::hidden`] of tokens whose ids are these, i64 \[n\] on the device. Ids below 0 are taken for 0.
    pub fn hidden_of(&self, cache: &mut Cache, ids: &Tensor, packed: &Packed) -> Result<Tensor> {
        let padding = packed.len().next_multiple_of(ROWS) - packed.len();
        let ids = ids.f_clamp_min(0)?.f_constant_pad_nd([0, padding as i64])?;
        self.pass(cache, &ids, packed)
    }

    fn pass(&self, cache: &mut Cache, ids: &Tensor, packed: &Packed) -> Result<Tensor> {
        let positions = padded(&packed.positions);
        let mut h = self.model.embedding.look_up(ids)?;
        let angles = self.rope.at(&device::place(&positions, self.space.device)?)?;
        cache.begin(&packed.pieces, positions.len())?;
        let n = positions.len() as i64;
        for (layer, block) in self.model.blocks.iter().enumerate() {
            let g = block.geometry;
            let x = block.attn_norm(&h)?;
            let heads = |proj, n_heads| -> Result<Tensor> {
                Ok(block.linear(proj).forward(&x)?.f_view([n, n_heads, g.head_dim])?)
            };
            let (q, k) = (heads(Proj::Q, g.heads)?, heads(Proj::K, g.kv_heads)?);
            let context = cache.attend(layer, q, k, heads(Proj::V, g.kv_heads)?, &angles)?;
            h = h.f_add(&block.linear(Proj::O).forward(&context)?)?;
            h = if self.space.is_host() { host_mlp(block, &h)? } else { block.forward_mlp(&h)? };
        }
        Ok(h)
    }

    /// Logits as f32 [n, vocab] of some of a pass's tokens.
    pub fn logits(&self, hidden: &Tensor, tokens: &[usize]) -> Result<Tensor> {
        let mut index: Vec<i64> = tokens.iter().map(|&i| i as i64).collect();
        index.resize(tokens.len().next_multiple_of(ROWS), index.first().copied().unwrap_or(0));
        let index = device::place(&index, self.space.device)?;
        let logits = self.model.head.logits(&hidden.f_index_select(0, &index)?)?;
        Ok(logits.f_narrow(0, 0, tokens.len() as i64)?.f_to_kind(Kind::Float)?)
    }

    /// Tokens whose logits are computed at a time.
    pub fn logit_rows(&self) -> usize {
        (self.model.head.chunk_rows() as usize / ROWS * ROWS).max(ROWS)
    }
}

/// [`Block::forward_mlp`] with the kernel's silu.
fn host_mlp(block: &Block, h: &Tensor) -> Result<Tensor> {
    let x = block.mlp_norm(h)?;
    let mut gate = block.linear(Proj::Gate).forward(&x)?;
    silu_mul(floats::of_mut(&mut gate), floats::of(&block.linear(Proj::Up).forward(&x)?));
    Ok(h.f_add(&block.linear(Proj::Down).forward(&gate)?)?)
}
