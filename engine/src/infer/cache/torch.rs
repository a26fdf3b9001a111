//! The cache for CUDA and for bf16: libtorch's attention over prefix and own tokens in one tensor per row.

use super::{Cache, Space};
use crate::Result;
use crate::infer::packed::Piece;
use crate::model::block::Geometry;
use tch::{Device, Kind, Tensor};

/// See [`Cache`].
#[derive(Debug)]
pub struct TorchCache {
    geometry: Geometry,
    device: Device,
    layers: Vec<Layer>,
    /// Tokens of the prefix, at the start of every row.
    prefix: usize,
    /// Tokens that row 0 has with the prefix, where this is a prefix itself.
    filled: usize,
    pass: Option<Pass>,
}

#[derive(Debug)]
struct Layer {
    /// [rows, kv heads, prefix + tokens, dim]
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
    /// For each sequence and step its packed token (the last one for steps after it), and back;
    /// `None` where each sequence has one token.
    pad: Option<(Tensor, Tensor)>,
    /// Cache rows of the sequences, `None` where they are the first ones in order.
    rows: Option<Tensor>,
    /// Columns that anything is in.
    filled: i64,
    /// [sequences, 1, steps, filled]: whether a step's token sees a column.
    mask: Tensor,
    padding: i64,
}

impl TorchCache {
    pub fn new(space: Space, prefix: Option<&Cache>, rows: usize, tokens: usize) -> Result<Self> {
        let prefix = match prefix {
            Some(Cache::Torch(prefix)) => Some(prefix),
            _ => None,
        };
        let (g, shared) = (space.geometry, prefix.map_or(0, |p| p.filled));
        let size = [rows as i64, g.kv_heads, (shared + tokens) as i64, g.head_dim];
        let layer = |index: usize| -> Result<Layer> {
            let fill = |of: fn(&Layer) -> &Tensor| -> Result<Tensor> {
                let all = Tensor::f_zeros(size, (space.kind, space.device))?;
                if let Some(prefix) = prefix {
                    let from = of(&prefix.layers[index]).f_narrow(2, 0, shared as i64)?;
                    all.f_narrow(2, 0, shared as i64)?.f_copy_(&from)?;
                }
                Ok(all)
            };
            Ok(Layer { keys: fill(|l| &l.keys)?, values: fill(|l| &l.values)? })
        };
        let layers = (0..space.layers).map(layer).collect::<Result<_>>()?;
        Ok(Self { geometry: g, device: space.device, layers, prefix: shared, filled: 0, pass: None })
    }

    pub fn begin(&mut self, pieces: &[Piece], padded: usize) -> Result<()> {
        let steps = pieces.iter().map(|p| p.len).max().unwrap_or(0);
        let ends = pieces.iter().map(|p| self.prefix + p.start + p.len);
        self.filled = ends.max().unwrap_or(0);
        let (mut rows, mut columns, mut spread, mut back, mut seen) =
            (vec![], vec![], vec![], vec![], vec![]);
        for (sequence, p) in pieces.iter().enumerate() {
            let first = rows.len();
            for step in 0..steps {
                let real = step.min(p.len - 1);
                spread.push((first + real) as i64);
                seen.push((self.prefix + p.start + real + 1) as i64);
            }
            for i in 0..p.len {
                rows.push(p.row as i64);
                columns.push((self.prefix + p.start + i) as i64);
                back.push((sequence * steps + i) as i64);
            }
        }
        let place = |values: &[i64]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(values)?.f_to_device(self.device)?)
        };
        let shape = (pieces.len() as i64, steps as i64);
        let seen = place(&seen)?.f_view([shape.0, 1, shape.1, 1])?;
        let all_columns = Tensor::f_arange(self.filled as i64, (Kind::Int64, self.device))?;
        let in_order = pieces.iter().enumerate().all(|(i, p)| p.row == i);
        let of_sequences: Vec<i64> = pieces.iter().map(|p| p.row as i64).collect();
        self.pass = Some(Pass {
            padding: (padded - rows.len()) as i64,
            at: [place(&rows)?, place(&columns)?],
            shape,
            pad: if steps == 1 { None } else { Some((place(&spread)?, place(&back)?)) },
            rows: if in_order { None } else { Some(place(&of_sequences)?) },
            filled: self.filled as i64,
            mask: all_columns.f_lt_tensor(&seen)?,
        });
        Ok(())
    }

    pub fn attend(&mut self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let pass = self.pass.as_ref().expect("begin comes before attend");
        let (g, (sequences, steps)) = (self.geometry, pass.shape);
        let n = q.size()[0] - pass.padding;
        let layer = &mut self.layers[layer];
        let at = [Some(&pass.at[0]), None, Some(&pass.at[1])];
        let _ = layer.keys.f_index_put_(&at, &k.f_narrow(0, 0, n)?, false)?;
        let _ = layer.values.f_index_put_(&at, &v.f_narrow(0, 0, n)?, false)?;
        let seen = |all: &Tensor| -> Result<Tensor> {
            let all = match &pass.rows {
                None => all.f_narrow(0, 0, sequences)?,
                Some(rows) => all.f_index_select(0, rows)?,
            };
            Ok(all.f_narrow(2, 0, pass.filled)?)
        };
        let q = q.f_narrow(0, 0, n)?;
        let q = match &pass.pad {
            None => q,
            Some((spread, _)) => q.f_index_select(0, spread)?,
        };
        let q = q.f_view([sequences, steps, g.heads, g.head_dim])?.f_transpose(1, 2)?;
        let (keys, values) = (seen(&layer.keys)?, seen(&layer.values)?);
        let grouped = g.heads != g.kv_heads;
        let out = Tensor::f_scaled_dot_product_attention(
            &q,
            &keys,
            &values,
            Some(&pass.mask),
            0.0,
            false,
            None,
            grouped,
        )?;
        let out = out.f_transpose(1, 2)?.f_reshape([sequences * steps, g.heads * g.head_dim])?;
        let out = match &pass.pad {
            None => out,
            Some((_, back)) => out.f_index_select(0, back)?,
        };
        Ok(if pass.padding > 0 { out.f_constant_pad_nd([0, 0, 0, pass.padding])? } else { out })
    }

    pub fn copy_row(&mut self, from: usize, to: usize, tokens: usize) -> Result<()> {
        let (start, len) = (self.prefix as i64, tokens as i64);
        for layer in &self.layers {
            for all in [&layer.keys, &layer.values] {
                let part = all.f_narrow(2, start, len)?;
                part.f_select(0, to as i64)?.f_copy_(&part.f_select(0, from as i64)?)?;
            }
        }
        Ok(())
    }
}
