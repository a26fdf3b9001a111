//! The packed checkpoint: the linear weights of a model, compressed, in one safetensors file.
//!
//! The header's metadata says `format` (`tacq-checkpoint`), `version` (`1`), `levels` (what codes stand for; absent for
//! grids), the parameters of these, and `layout`: the JSON of a [`WeightLayout`](tacq_protocol::artifact::WeightLayout).
//! For each weight `N` [rows, cols] of the layout there are
//!
//! | tensor | type, shape | meaning |
//! | --- | --- | --- |
//! | `N.codes` | U8 [rows, ⌈cols·bits/8⌉] | code j of a row in bits j·bits .. (j+1)·bits, lowest bit first; 0 at outliers |
//! | `N.group_of` | U16 \[cols\] | the group of each column; only if groups are not of neighbours |
//! | `N.column_scales` | F16 \[cols\] | by what each column is divided; only on grids, and only if by anything |
//! | `N.outlier_gaps` | U16 \[m\] | where the outliers are, see [`gaps`]; only if there are any |
//! | `N.outlier_values` | BF16 \[k\] | their values, in row-major order; only if there are any |
//!
//! those of what codes stand for, and nothing else:
//!
//! | `levels` | metadata | tensor | type, shape | meaning |
//! | --- | --- | --- | --- | --- |
//! | | `bits`, `group_size` (`row`, or a number of columns), `grid` | `N.scales` | F32 \[rows\], or F16 [rows, groups] | a weight is scale·(code − zero) in f32 |
//! | | | `N.zeros` | U8 \[rows\] or [rows, groups] | the code of the weight 0 |
//! | `two_level` | `bits`, `group_size`, `stats_bits` | `N.scale_codes`, `N.zero_codes` | U8 [rows, ⌈groups·stats_bits/8⌉] | scales and zero points as base + step·code; a weight is scale·(code − zero) in f64, rounded to f32 |
//! | | | `N.scale_bases`, `N.scale_steps`, `N.zero_bases`, `N.zero_steps` | F16 [⌈rows/16⌉, groups] | shared by 16 neighbouring rows |
//! | `mixed` | `bits` (on average), `group_size` | `N.widths` | U8 \[groups\] | bits of the codes in each group of columns, in place of `bits` |
//! | | | `N.scales`, `N.zeros` | F16 [rows, groups] | a weight is scale·(code − zero) in f32 |
//! | `table` | `bits` | `N.values` | F16 [rows, 2^bits] | a weight is the row's value number code |
//!
//! An outlier is its value. The file's size is the compressed size of the linear weights; all other weights are the model
//! folder's.

pub(super) mod bits;
mod error;
mod gaps;
mod read;
mod scheme;
mod summary;
mod write;

pub use error::CheckpointError;
pub use read::Checkpoint;
pub use summary::summarize;
pub use write::{merge, write};

/// The value of the metadata `format`.
const FORMAT: &str = "tacq-checkpoint";
/// The value of the metadata `version`.
const VERSION: &str = "1";

#[cfg(test)]
mod tests;
