//! The cache for f32 on the CPU: keys in blocks of sixteen, transposed, as the kernels read them.

use super::{Cache, Space};
use crate::Result;
use crate::infer::kernel::{Attention, Keys, LANES, Span, floats};
use crate::infer::packed::Piece;
use crate::model::block::Geometry;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// See [`Cache`].
#[derive(Debug)]
pub struct HostCache {
    geometry: Geometry,
    prefix: Option<Rc<Cache>>,
    layers: Vec<Layer>,
    /// Tokens that a row has room for, a multiple of [`LANES`].
    capacity: usize,
    /// Tokens that row 0 has, where this is a prefix.
    filled: usize,
    spans: Vec<Span>,
    padded: usize,
}

#[derive(Debug)]
struct Layer {
    /// [rows, kv heads, capacity / LANES, dim, LANES]
    keys: Tensor,
    /// [rows, kv heads, capacity, dim rounded up to LANES]
    values: Tensor,
}

impl HostCache {
    pub fn new(space: Space, prefix: Option<Rc<Cache>>, rows: usize, tokens: usize) -> Result<Self> {
        let capacity = tokens.next_multiple_of(LANES);
        let g = space.geometry;
        let (rows, heads, capacity_) = (rows as i64, g.kv_heads, capacity as i64);
        let width = width(g) as i64;
        let layer = || -> Result<Layer> {
            let empty = |per_token: i64| {
                Tensor::f_empty([rows, heads, capacity_ * per_token], (Kind::Float, Device::Cpu))
            };
            // Columns that pad values are read, so they must be numbers.
            let values = if width == g.head_dim {
                empty(width)?
            } else {
                Tensor::f_zeros([rows, heads, capacity_ * width], (Kind::Float, Device::Cpu))?
            };
            Ok(Layer { keys: empty(g.head_dim)?, values })
        };
        let layers = (0..space.layers).map(|_| layer()).collect::<Result<_>>()?;
        Ok(Self { geometry: g, prefix, layers, capacity, filled: 0, spans: Vec::new(), padded: 0 })
    }

    pub fn begin(&mut self, pieces: &[Piece], padded: usize) {
        let mut at = 0;
        self.spans = pieces
            .iter()
            .map(|p| {
                at += p.len;
                Span { at: at - p.len, len: p.len, start: p.start, row: p.row }
            })
            .collect();
        self.filled = self.spans.iter().map(|s| s.start + s.len).max().unwrap_or(0);
        self.padded = padded;
    }

    pub fn attend(&mut self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        self.store(layer, floats::of(&k.f_contiguous()?), floats::of(&v.f_contiguous()?));
        let g = self.geometry;
        let (heads, dim) = (g.kv_heads as usize, g.head_dim as usize);
        let group = (g.heads / g.kv_heads) as usize;
        let prefix = match self.prefix.as_deref() {
            Some(Cache::Host(prefix)) => Some(prefix),
            _ => None,
        };
        let attention = Attention {
            group,
            kv_heads: heads,
            dim,
            prefix: prefix.map_or(0, |prefix| prefix.filled),
            spans: &self.spans,
        };
        let tokens: usize = self.spans.iter().map(|s| s.len).sum();
        // [kv heads, tokens, group · dim]
        let mut out = Tensor::f_empty(
            [g.kv_heads, tokens as i64, group as i64 * g.head_dim],
            (Kind::Float, Device::Cpu),
        )?;
        let none = Keys { keys: &[], values: &[] };
        let own = self.rows(layer);
        let shared = prefix.map(|prefix| prefix.rows(layer));
        attention.run(
            floats::of(&q.f_contiguous()?),
            |head| shared.as_ref().map_or(none, |shared| shared.keys(0, head)),
            |row, head| own.keys(row, head),
            floats::of_mut(&mut out),
        );
        let out = out.f_transpose(0, 1)?.f_reshape([tokens as i64, g.heads * g.head_dim])?;
        let padding = (self.padded - tokens) as i64;
        Ok(if padding > 0 { out.f_constant_pad_nd([0, 0, 0, padding])? } else { out })
    }

    pub fn copy_row(&mut self, from: usize, to: usize, tokens: usize) {
        let (heads, dim, width) = (self.heads(), self.geometry.head_dim as usize, width(self.geometry));
        let (key_row, value_row) = (self.capacity * dim, self.capacity * width);
        let key_len = tokens.next_multiple_of(LANES) * dim;
        for layer in &mut self.layers {
            let (keys, values) = (floats::of_mut(&mut layer.keys), floats::of_mut(&mut layer.values));
            for head in 0..heads {
                let (a, b) = (from * heads + head, to * heads + head);
                keys.copy_within(a * key_row..a * key_row + key_len, b * key_row);
                values.copy_within(a * value_row..a * value_row + tokens * width, b * value_row);
            }
        }
    }

    fn heads(&self) -> usize {
        self.geometry.kv_heads as usize
    }

    fn rows(&self, layer: usize) -> Rows<'_> {
        let dim = self.geometry.head_dim as usize;
        Rows {
            keys: floats::of(&self.layers[layer].keys),
            values: floats::of(&self.layers[layer].values),
            heads: self.heads(),
            key_len: self.capacity * dim,
            value_len: self.capacity * width(self.geometry),
        }
    }

    /// Writes the pass's keys and values, each [token, kv heads, dim].
    fn store(&mut self, layer: usize, k: &[f32], v: &[f32]) {
        let (heads, dim, width) = (self.heads(), self.geometry.head_dim as usize, width(self.geometry));
        let capacity = self.capacity;
        let layer = &mut self.layers[layer];
        let (keys, values) = (floats::of_mut(&mut layer.keys), floats::of_mut(&mut layer.values));
        for span in &self.spans {
            assert!(span.start + span.len <= capacity, "a row of {capacity} tokens is full");
            for i in 0..span.len {
                let position = span.start + i;
                for head in 0..heads {
                    let from = ((span.at + i) * heads + head) * dim;
                    let slab = (span.row * heads + head) * capacity;
                    let block = slab * dim + position / LANES * LANES * dim + position % LANES;
                    for (d, x) in k[from..from + dim].iter().enumerate() {
                        keys[block + d * LANES] = *x;
                    }
                    values[(slab + position) * width..][..dim].copy_from_slice(&v[from..from + dim]);
                }
            }
        }
    }
}

/// A layer's keys and values as slices.
struct Rows<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    heads: usize,
    key_len: usize,
    value_len: usize,
}

impl<'a> Rows<'a> {
    fn keys(&self, row: usize, head: usize) -> Keys<'a> {
        let at = row * self.heads + head;
        Keys {
            keys: &self.keys[at * self.key_len..][..self.key_len],
            values: &self.values[at * self.value_len..][..self.value_len],
        }
    }
}

fn width(g: Geometry) -> usize {
    (g.head_dim as usize).next_multiple_of(LANES)
}
