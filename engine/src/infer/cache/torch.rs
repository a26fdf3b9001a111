//! The cache for CUDA and for bf16: libtorch's attention over each row's tokens, and apart over those that all rows share,
//! which are there once.
//!
//! Query heads that share keys are laid one after the other as if they were further queries ("folded"), so that keys are
//! read once for all of them. On CUDA two cases have kernels of their own: whole sequences of one length, which read
//! nothing of the cache; and one token for each row, in 16 bit, for which cuDNN comes close to the memory's speed. cuDNN
//! plans anew for each shape, which takes longer than a step of a small model: so rows and columns are rounded up.

use super::part::{self, Part};
use super::{Cache, Space, store};
use crate::infer::packed::Piece;
use crate::model::Angles;
use crate::model::block::Geometry;
use crate::{Result, device};
use std::ops::Range;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// On CUDA, attention sees a multiple of so many columns, of which those that are too many are masked.
const COLUMNS: usize = 64;

/// See [`Cache`].
#[derive(Debug)]
pub struct TorchCache {
    geometry: Geometry,
    kind: Kind,
    device: Device,
    layers: Vec<Layer>,
    /// Rows, and columns of each, that exist.
    size: (usize, usize),
    /// What all rows have before their own tokens.
    shared: Option<Rc<Cache>>,
    /// The most tokens that a row has after the current pass.
    filled: usize,
    pass: Option<Pass>,
}

#[derive(Debug)]
struct Layer {
    /// [rows, kv heads, tokens, dim]
    keys: Tensor,
    /// Like keys.
    values: Tensor,
}

/// Where a pass's tokens are, as indices on the device.
#[derive(Debug)]
struct Pass {
    /// Cache row and column of each packed token, \[n\].
    at: [Tensor; 2],
    /// Sequences and the most tokens of one.
    shape: (i64, i64),
    /// Packed tokens that are none.
    padding: i64,
    attention: Attention,
}

/// How a pass's tokens attend.
#[derive(Debug)]
enum Attention {
    /// Every sequence from its start and as long as the others.
    Whole,
    /// A token of each of the first rows; padding tokens stand for the rows after them.
    /// `bias` [rows, 1, 1, columns]: 0 where a token sees a column, else −∞.
    Single { rows: i64, columns: i64, bias: Tensor },
    /// Anything. `bias` [sequences, 1, group · steps, columns].
    Any {
        /// For each sequence and step its packed token (the last one for steps after it), and back; `None` where each
        /// sequence has one token.
        pad: Option<(Tensor, Tensor)>,
        /// Cache rows of the sequences, `None` where they are the first ones in order.
        rows: Option<Tensor>,
        columns: i64,
        bias: Tensor,
    },
}

impl TorchCache {
    pub fn new(space: Space, shared: Option<Rc<Cache>>, rows: usize, tokens: usize) -> Result<Self> {
        let g = space.geometry;
        let mut columns = tokens;
        if space.device.is_cuda() {
            columns = columns.next_multiple_of(COLUMNS);
        }
        let size = [rows as i64, g.kv_heads, columns as i64, g.head_dim];
        let layer = || -> Result<Layer> {
            // Columns that are masked are read, so they must be numbers.
            let zeros = || Tensor::f_zeros(size, (space.kind, space.device));
            Ok(Layer { keys: zeros()?, values: zeros()? })
        };
        let layers = (0..space.layers).map(|_| layer()).collect::<Result<_>>()?;
        let (kind, device) = (space.kind, space.device);
        Ok(Self { geometry: g, kind, device, layers, size: (rows, columns), shared, filled: 0, pass: None })
    }

    /// Keys and values [1, kv heads, tokens, dim] of a layer that all rows share.
    fn shared(&self, layer: usize) -> Result<Option<[Tensor; 2]>> {
        let Some(Cache::Torch(shared)) = self.shared.as_deref() else { return Ok(None) };
        let Layer { keys, values } = &shared.layers[layer];
        let part = |all: &Tensor| all.f_narrow(0, 0, 1)?.f_narrow(2, 0, shared.filled as i64);
        Ok(Some([part(keys)?, part(values)?]))
    }

    /// Copies the tokens of `prefix` to the start of these rows.
    pub fn adopt(&mut self, prefix: &TorchCache, rows: Range<usize>) -> Result<()> {
        let (first, count, len) = (rows.start as i64, rows.len() as i64, prefix.filled as i64);
        for (own, shared) in self.layers.iter().zip(&prefix.layers) {
            for (own, shared) in [(&own.keys, &shared.keys), (&own.values, &shared.values)] {
                let from = shared.f_narrow(0, 0, 1)?.f_narrow(2, 0, len)?;
                own.f_narrow(0, first, count)?.f_narrow(2, 0, len)?.f_copy_(&from)?;
            }
        }
        Ok(())
    }

    pub fn begin(&mut self, pieces: &[Piece], padded: usize) -> Result<()> {
        let ends = pieces.iter().map(|p| p.start + p.len);
        self.filled = ends.max().unwrap_or(0);
        let steps = pieces.iter().map(|p| p.len).max().unwrap_or(0);
        let (mut rows, mut columns) = (vec![], vec![]);
        for p in pieces {
            rows.extend(std::iter::repeat_n(p.row as i64, p.len));
            columns.extend((0..p.len).map(|i| (p.start + i) as i64));
        }
        self.pass = Some(Pass {
            padding: (padded - rows.len()) as i64,
            at: [self.place(&rows)?, self.place(&columns)?],
            shape: (pieces.len() as i64, steps as i64),
            attention: self.attention(pieces, steps, padded)?,
        });
        Ok(())
    }

    fn attention(&self, pieces: &[Piece], steps: usize, padded: usize) -> Result<Attention> {
        let in_order = pieces.iter().enumerate().all(|(i, p)| p.row == i);
        let is_whole = |p: &Piece| p.start == 0 && p.len == steps;
        let (g, on_gpu) = (self.geometry, self.device.is_cuda());
        // No kernel takes groups of heads in f32.
        let takes_heads = self.kind != Kind::Float || g.heads == g.kv_heads;
        // What is shared is attended to apart: that takes the kernel that says how much attention it found.
        let is_alone = self.shared.is_none();
        if on_gpu && takes_heads && is_alone && steps > 1 && pieces.iter().all(is_whole) {
            return Ok(Attention::Whole);
        }
        let columns = match on_gpu {
            true => self.filled.next_multiple_of(COLUMNS).min(self.size.1) as i64,
            false => self.filled as i64,
        };
        let has_rows = padded <= self.size.0;
        if on_gpu && is_alone && self.kind != Kind::Float && steps == 1 && in_order && has_rows {
            let mut seen: Vec<i64> = pieces.iter().map(|p| (p.start + 1) as i64).collect();
            seen.resize(padded, 1);
            let rows = padded as i64;
            let bias = self.bias(&self.place(&seen)?.f_view([rows, 1, 1, 1])?, columns)?;
            return Ok(Attention::Single { rows, columns, bias });
        }
        let (mut spread, mut back, mut seen) = (vec![], vec![], vec![]);
        let mut first = 0;
        for (sequence, p) in pieces.iter().enumerate() {
            for step in 0..steps {
                let real = step.min(p.len - 1);
                spread.push((first + real) as i64);
                seen.push((p.start + real + 1) as i64);
            }
            back.extend((0..p.len).map(|i| (sequence * steps + i) as i64));
            first += p.len;
        }
        let (sequences, steps) = (pieces.len() as i64, steps as i64);
        let group = g.heads / g.kv_heads;
        let seen = self.place(&seen)?.f_view([sequences, 1, steps, 1])?;
        let bias = self.bias(&seen.f_expand([sequences, group, steps, 1], false)?, columns)?;
        let of_sequences: Vec<i64> = pieces.iter().map(|p| p.row as i64).collect();
        Ok(Attention::Any {
            pad: if steps == 1 { None } else { Some((self.place(&spread)?, self.place(&back)?)) },
            rows: if in_order { None } else { Some(self.place(&of_sequences)?) },
            columns,
            bias: bias.f_reshape([sequences, 1, group * steps, columns])?,
        })
    }

    /// 0 for the first columns, as many as are `seen` [.., 1], then −∞: [.., columns].
    fn bias(&self, seen: &Tensor, columns: i64) -> Result<Tensor> {
        let all = Tensor::f_arange(columns, (Kind::Int64, self.device))?;
        let hidden = all.f_ge_tensor(seen)?;
        let zeros = Tensor::f_zeros(hidden.size(), (self.kind, self.device))?;
        Ok(zeros.f_masked_fill(&hidden, f64::NEG_INFINITY)?)
    }

    fn place(&self, values: &[i64]) -> Result<Tensor> {
        Ok(device::place(values, self.device)?)
    }

    /// Rotates the queries and keys of the pass's tokens, and keeps keys and values: rotated queries and keys.
    pub fn store(
        &mut self,
        layer: usize,
        q: Tensor,
        k: Tensor,
        v: &Tensor,
        angles: &Angles,
    ) -> Result<(Tensor, Tensor)> {
        let pass = self.pass.as_ref().expect("begin comes before store");
        let Layer { keys, values } = &self.layers[layer];
        if store::takes(&q, &k, v) {
            store::launch([&q, &k, v], angles, &pass.at, [keys, values])?;
            return Ok((q, k));
        }
        let (q, k) = (angles.apply(&q)?, angles.apply(&k)?);
        let at = [Some(&pass.at[0]), None, Some(&pass.at[1])];
        let n = k.size()[0] - pass.padding;
        let _ = keys.shallow_clone().f_index_put_(&at, &k.f_narrow(0, 0, n)?, false)?;
        let _ = values.shallow_clone().f_index_put_(&at, &v.f_narrow(0, 0, n)?, false)?;
        Ok((q, k))
    }

    /// Attends with what [`Self::store`] gave, and `v`.
    pub fn attend(&self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let pass = self.pass.as_ref().expect("begin comes before attend");
        let (g, (sequences, steps)) = (self.geometry, pass.shape);
        let n = q.size()[0] - pass.padding;
        let shared = self.shared(layer)?;
        let layer = &self.layers[layer];
        let width = g.heads * g.head_dim;
        let attended = |q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<&Tensor>, causal| {
            let grouped = q.size()[1] != k.size()[1];
            Tensor::f_scaled_dot_product_attention(q, k, v, bias, 0.0, causal, None, grouped)
        };
        let out = match &pass.attention {
            Attention::Whole => {
                let split = |x: &Tensor, heads: i64| {
                    x.f_narrow(0, 0, n)?.f_view([sequences, steps, heads, g.head_dim])?.f_transpose(1, 2)
                };
                let (q, k, v) = (split(q, g.heads)?, split(k, g.kv_heads)?, split(v, g.kv_heads)?);
                let out = device::with_unplanned_attention(|| attended(&q, &k, &v, None, true))?;
                out.f_transpose(1, 2)?.f_reshape([n, width])?
            }
            Attention::Single { rows, columns, bias } => {
                let seen = |all: &Tensor| all.f_narrow(0, 0, *rows)?.f_narrow(2, 0, *columns);
                let q = q.f_view([*rows, g.heads, 1, g.head_dim])?;
                let out = attended(&q, &seen(&layer.keys)?, &seen(&layer.values)?, Some(bias), false)?;
                return Ok(out.f_reshape([*rows, width])?);
            }
            Attention::Any { pad, rows, columns, bias } => {
                let seen = |all: &Tensor| -> Result<Tensor> {
                    let all = match rows {
                        None => all.f_narrow(0, 0, sequences)?,
                        Some(rows) => all.f_index_select(0, rows)?,
                    };
                    Ok(all.f_narrow(2, 0, *columns)?)
                };
                let tokens = q.f_narrow(0, 0, n)?;
                let q = match pad {
                    None => tokens.shallow_clone(),
                    Some((spread, _)) => tokens.f_index_select(0, spread)?,
                };
                let group = g.heads / g.kv_heads;
                let folded = [sequences, g.kv_heads, group * steps, g.head_dim];
                let q = q.f_view([sequences, steps, g.kv_heads, group, g.head_dim])?;
                let q = q.f_permute([0, 2, 3, 1, 4])?.f_reshape(folded)?;
                let (keys, values) = (seen(&layer.keys)?, seen(&layer.values)?);
                let of_tokens = |out: Tensor, width: i64| -> Result<Tensor> {
                    let out = out.f_reshape([sequences, g.kv_heads, group, steps, width])?;
                    let out =
                        out.f_permute([0, 3, 1, 2, 4])?.f_reshape([sequences * steps, g.heads, width])?;
                    Ok(match pad {
                        None => out,
                        Some((_, back)) => out.f_index_select(0, back)?,
                    })
                };
                let own = part::attend(&q, &keys, &values, Some(bias), shared.is_some())?;
                let out = of_tokens(own.out, g.head_dim)?;
                let out = match (shared, own.log_sum) {
                    (Some([keys, values]), Some(log_sum)) => {
                        let own = Part { out, log_sum: Some(of_tokens(log_sum.f_unsqueeze(-1)?, 1)?) };
                        part::join(own, part::attend_to_shared(&tokens, &keys, &values)?)?
                    }
                    _ => out,
                };
                out.f_reshape([n, width])?
            }
        };
        Ok(if pass.padding > 0 { out.f_constant_pad_nd([0, 0, 0, pass.padding])? } else { out })
    }

    pub fn copy_row(&mut self, from: usize, to: usize, tokens: usize) -> Result<()> {
        let len = tokens as i64;
        for layer in &self.layers {
            for all in [&layer.keys, &layer.values] {
                let part = all.f_narrow(2, 0, len)?;
                part.f_select(0, to as i64)?.f_copy_(&part.f_select(0, from as i64)?)?;
            }
        }
        Ok(())
    }
}
