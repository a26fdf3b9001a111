//! SqueezeLLM: needs no forward passes, but the Fisher information of every weight.

use super::layer::Layers;
use super::parts::Parts;
use super::{HostMatrix, each_matrix};
use crate::Result;
use crate::model::Proj;
use crate::quant::squeezellm::{self, outliers};
use crate::quant::{MatrixMask, Shape};
use crate::stages::Context;
use crate::tensorfile::TensorFile;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::units::{Bits, SparseRatio};
use tch::{Device, Kind};

/// Finds each row's values, after the sparse part has been taken out.
pub fn run(
    bits: Bits,
    magnitude_ratio: SparseRatio,
    fisher_ratio: SparseRatio,
    layers: &Layers<'_>,
    parts: &Parts<'_>,
    context: &mut Context<'_>,
) -> Result<()> {
    let fisher = TensorFile::open(&context.input(role::GRADIENTS)?.join(file::GRADIENTS))?;
    let large = large_weights(magnitude_ratio, layers, context)?;
    // Where each matrix's weights begin among all.
    let starts: Vec<u64> = layers.starts();
    each_matrix(layers, parts, context, |of| {
        let HostMatrix { nth, name, weights, shape, .. } = of;
        let (nth, shape) = (*nth, *shape);
        let size = [shape.rows as i64, shape.cols as i64];
        let information = fisher.get_shaped(name, &size)?.f_to_kind(Kind::Float)?.f_reshape([-1])?;
        let information = Vec::<f32>::try_from(&information)?;
        let wanted = fisher_ratio.count_of(shape.len() as u64) as usize;
        let own =
            large.partition_point(|&at| at < starts[nth])..large.partition_point(|&at| at < starts[nth + 1]);
        let large = large[own].iter().map(|at| at - starts[nth]);
        let mask = union(large, outliers::sensitive(&information, wanted), shape);
        Ok(squeezellm::quantize(name, weights, &information, shape, bits, mask)?)
    })
}

/// The weights of large magnitude: their positions over the whole model, ascending.
fn large_weights(ratio: SparseRatio, layers: &Layers<'_>, context: &mut Context<'_>) -> Result<Vec<u64>> {
    let wanted = ratio.count_of(layers.starts().last().copied().unwrap_or(0));
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let mut magnitudes = outliers::Magnitudes::new(wanted as usize);
    for layer in 0..layers.len() {
        for proj in Proj::ALL {
            magnitudes.add(&layers.host_copy(&layers.original(layer, proj, Device::Cpu)?)?.0);
        }
        context.report(layer as u64 + 1, layers.len() as u64, "layers looked at");
        context.go_on()?;
    }
    Ok(magnitudes.into_positions())
}

/// The positions of both lists, each once.
fn union(large: impl Iterator<Item = u64>, sensitive: Vec<u64>, shape: Shape) -> MatrixMask {
    let mut all: Vec<u64> = large.chain(sensitive).collect();
    all.sort_unstable();
    all.dedup();
    MatrixMask::from_sorted(shape.rows, shape.cols, all.into_iter())
}
