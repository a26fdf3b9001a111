//! The packed checkpoint: the linear weights of a model, compressed, in one safetensors file.
//!
//! The header's metadata says `format` (`tacq-checkpoint`), `version` (`1`), `bits`, `group_size` (`row`, or a number of
//! columns), `grid`, and `layout`: the JSON of a [`WeightLayout`](tacq_protocol::artifact::WeightLayout). For each weight
//! `N` [rows, cols] of the layout there are
//!
//! | tensor | type, shape | meaning |
//! | --- | --- | --- |
//! | `N.codes` | U8 [rows, ⌈cols·bits/8⌉] | code j of a row in bits j·bits .. (j+1)·bits, lowest bit first; 0 at outliers |
//! | `N.scales` | F32 \[rows\], or F16 [rows, groups] | scale of each grid |
//! | `N.zeros` | U8 \[rows\] or [rows, groups] | the code of the weight 0 |
//! | `N.outlier_gaps` | U16 \[m\] | where the outliers are, see [`gaps`]; only if there are any |
//! | `N.outlier_values` | BF16 \[k\] | their values, in row-major order; only if there are any |
//!
//! and nothing else. A weight is scale·(code − zero) in f32, an outlier its value. The file's size is the compressed size
//! of the linear weights; all other weights are the model folder's.

mod bits;
mod error;
mod gaps;
mod read;
mod summary;
mod write;

pub use error::CheckpointError;
pub use read::Checkpoint;
pub use summary::summarize;
pub use write::{merge, write};

use super::{MatrixSpec, Shape};

/// The value of the metadata `format`.
const FORMAT: &str = "tacq-checkpoint";
/// The value of the metadata `version`.
const VERSION: &str = "1";

/// Bytes of a row of codes.
fn row_bytes(spec: MatrixSpec, shape: Shape) -> usize {
    (shape.cols * usize::from(spec.bits.get())).div_ceil(8)
}

#[cfg(test)]
mod tests;
