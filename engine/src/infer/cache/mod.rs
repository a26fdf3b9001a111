//! Keys and values of sequences side by side, after a prefix that they share. Allocated once, filled in place.

mod host;
mod part;
mod store;
mod torch;

use super::packed::Piece;
use crate::Result;
use crate::model::block::Geometry;
use crate::model::{Angles, ModelConfig};
use host::HostCache;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};
use torch::TorchCache;

/// What a cache is made for.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// Decoder blocks.
    pub layers: usize,
    /// Head counts and the like.
    pub geometry: Geometry,
    /// Number format.
    pub kind: Kind,
    /// Where.
    pub device: Device,
}

impl Space {
    /// For a model's sizes.
    pub fn new(config: &ModelConfig, kind: Kind, device: Device) -> Self {
        let geometry = Geometry {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            eps: config.rms_norm_eps,
        };
        Self { layers: config.layers as usize, geometry, kind, device }
    }

    /// Whether our own kernels compute attention.
    pub fn is_host(&self) -> bool {
        #[cfg(test)]
        if FORCE_TORCH.get() {
            return false;
        }
        self.kind == Kind::Float && self.device == Device::Cpu
    }

    /// Bytes of a token's keys and values in all layers.
    pub fn bytes_per_token(&self) -> usize {
        2 * self.layers
            * (self.geometry.kv_heads * self.geometry.head_dim) as usize
            * self.kind.elt_size_in_bytes()
    }
}

/// Keys and values of rows: sequences without their shared prefix.
#[derive(Debug)]
pub enum Cache {
    /// In the kernels' layout.
    Host(HostCache),
    /// As libtorch's attention reads them.
    Torch(TorchCache),
}

impl Cache {
    /// Room for `rows` sequences of `tokens` each, after `prefix`, which is a cache of one row.
    pub fn new(space: Space, prefix: Option<Rc<Cache>>, rows: usize, tokens: usize) -> Result<Self> {
        #[cfg(test)]
        super::memory::ceiling::check(rows * tokens)?;
        Ok(if space.is_host() {
            Cache::Host(HostCache::new(space, prefix, rows, tokens)?)
        } else {
            Cache::Torch(TorchCache::new(space, prefix, rows, tokens)?)
        })
    }

    /// Prepares for the pass whose tokens are these; `padded` counts them and the padding after them.
    pub fn begin(&mut self, pieces: &[Piece], padded: usize) -> Result<()> {
        match self {
            Cache::Host(cache) => {
                cache.begin(pieces, padded);
                Ok(())
            }
            Cache::Torch(cache) => cache.begin(pieces, padded),
        }
    }

    /// Rotates queries and keys, stores keys and values of the pass's tokens, and attends: `q` [n, heads, dim] and `k`
    /// [n, kv heads, dim] before rotation, `v` like k → [n, heads · dim]. What padding gets is unspecified but finite.
    pub fn attend(
        &mut self,
        layer: usize,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        angles: &Angles,
    ) -> Result<Tensor> {
        match self {
            Cache::Host(cache) => cache.attend(layer, &angles.apply(&q)?, &angles.apply(&k)?, &v),
            Cache::Torch(cache) => {
                let (q, k) = cache.store(layer, q, k, &v, angles)?;
                cache.attend(layer, &q, &k, &v)
            }
        }
    }

    /// Copies the tokens of `prefix`, a cache of one row, to the start of a row, where they count as its own. Only for
    /// libtorch's caches; on the host all rows have one prefix, which is read where it is.
    pub fn adopt(&mut self, prefix: &Cache, row: usize) -> Result<()> {
        match (self, prefix) {
            (Cache::Torch(cache), Cache::Torch(prefix)) => cache.adopt(prefix, row..row + 1),
            _ => unreachable!("only libtorch's caches keep rows whole"),
        }
    }

    /// Copies the first `tokens` tokens of row `from` over those of row `to`.
    pub fn copy_row(&mut self, from: usize, to: usize, tokens: usize) -> Result<()> {
        match self {
            Cache::Host(cache) => {
                cache.copy_row(from, to, tokens);
                Ok(())
            }
            Cache::Torch(cache) => cache.copy_row(from, to, tokens),
        }
    }
}

#[cfg(test)]
thread_local! {
    static FORCE_TORCH: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `f` on this thread with libtorch's attention where our own would serve.
#[cfg(test)]
pub fn with_torch<T>(f: impl FnOnce() -> T) -> T {
    FORCE_TORCH.set(true);
    let result = f();
    FORCE_TORCH.set(false);
    result
}
