//! The sequences that one device computes.

use super::tree::{LEAVES, Tree, leaf};
use crate::cuda::Pace;
use crate::data::Sequences;
use crate::model::grad::{Budget, Kept, Shelf, head, product};
use crate::model::{Block, Embedding, Head, LinearWeight, ModelConfig, Proj, Rope, Weights};
use crate::stages::gradients::sums::reduce_into;
use crate::{Result, device};
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

    fn zeros(&self, layer: usize, device: Device) -> Result<Vec<Tensor>> {
        let zeros = |w: &LinearWeight| Tensor::f_zeros([w.rows, w.cols], (Kind::Float, device));
        Ok(self.of_block(layer).iter().map(zeros).collect::<Result<_, _>>()?)
    }

    fn of_block(&self, layer: usize) -> &[LinearWeight] {
        &self.layout[layer * Proj::ALL.len()..][..Proj::ALL.len()]
    }
}

/// Runs `f` for each share, each on its own thread where there are several: asking a GPU for its work takes a good part of
/// the time that the work itself takes.
pub fn on_each<T: Send>(shares: &mut [Share], f: impl Fn(&mut Share) -> Result<T> + Sync) -> Result<Vec<T>> {
    if let [only] = shares {
        return Ok(vec![f(only)?]);
    }
    std::thread::scope(|scope| {
        let run = |share| {
            let f = &f;
            scope.spawn(move || {
                let _no_grad = tch::no_grad_guard();
                f(share)
            })
        };
        let running: Vec<_> = shares.iter_mut().map(run).collect();
        let joined = running
            .into_iter()
            .map(|share| share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        // All of them end before the first failure is told.
        joined.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Consecutive sequences on one device, somewhere between the blocks.
pub struct Share {
    device: Device,
    rope: Rope,
    /// Token ids \[t\] of each sequence.
    ids: Vec<Tensor>,
    /// Sequences of each of its leaves.
    leaves: Vec<usize>,
    shelf: Shelf,
    /// Each sequence's hidden state [t, hidden] at the boundaries so far, before the first block first.
    boundaries: Vec<Vec<Kept>>,
    /// The same for its gradient, on the way back.
    gradients: Vec<Kept>,
    /// From the beginning to the turn, where it may be the output layer too.
    embedding: Option<Embedding>,
    /// A block that was loaded while another one was computed.
    ahead: Option<(usize, Block)>,
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
        let leaf_len = |nth| leaf(nth, sequences.len()).len();
        let room = room.unwrap_or_else(|| room_on(device, model, sequences.longest()));
        Ok(Self {
            device,
            rope,
            ids: all.map(ids).collect::<Result<_>>()?,
            leaves: leaves.map(leaf_len).collect(),
            shelf: Shelf::new(device, room),
            boundaries: Vec::new(),
            gradients: Vec::new(),
            embedding: None,
            ahead: None,
        })
    }

    /// Sequences here.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Makes the hidden states before the first block.
    pub fn embed(&mut self, model: &Model<'_>) -> Result<()> {
        let embedding = Embedding::load(model.weights, &model.config, model.kind, self.device)?;
        let mut first = Vec::with_capacity(self.len());
        for ids in &self.ids {
            let hidden = embedding.forward(&ids.f_unsqueeze(0)?)?.f_squeeze_dim(0)?;
            first.push(self.shelf.put(hidden)?);
        }
        self.boundaries.push(first);
        self.embedding = Some(embedding);
        Ok(())
    }

    /// Forward through block `layer`; `next` is wanted after it.
    pub fn forward(&mut self, model: &Model<'_>, layer: usize, next: usize) -> Result<()> {
        self.with_block(model, layer, Some(next), |share, block| {
            let mut pace = Pace::new(share.device);
            let mut after = Vec::with_capacity(share.len());
            for kept in share.boundaries.last().expect("the states before the first block are there") {
                let hidden = share.shelf.look(kept)?;
                let (hidden, _) = block.forward_saving(&hidden, &share.rope, &mut Budget::of(0))?;
                after.push(share.shelf.put(hidden)?);
                pace.step()?;
            }
            share.boundaries.push(after);
            Ok(())
        })
    }

    /// Runs `f` with a block, while the block that is wanted after it is loaded, if it is another one.
    fn with_block<T>(
        &mut self,
        model: &Model<'_>,
        layer: usize,
        next: Option<usize>,
        f: impl FnOnce(&mut Self, &Block) -> Result<T>,
    ) -> Result<T> {
        let device = self.device;
        let block = match self.ahead.take() {
            Some((ahead, block)) if ahead == layer => block,
            _ => model.block(layer, device)?,
        };
        std::thread::scope(|scope| {
            // A second block beside the one that is computed is for those that have to come a long way.
            let other = next.filter(|next| *next != layer && device.is_cuda());
            let loading = other.map(|next| (next, scope.spawn(move || model.block(next, device))));
            let done = f(self, &block);
            if let Some((next, loading)) = loading {
                let loaded = loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                self.ahead = Some((next, loaded?));
            } else if next == Some(layer) {
                self.ahead = Some((layer, block));
            }
            done
        })
    }

    /// Turns round after the last block; each sequence's loss, f64 \[\] on its device.
    pub fn turn(&mut self, model: &Model<'_>) -> Result<Vec<Tensor>> {
        let embedding = self.embedding.take().expect("the way forward began with it");
        let output = Head::load(model.weights, &model.config, &embedding)?;
        let mut losses = Vec::with_capacity(self.len());
        let last = self.boundaries.pop().expect("the states after the last block are there");
        for (kept, ids) in last.into_iter().zip(&self.ids) {
            let (loss, gradient) = head::loss_gradient(&output, &self.shelf.take(kept)?, ids)?;
            losses.push(loss);
            self.gradients.push(self.shelf.put(gradient)?);
        }
        Ok(losses)
    }

    /// Goes on where an earlier attempt stopped: with these gradients, in host memory.
    pub fn resume(&mut self, gradients: &[Tensor]) -> Result<()> {
        self.embedding = None;
        for gradient in gradients {
            self.gradients.push(self.shelf.put(gradient.f_to_device(self.device)?)?);
        }
        Ok(())
    }

    /// Copies of the gradients of the hidden states at the current boundary, in host memory.
    pub fn gradients(&self) -> Result<Vec<Tensor>> {
        self.gradients.iter().map(Kept::to_host).collect()
    }

    /// Backward through block `layer`, the last one that is left: what was summed over its sequences.
    pub fn backward(&mut self, model: &Model<'_>, layer: usize) -> Result<Tree> {
        let next = layer.checked_sub(1);
        self.with_block(model, layer, next, |share, block| {
            let before = share.boundaries.pop().expect("the states before each block that is left are there");
            let after = std::mem::take(&mut share.gradients);
            let mut sequences = before.into_iter().zip(after);
            let mut pace = Pace::new(share.device);
            let mut tree = Tree::default();
            for leaf in share.leaves.clone() {
                let mut sums = None;
                for (state, gradient) in sequences.by_ref().take(leaf) {
                    let sums = match &mut sums {
                        Some(sums) => sums,
                        None => sums.insert(model.zeros(layer, share.device)?),
                    };
                    share.differentiate(model, (layer, block), (state, gradient), sums)?;
                    pace.step()?;
                }
                tree.push_leaf(sums)?;
            }
            Ok(tree)
        })
    }

    /// Backward through a block with one sequence: its hidden state before the block, and the gradient after it; adds to
    /// `sums`.
    fn differentiate(
        &mut self,
        model: &Model<'_>,
        (layer, block): (usize, &Block),
        (state, gradient): (Kept, Kept),
        sums: &mut [Tensor],
    ) -> Result<()> {
        let saved = block.saved(&self.shelf.take(state)?, &self.rope)?;
        let gradient = self.shelf.take(gradient)?;
        let mut add = |proj: Proj, d_out: &Tensor, input: &Tensor| {
            reduce_into(&mut sums[proj as usize], product(d_out, input)?, model.reduction)
        };
        if let Some(next) = block.backward(saved, &self.rope, &gradient, layer > 0, &mut add)? {
            self.gradients.push(self.shelf.put(next)?);
        }
        Ok(())
    }
}

/// Bytes of hidden states that a device has room for beside what a block needs.
fn room_on(device: Device, model: &Model<'_>, longest: usize) -> usize {
    let Device::Cuda(index) = device else { return usize::MAX };
    let size = model.kind.elt_size_in_bytes();
    let weights = |w: &LinearWeight| (w.rows * w.cols) as usize;
    let block: usize = model.of_block(0).iter().map(weights).sum();
    let largest = model.of_block(0).iter().map(weights).max().unwrap_or(0);
    let width = 2 * model.config.heads * model.config.head_dim + 4 * model.config.intermediate;
    let activations = longest * width as usize * size;
    // Two blocks' weights, sums, the largest product.
    let f32_bytes = Kind::Float.elt_size_in_bytes();
    let blocks = 2 * block * size + (SUMS * block + largest) * f32_bytes;
    let needed = blocks + 4 * activations + SPARE_BYTES;
    // A tenth for what falls between the pieces.
    device::budget_bytes(index).saturating_sub(needed) / 10 * 9
}
