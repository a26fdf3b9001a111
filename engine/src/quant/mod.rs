//! Quantization of linear weights: what codes stand for, the methods that choose them, and the packed checkpoint.
//!
//! Everything here works on one matrix at a time and on plain parameters; which matrices, in which order and on what
//! statistics is the business of the `quantize` stage.

pub mod awq;
pub mod blockwise;
pub mod checkpoint;
mod cuda;
mod dequantize;
mod error;
mod factor;
pub mod gptq;
pub mod grid;
mod hessian;
mod histogram;
pub mod levels;
mod mask;
mod matrix;
mod order;
pub mod pass;
mod rtn;
pub mod slim;
pub mod spqr;
pub mod squeezellm;
#[cfg(test)]
pub mod testing;

pub use dequantize::dequantize_on;
pub use error::QuantError;
pub use factor::Factor;
pub use hessian::Hessian;
pub use histogram::{weight_histogram, weight_histogram_of};
pub use levels::{Levels, Scheme};
pub use mask::MatrixMask;
pub use matrix::{MatrixSpec, QuantizedMatrix, Shape};
pub use order::ColumnOrder;
pub use rtn::round_to_nearest;
