//! Batched inference: scores of continuations, generated text, losses of windows.
//!
//! - [`plan`] finds prompts that begin alike, so that what they share is computed once;
//! - `runner` computes packed tokens of many sequences at a time, `cache` keeps their keys and values;
//! - [`score`](score()), [`generate`](generate()) and [`windows`](windows()) are what stages call;
//!   [`sampling`] draws tokens.
//!
//! **A batch changes no result** in f32 on the CPU, bit by bit, and neither does the order of prompts, what else is
//! computed, or which beginnings are shared: sequences are packed without padding between them; the number of rows of
//! every product is a multiple of [`ROWS`], at which MKL computes each row alike wherever it stands; attention and
//! silu are kernels of our own (`kernel`) that add in one order. In bf16 and on CUDA, results depend on the batch in
//! their last bits.

mod beginnings;
mod cache;
mod error;
mod generate;
mod kernel;
mod memory;
mod packed;
pub mod plan;
mod runner;
pub mod sampling;
mod score;
#[cfg(test)]
mod tests;
mod windows;

pub use error::InferError;
pub use generate::{End, Generated, Generation, generate};
pub use score::score;
pub use windows::windows;

/// Products have a multiple of this many rows on the CPU. MKL's kernels treat rows in groups (4 with AVX2, up to 16
/// with AVX-512) and what is left over by others, which add in another order.
pub const ROWS: usize = 16;

/// The beginning of a text, as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The example's index in its task, which seeds sampling.
    pub index: u64,
    /// Token ids; at least one.
    pub ids: Vec<u32>,
}

/// How work is done. Changes no result in f32 on the CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Most sequences computed side by side; fewer where the caches would exceed `cache_bytes`, and half as many each
    /// time that memory runs out.
    pub batch_size: usize,
    /// Most bytes of keys and values of the sequences in a batch; a single sequence may exceed it. When absent, 4 GiB on
    /// the host, half of what the model leaves on a GPU.
    pub cache_bytes: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_size: 32, cache_bytes: None }
    }
}
