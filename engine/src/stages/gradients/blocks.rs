//! Gradients block by block: all sequences pass one block before the next one is loaded.
//!
//! Forward, the hidden states at each boundary are kept; backward, each block is computed again and differentiated for
//! one sequence after the other. So no more than two blocks' weights and a few times one block's sums are on the device,
//! and a block's sums are final, and written, while the next block is computed: neither a model nor its sums have to fit.
//! The price is one more forward pass.
//!
//! Several devices may share the sequences; how many they are changes no bit of the sums ([`Tree`]).

mod share;
mod tree;

use crate::cuda::staging::Outgoing;
use crate::data::Sequences;
use crate::model::{LinearWeight, ModelConfig, Proj, Weights, linear_weights};
use crate::stages::{Context, StageError};
use crate::tensorfile::{TensorFile, TensorPatches, TensorSpec, TensorWriter, tensor_bytes};
use crate::{Result, device, fsx};
use safetensors::Dtype;
use share::{Model, Share, on_each};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::time::{Duration, Instant};
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::stage::GradientsParams;
use tch::{Device, Kind, Tensor};
use tree::{LEAVES, Tree};

/// The artifact's file as it grows, in the progress folder.
const PARTIAL_FILE: &str = "gradients.partial";
/// Where the backward pass is: tensor [`LEFT`], and the gradient of each sequence's hidden state.
const PROGRESS_FILE: &str = "blocks.safetensors";
/// Blocks that are still to be differentiated, \[1\] i64.
const LEFT: &str = "left";

/// Sums over all sequences, written block by block. `room`: bytes of hidden states that may stay on each device; what its
/// memory holds beside a block when absent.
pub fn run(params: &GradientsParams, room: Option<usize>, context: &mut Context<'_>) -> Result<()> {
    // Blocks are loaded one by one; the memory of a model that an earlier stage left is wanted for hidden states.
    context.forget_models();
    let sequences = Sequences::read(context.input(role::CALIBRATION)?)?;
    let folder = context.input(role::MODEL)?;
    let weights = Weights::open(folder)?;
    let config = ModelConfig::read(folder)?;
    context.look_at_length(&config, sequences.longest() as i64);
    let layout = linear_weights(&config);
    let (kind, reduction) = (context.kind(params.dtype), params.reduction);
    let model = Model { config, weights: &weights, kind, reduction, layout };
    // The tree of sums can be shared by powers of two.
    let devices = &context.devices[..1 << context.devices.len().min(LEAVES).ilog2()];
    let share =
        |(nth, device): (usize, &Device)| Share::new(&model, &sequences, *device, (nth, devices.len()), room);
    let mut shares = devices.iter().enumerate().map(share).collect::<Result<Vec<_>>>()?;
    let specs: Vec<_> = model.layout.iter().map(spec).collect();
    let progress = context.progress_to_write()?;
    // Progress without the sums that it speaks of would be believed by the attempt after this one.
    let forget = || fsx::remove_if_present(&progress.join(PROGRESS_FILE));
    let (artifact, is_there) = TensorPatches::open(&progress.join(PARTIAL_FILE), &specs, forget)?;
    let resumed = if is_there {
        resume(&progress.join(PROGRESS_FILE), &model.config, &sequences, kind, context)
    } else {
        None
    };
    if resumed.is_some() {
        context.mark_resumed();
    }
    std::thread::scope(|scope| {
        // Sums are handed over when the writer is ready for them: no more than one block's wait in a device's memory.
        let (sender, receiver) = mpsc::sync_channel(0);
        let keep = Keep { artifact: &artifact, progress: progress.join(PROGRESS_FILE) };
        let write = move || receiver.into_iter().try_for_each(|finished| keep.write(finished));
        let writing = scope.spawn(write);
        let computed = pass(&model, &mut shares, resumed, &sender, context);
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
    Sums { layer: usize, sums: Vec<Outgoing> },
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
            Finished::Sums { layer, sums } => {
                for (proj, sum) in sums.into_iter().enumerate() {
                    let mut start = 0;
                    sum.take(&mut |part| -> Result<()> {
                        self.artifact.write(layer * Proj::ALL.len() + proj, start, part)?;
                        start += part.len() as u64;
                        Ok(())
                    })?;
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

/// Takes all sequences through all blocks and back; goes on where `resumed` (blocks left, and the gradients after them)
/// says, or begins.
fn pass(
    model: &Model<'_>,
    shares: &mut [Share],
    resumed: Option<(usize, Vec<Tensor>)>,
    finished: &SyncSender<Finished>,
    context: &mut Context<'_>,
) -> Result<()> {
    let layers = model.config.layers as usize;
    let (left, gradients) = resumed.map_or((layers, None), |(left, gradients)| (left, Some(gradients)));
    let mut done = layers - left;
    let mut report = |context: &mut Context<'_>, blocks: usize| {
        done += blocks;
        context.report(done as u64, (layers + left) as u64, "blocks");
    };
    report(context, 0);
    let mut phases = Phases::new(shares);
    on_each(shares, |share| share.embed(model))?;
    for layer in 0..left {
        if layer + 1 < left || gradients.is_none() {
            // The last block is the first one on the way back.
            let next = (layer + 1).min(left - 1);
            on_each(shares, |share| share.forward(model, layer, next))?;
        }
        report(context, 1);
        context.go_on()?;
    }
    phases.end("forward");
    match gradients {
        Some(mut rest) => {
            for share in &mut *shares {
                let after = rest.split_off(share.len());
                share.resume(&rest)?;
                rest = after;
            }
        }
        None => turn(model, shares)?,
    }
    phases.end("head");
    let mut waiting = Duration::ZERO;
    for layer in (0..left).rev() {
        let sums = differentiate(model, layer, shares)?;
        let sums = sums.iter().map(Outgoing::new).collect::<Result<_, _>>()?;
        let began = Instant::now();
        // Whoever writes has failed if it takes no more, and says why.
        let mut goes_on = finished.send(Finished::Sums { layer, sums }).is_ok();
        waiting += began.elapsed();
        if goes_on && layer > 0 && context.checkpoint_due() {
            let gradients = shares.iter().map(Share::gradients).collect::<Result<Vec<_>>>()?;
            let gradients = gradients.into_iter().flatten().collect();
            let (written, is_written) = mpsc::channel();
            goes_on = finished.send(Finished::Progress { left: layer, gradients, written }).is_ok();
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

/// Turns all shares round at the head; fails if a loss is not finite.
fn turn(model: &Model<'_>, shares: &mut [Share]) -> Result<()> {
    let losses = on_each(shares, |share| share.turn(model))?;
    let losses = losses.into_iter().flatten().map(|loss| loss.f_double_value(&[]));
    for (sequence, loss) in losses.enumerate() {
        let loss = loss?;
        if !loss.is_finite() {
            return Err(StageError::Loss { sequence, loss }.into());
        }
    }
    Ok(())
}

/// Backward through a block: its sums, in the order of [`Proj::ALL`], on the first device.
fn differentiate(model: &Model<'_>, layer: usize, shares: &mut [Share]) -> Result<Vec<Tensor>> {
    let mut total = Tree::default();
    for tree in on_each(shares, |share| share.backward(model, layer))? {
        total.append(tree)?;
    }
    Ok(total.finish().expect("a calibration set has a sequence"))
}

/// Where an earlier attempt stopped; nothing if that is not known, which is said in the log if there should be something.
fn resume(
    path: &Path,
    config: &ModelConfig,
    sequences: &Sequences,
    kind: Kind,
    context: &Context<'_>,
) -> Option<(usize, Vec<Tensor>)> {
    if !path.exists() {
        return None;
    }
    match read_progress(path, config, sequences, kind) {
        Ok(progress) => progress,
        Err(error) => {
            context.log(LogLevel::Warn, format!("starting from the first block: {error}"));
            None
        }
    }
}

fn read_progress(
    path: &Path,
    config: &ModelConfig,
    sequences: &Sequences,
    kind: Kind,
) -> Result<Option<(usize, Vec<Tensor>)>> {
    let kept = TensorFile::open(path)?;
    kept.check_shape(LEFT, &[1])?;
    let left = usize::try_from(kept.i64s(LEFT)?[0]).unwrap_or(usize::MAX);
    if !(1..=config.layers as usize).contains(&left) {
        return Ok(None);
    }
    let read = |i: usize| -> Result<Tensor> {
        let gradient = kept.get_shaped(&i.to_string(), &[sequences.get(i).len() as i64, config.hidden])?;
        Ok(gradient.f_to_kind(kind)?)
    };
    Ok(Some((left, (0..sequences.len()).map(read).collect::<Result<_>>()?)))
}

/// Where the time went.
struct Phases {
    devices: Vec<Device>,
    began: Instant,
    ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn new(shares: &[Share]) -> Self {
        Self { devices: shares.iter().map(Share::device).collect(), began: Instant::now(), ended: Vec::new() }
    }

    /// Ends a phase, with all that it asked of the devices.
    fn end(&mut self, name: &'static str) {
        self.devices.iter().for_each(|device| device::wait(*device));
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
