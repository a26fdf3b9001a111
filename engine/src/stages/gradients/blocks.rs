//! Gradients block by block: all sequences pass one block before the next one is loaded.
//!
//! Forward, the hidden states at each boundary are kept; backward, each block is computed again and differentiated for
//! one sequence after the other. So no more than two blocks' weights and one block's sums are on the device at a time, and
//! a block's sums are final, and written, while the next block is computed: neither a model nor its sums have to fit. The
//! price is one more forward pass. Operations and their order are those of [`super::lanes`], and so are the bits.

use super::sums::reduce_into;
use crate::cuda::staging;
use crate::data::Sequences;
use crate::model::grad::{Budget, States, head, product};
use crate::model::{Block, Embedding, Head, LinearWeight, ModelConfig, Proj, Rope, Weights, linear_weights};
use crate::stages::{Context, StageError};
use crate::tensorfile::{TensorFile, TensorPatches, TensorSpec, TensorWriter, tensor_bytes};
use crate::{Result, device, fsx};
use safetensors::Dtype;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::time::{Duration, Instant};
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::stage::{GradientsParams, Reduction};
use tch::{Device, Kind, Tensor};

/// The artifact's file as it grows, in the progress folder.
const PARTIAL_FILE: &str = "gradients.partial";
/// Where the backward pass is: tensor [`LEFT`], and the gradient of each sequence's hidden state.
const PROGRESS_FILE: &str = "blocks.safetensors";
/// Blocks that are still to be differentiated, \[1\] i64.
const LEFT: &str = "left";
/// Bytes for logits and what else is small beside blocks.
const SPARE_BYTES: usize = 4 << 30;

/// Sums over all sequences, written block by block. `room`: bytes of hidden states that may stay on the device; what its
/// memory holds beside a block when absent.
pub fn run(params: &GradientsParams, room: Option<usize>, context: &mut Context<'_>) -> Result<()> {
    // Blocks are loaded one by one; the memory of a model that an earlier stage left is wanted for hidden states.
    context.forget_models();
    let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
    let folder = context.input(role::MODEL)?;
    let weights = Weights::open(folder)?;
    let pass = Pass::new(params, ModelConfig::read(folder)?, &weights, &sequences, context)?;
    let specs: Vec<_> = pass.layout.iter().map(spec).collect();
    let progress = context.progress_to_write()?;
    // Progress without the sums that it speaks of would be believed by the attempt after this one.
    let forget = || fsx::remove_if_present(&progress.join(PROGRESS_FILE));
    let (artifact, is_there) = TensorPatches::open(&progress.join(PARTIAL_FILE), &specs, forget)?;
    let resumed = if is_there { pass.resume(&progress.join(PROGRESS_FILE), context) } else { None };
    if resumed.is_some() {
        context.mark_resumed();
    }
    let room = room.unwrap_or_else(|| pass.room(&sequences));
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(1);
        let keep = Keep { artifact: &artifact, progress: progress.join(PROGRESS_FILE) };
        let write = move || receiver.iter().try_for_each(|finished| keep.write(finished));
        let writing = scope.spawn(write);
        let computed = pass.run(resumed, room, &sender, context);
        drop(sender);
        // What could not be written is why there was no more.
        writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(computed)
    })?;
    let started = Instant::now();
    artifact.commit(&context.output().join(file::GRADIENTS))?;
    let flushing = started.elapsed().as_secs_f64();
    context.log(LogLevel::Debug, format!("gradients: {flushing:.1} s until all was on disk"));
    Ok(fsx::remove_if_present(&progress.join(PROGRESS_FILE))?)
}

fn spec(weight: &LinearWeight) -> TensorSpec {
    TensorSpec::new(&weight.name, Dtype::F32, &[weight.rows.unsigned_abs(), weight.cols.unsigned_abs()])
}

/// What is handed to the thread that writes.
enum Finished {
    /// The sums of block `layer`, in the order of [`Proj::ALL`].
    Sums { layer: usize, bytes: Vec<Vec<u8>> },
    /// Where a later attempt may go on once all sums before are on disk: blocks left, and the gradients of the hidden
    /// states in host memory.
    /// `written` is told when it is on disk.
    Progress { left: usize, gradients: Vec<Tensor>, written: Sender<()> },
}

/// Writes what is finished.
struct Keep<'a> {
    artifact: &'a TensorPatches,
    progress: PathBuf,
}

impl Keep<'_> {
    fn write(&self, finished: Finished) -> Result<()> {
        match finished {
            Finished::Sums { layer, bytes } => {
                for (proj, bytes) in bytes.iter().enumerate() {
                    self.artifact.write(layer * Proj::ALL.len() + proj, bytes)?;
                }
                Ok(())
            }
            Finished::Progress { left, gradients, written } => {
                self.artifact.sync()?;
                let dtype = if gradients[0].kind() == Kind::Float { Dtype::F32 } else { Dtype::BF16 };
                let mut specs = vec![TensorSpec::new(LEFT, Dtype::I64, &[1])];
                specs.extend(gradients.iter().enumerate().map(|(i, gradient)| {
                    let shape: Vec<u64> = gradient.size().iter().map(|n| n.unsigned_abs()).collect();
                    TensorSpec::new(i.to_string(), dtype, &shape)
                }));
                let mut writer = TensorWriter::create(&self.progress, &specs)?;
                writer.write(&(left as i64).to_le_bytes())?;
                for gradient in &gradients {
                    writer.write(&tensor_bytes(gradient)?)?;
                }
                writer.commit()?;
                // Nobody listens any more only if the stage has ended.
                let _ = written.send(());
                Ok(())
            }
        }
    }
}

/// All sequences on their way through the blocks.
struct Pass<'a> {
    config: ModelConfig,
    layout: Vec<LinearWeight>,
    weights: &'a Weights,
    kind: Kind,
    device: Device,
    reduction: Reduction,
    rope: Rope,
    /// Token ids \[t\] of each sequence, on the device.
    ids: Vec<Tensor>,
}

impl<'a> Pass<'a> {
    fn new(
        params: &GradientsParams,
        config: ModelConfig,
        weights: &'a Weights,
        sequences: &Sequences,
        context: &Context<'_>,
    ) -> Result<Self> {
        let (kind, device) = (context.kind(params.dtype), context.device);
        let longest = sequences.longest() as i64;
        context.look_at_length(&config, longest);
        let rope = Rope::new(&config, longest, kind, device)?;
        let ids = |i| -> Result<Tensor> { Ok(sequences.tensor(i)?.f_squeeze_dim(0)?.f_to_device(device)?) };
        let ids = (0..sequences.len()).map(ids).collect::<Result<_>>()?;
        let layout = linear_weights(&config);
        Ok(Self { config, layout, weights, kind, device, reduction: params.reduction, rope, ids })
    }

    /// Bytes of hidden states that the device has room for beside what a block needs.
    fn room(&self, sequences: &Sequences) -> usize {
        let Device::Cuda(index) = self.device else { return usize::MAX };
        let size = self.kind.elt_size_in_bytes();
        let block: i64 = self.layout[..Proj::ALL.len()].iter().map(|w| w.rows * w.cols).sum();
        let tokens: usize = (0..sequences.len()).map(|i| sequences.get(i).len()).sum();
        let boundary = tokens * self.config.hidden as usize * size;
        let width = 2 * self.config.heads * self.config.head_dim + 4 * self.config.intermediate;
        let activations = sequences.longest() * width as usize * size;
        // Two blocks' weights, its sums, the largest product; states and gradients at the current boundary.
        let needed = 16 * block as usize + 3 * boundary + 4 * activations + SPARE_BYTES;
        // A tenth for what falls between the pieces.
        device::budget_bytes(index).saturating_sub(needed) / 10 * 9
    }

    fn block(&self, layer: usize) -> Result<Block> {
        Block::load(self.weights, &self.config, layer as i64, self.kind, self.device, None)
    }

    /// Goes on where `resumed` (blocks left, and the gradients after them) says, or begins.
    fn run(
        &self,
        resumed: Option<(usize, Vec<Tensor>)>,
        room: usize,
        finished: &SyncSender<Finished>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        let layers = self.config.layers as usize;
        let (left, gradients) = resumed.map_or((layers, None), |(left, gradients)| (left, Some(gradients)));
        let mut done = layers - left;
        let mut report = |context: &mut Context<'_>, blocks: usize| {
            done += blocks;
            context.report(done as u64, (layers + left) as u64, "blocks");
        };
        report(context, 0);
        let mut phases = Phases::new(self.device);
        let mut states = States::new(self.device, room);
        let embedding = Embedding::load(self.weights, &self.config, self.kind, self.device)?;
        let mut hidden = Vec::with_capacity(self.ids.len());
        for ids in &self.ids {
            hidden.push(embedding.forward(&ids.f_unsqueeze(0)?)?.f_squeeze_dim(0)?);
        }
        for layer in 0..left {
            states.push(&hidden)?;
            if layer + 1 < left || gradients.is_none() {
                let block = self.block(layer)?;
                for h in &mut hidden {
                    *h = block.forward_saving(h, &self.rope, &mut Budget::of(0))?.0;
                }
            }
            report(context, 1);
            context.go_on()?;
        }
        phases.end("forward");
        let mut gradients = match gradients {
            Some(gradients) => gradients,
            None => self.at_head(&embedding, &hidden)?,
        };
        drop((embedding, hidden));
        phases.end("head");
        let mut waiting = Duration::ZERO;
        for layer in (0..left).rev() {
            let bytes = self.differentiate(layer, &mut states, &mut gradients)?;
            let began = Instant::now();
            // Whoever writes has failed if it takes no more, and says why.
            let mut goes_on = finished.send(Finished::Sums { layer, bytes }).is_ok();
            waiting += began.elapsed();
            if goes_on && layer > 0 && context.checkpoint_due() {
                let host = |gradient: &Tensor| match self.device.is_cuda() {
                    true => staging::to_host(&gradient.f_contiguous()?),
                    false => Ok(gradient.shallow_clone()),
                };
                let kept = gradients.iter().map(host).collect::<Result<_, _>>()?;
                let (written, is_written) = mpsc::channel();
                goes_on = finished.send(Finished::Progress { left: layer, gradients: kept, written }).is_ok();
                // Until it is on disk, so that what it costs is known; nothing comes if it could not be written.
                goes_on = goes_on && is_written.recv().is_ok();
                context.checkpoint_written();
                context.go_on()?;
            }
            if !goes_on {
                return Ok(());
            }
            report(context, 1);
        }
        phases.end("backward");
        let message = format!("{phases}, of which {:.1} s waiting for the disk", waiting.as_secs_f64());
        context.log(LogLevel::Debug, format!("gradients: {message}"));
        Ok(())
    }

    /// Gradients of the loss with respect to each sequence's last hidden state [t, hidden].
    fn at_head(&self, embedding: &Embedding, hidden: &[Tensor]) -> Result<Vec<Tensor>> {
        let output = Head::load(self.weights, &self.config, embedding)?;
        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for (h, ids) in hidden.iter().zip(&self.ids) {
            let (loss, gradient) = head::loss_gradient(&output, h, ids)?;
            losses.push(loss);
            gradients.push(gradient);
        }
        let losses = Vec::<f64>::try_from(Tensor::f_stack(&losses, 0)?.f_to_device(Device::Cpu)?)?;
        match losses.iter().position(|loss| !loss.is_finite()) {
            Some(sequence) => Err(StageError::Loss { sequence, loss: losses[sequence] }.into()),
            None => Ok(gradients),
        }
    }

    /// Backward through a block for all sequences: `gradients` go from its output to its input. The bytes of its sums, in
    /// the order of [`Proj::ALL`].
    fn differentiate(
        &self,
        layer: usize,
        states: &mut States,
        gradients: &mut [Tensor],
    ) -> Result<Vec<Vec<u8>>> {
        let block = self.block(layer)?;
        let of_block = &self.layout[layer * Proj::ALL.len()..][..Proj::ALL.len()];
        let zeros = |w: &LinearWeight| Tensor::f_zeros([w.rows, w.cols], (Kind::Float, self.device));
        let mut sums = of_block.iter().map(zeros).collect::<Result<Vec<_>, _>>()?;
        let kept = states.pop();
        for (state, gradient) in kept.into_iter().zip(gradients) {
            let h = states.fetch(&state)?;
            drop(state);
            let saved = block.saved(&h, &self.rope)?;
            let mut add = |proj: Proj, d_out: &Tensor, input: &Tensor| {
                reduce_into(&mut sums[proj as usize], product(d_out, input)?, self.reduction)
            };
            if let Some(next) = block.backward(saved, &self.rope, gradient, layer > 0, &mut add)? {
                *gradient = next;
            }
        }
        Ok(sums.iter().map(tensor_bytes).collect::<Result<_, _>>()?)
    }

    /// Where an earlier attempt stopped; nothing if that is not known, which is said in the log if there should be something.
    fn resume(&self, path: &Path, context: &Context<'_>) -> Option<(usize, Vec<Tensor>)> {
        if !path.exists() {
            return None;
        }
        match self.read(path) {
            Ok(progress) => progress,
            Err(error) => {
                context.log(LogLevel::Warn, format!("starting from the first block: {error}"));
                None
            }
        }
    }

    fn read(&self, path: &Path) -> Result<Option<(usize, Vec<Tensor>)>> {
        let kept = TensorFile::open(path)?;
        kept.check_shape(LEFT, &[1])?;
        let left = usize::try_from(kept.i64s(LEFT)?[0]).unwrap_or(usize::MAX);
        if !(1..=self.config.layers as usize).contains(&left) {
            return Ok(None);
        }
        let mut gradients = Vec::with_capacity(self.ids.len());
        for (i, ids) in self.ids.iter().enumerate() {
            let name = i.to_string();
            kept.check_shape(&name, &[ids.size()[0], self.config.hidden])?;
            gradients.push(kept.get_on(&name, self.device)?.f_to_kind(self.kind)?);
        }
        Ok(Some((left, gradients)))
    }
}

/// Where the time went.
struct Phases {
    device: Device,
    began: Instant,
    ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn new(device: Device) -> Self {
        Self { device, began: Instant::now(), ended: Vec::new() }
    }

    /// Ends a phase, with all that it asked of the device.
    fn end(&mut self, name: &'static str) {
        device::wait(self.device);
        self.ended.push((name, std::mem::replace(&mut self.began, Instant::now()).elapsed()));
    }
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, time)) in self.ended.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{:.1} s {name}", time.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
