//! GPTQ, and what is built on it, through a model, one decoder block at a time.
//!
//! Held are the hidden states of the calibration set at one block boundary, and one block's weights. A block is passed
//! through once: each group of projections is quantized as soon as its inputs are known, and the pass goes on with the
//! quantized weights, so statistics are those of the reference's "true sequential" order (k, v, q; o; up, gate; down)
//! without running the block again for each group.

use super::gptq::{self, GptqSettings};
use super::levels::TwoLevelSpec;
use super::matrix::MatrixSpec;
use super::pass::{self, BlockPass, Finished, Original};
use super::slim::{self, SlimSettings};
use super::spqr::{self, SpqrSettings};
use super::{Factor, Hessian, weight_histogram_of};
use crate::data::Sequences;
use crate::model::{Block, Embedding, Proj, Rope};
use crate::{Result, device};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tacq_protocol::stage::Order;
use tacq_protocol::units::Damp;
use tch::{Device, Tensor};

/// Most bytes of a group's inputs that are kept from collecting statistics to applying the quantized weights; the rest
/// is computed again. On a GPU, half of what hidden states leave.
const HOST_KEEP_BYTES: usize = 1 << 30;

/// How a matrix is quantized once its inputs' statistics are known.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// GPTQ on grids of rows or groups.
    Gptq {
        /// How grids are laid.
        spec: MatrixSpec,
        /// See [`gptq::GptqSettings`].
        static_groups: bool,
    },
    /// SpQR.
    Spqr {
        /// How grids are laid.
        spec: TwoLevelSpec,
        /// What a weight may cost; see [`spqr::SpqrSettings`].
        outlier_threshold: f64,
    },
    /// SliM-LLM.
    Slim(SlimSettings),
}

/// The parameters of GPTQ and of what is built on it.
#[derive(Debug, Clone, Copy)]
pub struct BlockwiseSettings {
    /// What is done with a matrix.
    pub rule: Rule,
    /// Added to the Hessian's diagonal, as a share of its mean.
    pub damp: Damp,
    /// Columns between two updates of the rest.
    pub block_size: usize,
    /// Whether later groups of a block see the earlier ones quantized.
    pub true_sequential: bool,
    /// The order in which columns are quantized.
    pub order: Order,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default)]
struct Timings {
    /// Passing hidden states through (parts of) blocks.
    forward: Duration,
    /// Accumulating Hessians.
    hessian: Duration,
    /// Factoring them.
    factor: Duration,
    /// Finding bit widths of groups.
    allocation: Duration,
    /// Quantizing matrices.
    matrices: Duration,
    /// Counting their weights.
    histograms: Duration,
}

/// What GPTQ does with one weight after another.
type Quantized = BTreeMap<Proj, Finished>;

/// A part of a block, from the hidden states [b, t, hidden] at its start to the inputs of a group of projections.
type Part = fn(&Block, &Tensor, &Rope) -> Result<Tensor>;

/// Statistics of the inputs of a group of projections, and how these can be had again.
struct Seen {
    hessian: Hessian,
    /// The block as it was then.
    block: Block,
    part: Part,
}

/// The calibration set on its way through the model.
#[derive(Debug)]
pub struct Blockwise {
    settings: BlockwiseSettings,
    /// Hidden states at the current block boundary, [b, t, hidden] each.
    batches: Vec<Tensor>,
    rope: Rope,
    timings: Timings,
}

impl Blockwise {
    /// Embeds the calibration set; `rope` covers its longest sequence.
    pub fn new(
        settings: BlockwiseSettings,
        embedding: &Embedding,
        sequences: &Sequences,
        rope: Rope,
    ) -> Result<Self> {
        let batches = pass::embed(embedding, sequences)?;
        Ok(Self { settings, batches, rope, timings: Timings::default() })
    }

    fn quantize_in_sequence(
        &mut self,
        block: &mut Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        last: bool,
        done: &mut Quantized,
    ) -> Result<()> {
        let attention: Part = |block, h, rope| block.attention(&block.attn_norm(h)?, rope);
        let activation: Part = |block, h, _| block.mlp_activation(&block.mlp_norm(h)?);

        let (seen, _) = self.collect(block, |block, h, _| block.attn_norm(h), 0)?;
        self.quantize_group(&[Proj::K, Proj::V, Proj::Q], seen, block, original, done)?;

        let (seen, kept) = self.collect(block, attention, self.keep_bytes())?;
        self.quantize_group(&[Proj::O], seen, block, original, done)?;
        self.add_output(Proj::O, block, attention, kept)?;

        let (seen, _) = self.collect(block, |block, h, _| block.mlp_norm(h), 0)?;
        self.quantize_group(&[Proj::Up, Proj::Gate], seen, block, original, done)?;

        let keep_bytes = if last { 0 } else { self.keep_bytes() };
        let (seen, kept) = self.collect(block, activation, keep_bytes)?;
        self.quantize_group(&[Proj::Down], seen, block, original, done)?;
        if !last {
            self.add_output(Proj::Down, block, activation, kept)?;
        }
        Ok(())
    }

    fn quantize_at_once(
        &mut self,
        block: &mut Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        done: &mut Quantized,
    ) -> Result<()> {
        let groups: [&[Proj]; 4] =
            [&[Proj::K, Proj::V, Proj::Q], &[Proj::O], &[Proj::Up, Proj::Gate], &[Proj::Down]];
        // One group's Hessian at a time would need less memory, and four passes.
        let parts: [Part; 4] = [
            |block, h, _| block.attn_norm(h),
            |block, h, rope| block.attention(&block.attn_norm(h)?, rope),
            |block, h, rope| block.mlp_norm(&block.forward_attention(h, rope)?),
            |block, h, rope| block.mlp_activation(&block.mlp_norm(&block.forward_attention(h, rope)?)?),
        ];
        let original_block = block.shallow_clone();
        for (group, part) in groups.into_iter().zip(parts) {
            let (seen, _) = self.collect(&original_block, part, 0)?;
            self.quantize_group(group, seen, block, original, done)?;
        }
        Ok(())
    }

    /// Bytes of inputs that may be kept.
    fn keep_bytes(&self) -> usize {
        match self.batches[0].device() {
            // Beside them a block, a Hessian with its factors, and what is computed of a batch.
            Device::Cuda(index) => {
                let hidden = self.batches.iter().map(|h| h.numel() * h.kind().elt_size_in_bytes()).sum();
                device::budget_bytes(index).saturating_sub(hidden) / 2
            }
            _ => HOST_KEEP_BYTES,
        }
    }

    /// Statistics of a part's outputs over the calibration set, with the first outputs up to `keep_bytes`.
    fn collect(&mut self, block: &Block, part: Part, keep_bytes: usize) -> Result<(Seen, Vec<Tensor>)> {
        let mut hessian: Option<Hessian> = None;
        let (mut kept, mut left) = (Vec::new(), keep_bytes);
        for hidden in &self.batches {
            let started = Instant::now();
            let inputs = part(block, hidden, &self.rope)?;
            let computed = Instant::now();
            let features = inputs.size().last().copied().unwrap_or(0);
            let sum = match &mut hessian {
                Some(sum) => sum,
                none => none.insert(Hessian::new(features, inputs.device())?),
            };
            sum.add(&inputs)?;
            self.timings.forward += computed - started;
            self.timings.hessian += computed.elapsed();
            let bytes = inputs.numel() * inputs.kind().elt_size_in_bytes();
            // Kept are the first ones without a gap, so that position says which batch they are of.
            left = left.saturating_sub(bytes);
            if left > 0 {
                kept.push(inputs);
            }
        }
        // What is queued on a GPU belongs to this time, not to the next one's.
        let started = Instant::now();
        device::wait(self.batches[0].device());
        self.timings.hessian += started.elapsed();
        let hessian = hessian.expect("a calibration set has at least one sequence");
        Ok((Seen { hessian, block: block.shallow_clone(), part }, kept))
    }

    /// Adds a projection's output to the hidden states; its inputs are `kept` or computed by `part`.
    fn add_output(&mut self, proj: Proj, block: &Block, part: Part, kept: Vec<Tensor>) -> Result<()> {
        let started = Instant::now();
        let mut kept = kept.into_iter();
        for hidden in &mut self.batches {
            let inputs = match kept.next() {
                Some(inputs) => inputs,
                None => part(block, hidden, &self.rope)?,
            };
            *hidden = hidden.f_add(&block.linear(proj).forward(&inputs)?)?;
        }
        device::wait(self.batches[0].device());
        self.timings.forward += started.elapsed();
        Ok(())
    }

    /// Quantizes projections that share their inputs.
    fn quantize_group(
        &mut self,
        group: &[Proj],
        seen: Seen,
        block: &mut Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        done: &mut Quantized,
    ) -> Result<()> {
        let Seen { hessian, block: source, part } = seen;
        let originals = group.iter().map(|&proj| original(proj)).collect::<Result<Vec<_>>>()?;
        let factor = self.factor(&originals[0].name, hessian)?;
        let mut widths = match self.settings.rule {
            Rule::Slim(settings) => self.allocate(settings, &originals, &factor, &source, part)?,
            Rule::Gptq { .. } | Rule::Spqr { .. } => Vec::new(),
        }
        .into_iter();
        let BlockwiseSettings { rule, block_size, .. } = self.settings;
        for (&proj, Original { name, weight, mask, .. }) in group.iter().zip(originals) {
            let started = Instant::now();
            let quantize = || match rule {
                Rule::Gptq { spec, static_groups } => {
                    let settings = GptqSettings { spec, block_size, static_groups };
                    gptq::quantize(&name, &weight, &factor, settings, mask)
                }
                Rule::Spqr { spec, outlier_threshold } => {
                    let outlier_threshold = (outlier_threshold > 0.0).then_some(outlier_threshold);
                    let settings = SpqrSettings { spec, outlier_threshold, block_size };
                    spqr::quantize(&name, &weight, &factor, settings)
                }
                Rule::Slim(settings) => {
                    let widths = widths.next().expect("each projection has its own");
                    slim::quantize(&name, &weight, &factor, settings, widths)
                }
            };
            let (matrix, weights) = device::with_full_precision(quantize)?;
            block.set_weight(proj, &weights)?;
            self.timings.matrices += started.elapsed();
            let started = Instant::now();
            let histogram = weight_histogram_of(&name, &weight, &weights)?;
            done.insert(proj, Finished { name, matrix, histogram });
            self.timings.histograms += started.elapsed();
        }
        Ok(())
    }

    /// Factors statistics of the inputs of the weight called `name`.
    fn factor(&mut self, name: &str, hessian: Hessian) -> Result<Factor> {
        let BlockwiseSettings { damp, order, .. } = self.settings;
        let started = Instant::now();
        let hessian = hessian.finish()?;
        let factor = device::with_full_precision(|| match order {
            Order::Natural => Factor::new(name, hessian, damp),
            Order::Activity => Factor::by_activity(name, hessian, damp),
        })?;
        self.timings.factor += started.elapsed();
        Ok(factor)
    }

    /// The widths of each weight's groups, from its outputs over the calibration set.
    fn allocate(
        &mut self,
        settings: SlimSettings,
        originals: &[Original],
        factor: &Factor,
        source: &Block,
        part: Part,
    ) -> Result<Vec<Vec<u8>>> {
        let started = Instant::now();
        let kind = self.batches[0].kind();
        let allocation = |original: &Original| {
            slim::allocate(&original.weight, factor, settings.spec, original.more_groups, kind)
        };
        let mut allocations = originals.iter().map(allocation).collect::<Result<Vec<_>, _>>()?;
        for hidden in &self.batches {
            let inputs = part(source, hidden, &self.rope)?;
            allocations.iter_mut().try_for_each(|allocation| allocation.add(&inputs))?;
        }
        self.timings.allocation += started.elapsed();
        Ok(allocations.iter().map(slim::Allocation::widths).collect())
    }
}

impl BlockPass for Blockwise {
    fn sees_quantized(&self) -> bool {
        true
    }

    fn advance(&mut self, block: &Block) -> Result<()> {
        let started = Instant::now();
        for hidden in &mut self.batches {
            *hidden = block.forward(hidden, &self.rope)?;
        }
        self.timings.forward += started.elapsed();
        Ok(())
    }

    /// Also puts the results into the block.
    fn quantize(
        &mut self,
        block: &mut Block,
        original: &dyn Fn(Proj) -> Result<Original>,
        last: bool,
    ) -> Result<Vec<Finished>> {
        let mut done = Quantized::new();
        if self.settings.true_sequential {
            self.quantize_in_sequence(block, original, last, &mut done)?;
        } else {
            self.quantize_at_once(block, original, &mut done)?;
            if !last {
                self.advance(block)?;
            }
        }
        Ok(done.into_values().collect())
    }

    fn timings(&self) -> String {
        let t = &self.timings;
        let all = [t.forward, t.hessian, t.factor, t.allocation, t.matrices, t.histograms];
        let [forward, hessian, factor, allocation, matrices, histograms] = all.map(|d| d.as_secs_f64());
        let widths = if allocation > 0.0 { format!(", {allocation:.1} s bit widths") } else { String::new() };
        format!(
            "{forward:.1} s forward, {hessian:.1} s Hessians, {factor:.1} s factors{widths}, {matrices:.1} s matrices, {histograms:.1} s histograms"
        )
    }
}
