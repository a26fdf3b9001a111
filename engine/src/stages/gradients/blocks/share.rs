//! The sequences that one device computes.

use super::tree::{LEAVES, Tree, leaf};
use crate::data::Sequences;
use crate::model::grad::{Budget, States, head, product};
use crate::model::{Block, Embedding, Head, LinearWeight, ModelConfig, Proj, Rope, Weights};
use crate::stages::gradients::sums::reduce_into;
use crate::{Result, device};
use std::ops::Range;
use tacq_protocol::stage::Reduction;
use tch::{Device, Kind, Tensor};

/// Bytes for logits and what else is small beside blocks.
const SPARE_BYTES: usize = 4 << 30;
/// Sums of a block that exist at a time: one of each level of the tree, the leaf that is computed, and the block before
/// on its way to the host.
const SUMS: usize = LEAVES.ilog2() as usize + 2;

/// What all shares have in common.
pub struct Model<'a> {
    pub config: ModelConfig,
    pub weights: &'a Weights,
    pub kind: Kind,
    pub reduction: Reduction,
    /// All linear weights, block after block, in the order of [`Proj::ALL`].
    pub layout: Vec<LinearWeight>,
}

impl Model<'_> {
    fn block(&self, layer: usize, device: Device) -> Result<Block> {
        Block::load(self.weights, &self.config, layer as i64, self.kind, device, None)
    }

    fn of_block(&self, layer: usize) -> &[LinearWeight] {
        &self.layout[layer * Proj::ALL.len()..][..Proj::ALL.len()]
    }

    /// The block on each share's device.
    pub fn blocks(&self, layer: usize, shares: &[Share]) -> Result<Vec<Block>> {
        if let [only] = shares {
            return Ok(vec![self.block(layer, only.device)?]);
        }
        std::thread::scope(|scope| {
            let load = |share: &Share| {
                let device = share.device;
                scope.spawn(move || self.block(layer, device))
            };
            let loading: Vec<_> = shares.iter().map(load).collect();
            let joined = loading
                .into_iter()
                .map(|block| block.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.collect()
        })
    }
}

/// Consecutive sequences on one device, somewhere between the blocks.
pub struct Share {
    device: Device,
    rope: Rope,
    /// Token ids \[t\] of each sequence.
    ids: Vec<Tensor>,
    /// Its leaves, as ranges of its own sequences.
    leaves: Vec<Range<usize>>,
    states: States,
    /// Each sequence's hidden state [t, hidden] at the current boundary, on the way forward.
    hidden: Vec<Tensor>,
    /// The same for its gradient, on the way back.
    gradients: Vec<Tensor>,
    /// The states before the current block, on the way back.
    kept: Vec<Option<Tensor>>,
    /// What is summed of it: leaves that have ended, and the current one.
    tree: Tree,
    sums: Option<Vec<Tensor>>,
}

impl Share {
    /// The share of device `nth` of `count`; `room` as for [`super::run`].
    pub fn new(
        model: &Model<'_>,
        sequences: &Sequences,
        device: Device,
        (nth, count): (usize, usize),
        room: Option<usize>,
    ) -> Result<Self> {
        let leaves = nth * LEAVES / count..(nth + 1) * LEAVES / count;
        let all = leaf(leaves.start, sequences.len()).start..leaf(leaves.end - 1, sequences.len()).end;
        let longest = sequences.longest() as i64;
        let rope = Rope::new(&model.config, longest, model.kind, device)?;
        let ids = |i| -> Result<Tensor> { Ok(sequences.tensor(i)?.f_squeeze_dim(0)?.f_to_device(device)?) };
        let first = all.start;
        let local = |nth| {
            let leaf = leaf(nth, sequences.len());
            leaf.start - first..leaf.end - first
        };
        let tokens = all.clone().map(|i| sequences.get(i).len()).sum();
        let room = room.unwrap_or_else(|| room_on(device, model, tokens, sequences.longest()));
        Ok(Self {
            device,
            rope,
            ids: all.map(ids).collect::<Result<_>>()?,
            leaves: leaves.map(local).collect(),
            states: States::new(device, room),
            hidden: Vec::new(),
            gradients: Vec::new(),
            kept: Vec::new(),
            tree: Tree::default(),
            sums: None,
        })
    }

    /// Sequences here.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Sets all hidden states to those before the first block.
    pub fn embed(&mut self, model: &Model<'_>) -> Result<()> {
        let embedding = Embedding::load(model.weights, &model.config, model.kind, self.device)?;
        let embed = |ids: &Tensor| -> Result<Tensor> {
            Ok(embedding.forward(&ids.f_unsqueeze(0)?)?.f_squeeze_dim(0)?)
        };
        self.hidden = self.ids.iter().map(embed).collect::<Result<_>>()?;
        Ok(())
    }

    /// Keeps the states at the current boundary for the way back.
    pub fn keep_states(&mut self) -> Result<()> {
        self.states.push(&self.hidden)
    }

    /// Forward through a block with one of its sequences.
    pub fn forward(&mut self, block: &Block, sequence: usize) -> Result<()> {
        let hidden = &mut self.hidden[sequence];
        *hidden = block.forward_saving(hidden, &self.rope, &mut Budget::of(0))?.0;
        Ok(())
    }

    /// Turns round after the last block; each sequence's loss, f64 \[\] on its device.
    pub fn turn(&mut self, model: &Model<'_>) -> Result<Vec<Tensor>> {
        let embedding = Embedding::load(model.weights, &model.config, model.kind, self.device)?;
        let output = Head::load(model.weights, &model.config, &embedding)?;
        let mut losses = Vec::with_capacity(self.len());
        for (h, ids) in std::mem::take(&mut self.hidden).iter().zip(&self.ids) {
            let (loss, gradient) = head::loss_gradient(&output, h, ids)?;
            losses.push(loss);
            self.gradients.push(gradient);
        }
        Ok(losses)
    }

    /// Goes on where an earlier attempt stopped: with these gradients, on any device.
    pub fn resume(&mut self, gradients: &[Tensor]) -> Result<()> {
        self.hidden.clear();
        let place = |gradient: &Tensor| gradient.f_to_device(self.device);
        self.gradients = gradients.iter().map(place).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Gradients of the hidden states at the current boundary.
    pub fn gradients(&self) -> &[Tensor] {
        &self.gradients
    }

    /// Prepares for the way back through the last block that is left.
    pub fn begin(&mut self) {
        self.kept = self.states.pop().into_iter().map(Some).collect();
    }

    /// Sequences of its leaf `nth`.
    pub fn leaf_len(&self, nth: usize) -> usize {
        self.leaves[nth].len()
    }

    /// Backward through block `layer` with sequence `i` of leaf `nth`, if there are as many; to be called in their order.
    pub fn backward(
        &mut self,
        model: &Model<'_>,
        (layer, block): (usize, &Block),
        (nth, i): (usize, usize),
    ) -> Result<()> {
        let Some(sequence) = self.leaves[nth].clone().nth(i) else { return Ok(()) };
        let h = self.states.fetch(self.kept[sequence].take().expect("each state is needed once"))?;
        let saved = block.saved(&h, &self.rope)?;
        if self.sums.is_none() {
            let zeros = |w: &LinearWeight| Tensor::f_zeros([w.rows, w.cols], (Kind::Float, self.device));
            self.sums = Some(model.of_block(layer).iter().map(zeros).collect::<Result<_, _>>()?);
        }
        let sums = self.sums.as_mut().expect("just made");
        let mut add = |proj: Proj, d_out: &Tensor, input: &Tensor| {
            reduce_into(&mut sums[proj as usize], product(d_out, input)?, model.reduction)
        };
        let gradient = &mut self.gradients[sequence];
        if let Some(next) = block.backward(saved, &self.rope, gradient, layer > 0, &mut add)? {
            *gradient = next;
        }
        Ok(())
    }

    /// After the last sequence of a leaf.
    pub fn end_leaf(&mut self) -> Result<()> {
        self.tree.push_leaf(self.sums.take())
    }

    /// After the last leaf: what was summed.
    pub fn end(&mut self) -> Tree {
        std::mem::take(&mut self.tree)
    }
}

/// Bytes of hidden states that a device has room for beside what a block needs.
fn room_on(device: Device, model: &Model<'_>, tokens: usize, longest: usize) -> usize {
    let Device::Cuda(index) = device else { return usize::MAX };
    let size = model.kind.elt_size_in_bytes();
    let weights = |w: &LinearWeight| (w.rows * w.cols) as usize;
    let block: usize = model.of_block(0).iter().map(weights).sum();
    let largest = model.of_block(0).iter().map(weights).max().unwrap_or(0);
    let boundary = tokens * model.config.hidden as usize * size;
    let width = 2 * model.config.heads * model.config.head_dim + 4 * model.config.intermediate;
    let activations = longest * width as usize * size;
    // Two blocks' weights, sums, the largest product; states and gradients at the current boundary.
    let f32_bytes = Kind::Float.elt_size_in_bytes();
    let blocks = 2 * block * size + (SUMS * block + largest) * f32_bytes;
    let needed = blocks + 3 * boundary + 4 * activations + SPARE_BYTES;
    // A tenth for what falls between the pieces.
    device::budget_bytes(index).saturating_sub(needed) / 10 * 9
}
