//! The running sums of the gradients stage.

use super::device;
use crate::Result;
use crate::model::{LinearWeight, ModelConfig, Proj, linear_weights};
use crate::stages::Context;
use crate::tensorfile::{TensorFile, TensorSpec, TensorWriter, tensor_bytes};
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::file;
use tacq_protocol::stage::Reduction;
use tch::{Device, Kind, Tensor};

/// The progress file: the sums, and tensor [`COUNT`].
const PROGRESS_FILE: &str = "sums.safetensors";
/// Number of sequences summed so far, \[1\] i64.
const COUNT: &str = "count";

/// One f32 sum per linear weight.
pub struct Sums {
    weights: Vec<LinearWeight>,
    /// [rows, cols] each, in the order of `weights`.
    tensors: Vec<Tensor>,
    reduction: Reduction,
}

impl Sums {
    /// Before the first sequence.
    pub fn zeros(config: &ModelConfig, reduction: Reduction) -> Result<Self> {
        let weights = linear_weights(config);
        let zeros = |w: &LinearWeight| Tensor::f_zeros([w.rows, w.cols], (Kind::Float, Device::Cpu));
        let tensors = weights.iter().map(zeros).collect::<Result<_, _>>()?;
        Ok(Self { weights, tensors, reduction })
    }

    /// What an earlier attempt kept, with the number of sequences in it; `None` if there is nothing of use.
    pub fn resume(
        config: &ModelConfig,
        reduction: Reduction,
        context: &Context<'_>,
        total: usize,
    ) -> Result<Option<(Self, usize)>> {
        let path = context.progress().join(PROGRESS_FILE);
        if !path.exists() {
            return Ok(None);
        }
        match Self::read(config, reduction, &path, total) {
            Ok(resumed) => Ok(Some(resumed)),
            Err(error) => {
                // The file appears whole or not at all, so this is damage from outside; the work can be redone.
                context.log(LogLevel::Warn, format!("starting from the first sequence: {error}"));
                Ok(None)
            }
        }
    }

    fn read(config: &ModelConfig, reduction: Reduction, path: &Path, total: usize) -> Result<(Self, usize)> {
        let file = TensorFile::open(path)?;
        file.check_shape(COUNT, &[1])?;
        let count = usize::try_from(file.i64s(COUNT)?[0]).unwrap_or(usize::MAX).min(total);
        let weights = linear_weights(config);
        let read = |w: &LinearWeight| file.get_shaped(&w.name, &[w.rows, w.cols]);
        let tensors = weights.iter().map(read).collect::<Result<_>>()?;
        Ok((Self { weights, tensors, reduction }, count))
    }

    /// The sums [rows, cols], in the order of the linear weights.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// What is summed.
    pub fn reduction(&self) -> Reduction {
        self.reduction
    }

    /// Where the sum of a projection of block `layer` is among [`Self::tensors`].
    pub fn index(layer: usize, proj: Proj) -> usize {
        layer * Proj::ALL.len() + proj as usize
    }

    /// Keeps the sums after `count` sequences in the progress folder.
    pub fn save(&self, context: &Context<'_>, count: usize) -> Result<()> {
        let mut specs = vec![TensorSpec::new(COUNT, Dtype::I64, &[1])];
        specs.extend(self.specs());
        let mut writer = TensorWriter::create(&context.progress_to_write()?.join(PROGRESS_FILE), &specs)?;
        writer.write(&(count as i64).to_le_bytes())?;
        self.write_tensors(writer)
    }

    /// Writes the artifact.
    pub fn write(&self, context: &Context<'_>) -> Result<()> {
        let specs: Vec<_> = self.specs().collect();
        self.write_tensors(TensorWriter::create(&context.output().join(file::GRADIENTS), &specs)?)
    }

    fn specs(&self) -> impl Iterator<Item = TensorSpec> {
        let shape = |w: &LinearWeight| [w.rows.unsigned_abs(), w.cols.unsigned_abs()];
        self.weights.iter().map(move |w| TensorSpec::new(&w.name, Dtype::F32, &shape(w)))
    }

    fn write_tensors(&self, mut writer: TensorWriter) -> Result<()> {
        for tensor in &self.tensors {
            writer.write(&tensor_bytes(tensor)?)?;
        }
        Ok(writer.commit()?)
    }
}

/// Adds the reduction of one sequence's gradient to a sum, both f32 [rows, cols].
pub fn reduce_into(sum: &mut Tensor, mut gradient: Tensor, reduction: Reduction) -> Result<()> {
    if sum.device().is_cuda() {
        return device::reduce_into(sum, &gradient, reduction);
    }
    let _ = match reduction {
        Reduction::Abs => sum.f_add_(&gradient.f_abs_()?)?,
        Reduction::Square => sum.f_addcmul_(&gradient, &gradient)?,
        Reduction::Signed => sum.f_add_(&gradient)?,
    };
    Ok(())
}
