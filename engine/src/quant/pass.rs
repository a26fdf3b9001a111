//! Methods that see a calibration set on its way through the model, one decoder block at a time.

use super::{MatrixMask, QuantizedMatrix};
use crate::Result;
use crate::data::Sequences;
use crate::model::{Block, Embedding, Proj};
use tacq_protocol::artifact::WeightHistogram;
use tch::Tensor;

/// Most tokens of a batch; a longer sequence is a batch of its own. Large enough for efficient products, small beside the
/// hidden states of the calibration set.
const HOST_TOKENS: usize = 4096;
/// The same on a GPU.
const DEVICE_TOKENS: usize = 16384;

/// A weight to be quantized.
#[derive(Debug)]
pub struct Original {
    /// Its name, for messages and the checkpoint.
    pub name: String,
    /// [out, in], in any floating type, on any device
    pub weight: Tensor,
    /// What of it stays in 16 bit.
    pub mask: MatrixMask,
    /// How many groups more get a bit more than get one less, where groups have different widths.
    pub more_groups: i64,
}

/// A weight that is quantized.
#[derive(Debug)]
pub struct Finished {
    /// Its name.
    pub name: String,
    /// Its codes.
    pub matrix: QuantizedMatrix,
    /// What it was and what its codes stand for.
    pub histogram: WeightHistogram,
}

/// Such a method at some block boundary.
pub trait BlockPass {
    /// Whether later blocks see what earlier ones are quantized to.
    fn sees_quantized(&self) -> bool;

    /// Moves on to the next block boundary.
    fn advance(&mut self, block: &Block) -> Result<()>;

    /// Quantizes a block's projections and moves on to the next block boundary, unless this is the `last` block. The
    /// results are in the order of [`Proj::ALL`].
    fn quantize(
        &mut self,
        block: &mut Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        last: bool,
    ) -> Result<Vec<Finished>>;

    /// Where the time went, for the log.
    fn timings(&self) -> String;
}

/// The calibration set's hidden states before the first block, [b, t, hidden] each: sequences of one length side by side.
pub(super) fn embed(embedding: &Embedding, sequences: &Sequences) -> Result<Vec<Tensor>> {
    let tokens = if embedding.weight.device().is_cuda() { DEVICE_TOKENS } else { HOST_TOKENS };
    let mut batches = Vec::new();
    let mut start = 0;
    while start < sequences.len() {
        let length = sequences.get(start).len();
        let most = start + (tokens / length).max(1);
        let same = |&i: &usize| i < most && i < sequences.len() && sequences.get(i).len() == length;
        let rows = (start..).take_while(same).map(|i| sequences.tensor(i)).collect::<Result<Vec<_>>>()?;
        start += rows.len();
        batches.push(embedding.forward(&Tensor::f_cat(&rows, 0)?)?);
    }
    Ok(batches)
}
