//! The candidates artifact: the best weights, best first.

use super::{Candidate, SaliencyError};
use crate::Result;
use crate::cuda::staging::Outgoing;
use crate::tensorfile::{TensorFile, TensorSpec, TensorWriter};
use rayon::prelude::*;
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::file;
use tch::{Device, Tensor};

/// Entries written at a time.
pub(super) const CHUNK: usize = 1 << 22;

/// Candidates, best first, where they were found.
#[derive(Debug)]
pub enum Ranked {
    /// In host memory.
    Host(Vec<Candidate>),
    /// On a device: global indices \[k\] i64, and scores \[k\] f32.
    Device {
        /// Indices.
        indices: Tensor,
        /// Scores.
        scores: Tensor,
    },
}

impl Ranked {
    /// How many there are.
    fn len(&self) -> usize {
        match self {
            Ranked::Host(candidates) => candidates.len(),
            Ranked::Device { indices, .. } => indices.numel(),
        }
    }

    /// Writes `candidates.safetensors`: `index` \[k\] i64 and `score` \[k\] f32, best first.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let count = [self.len() as u64];
        let specs =
            [TensorSpec::new("index", Dtype::I64, &count), TensorSpec::new("score", Dtype::F32, &count)];
        let mut writer = TensorWriter::create(&folder.join(file::CANDIDATES), &specs)?;
        match self {
            Ranked::Host(candidates) => {
                for chunk in candidates.chunks(CHUNK) {
                    writer.write(&bytes(chunk, |c| (c.index() as i64).to_le_bytes()))?;
                }
                for chunk in candidates.chunks(CHUNK) {
                    writer.write(&bytes(chunk, |c| c.score.to_le_bytes()))?;
                }
            }
            Ranked::Device { indices, scores } => {
                for tensor in [indices, scores] {
                    let mut write = |part: &[u8]| -> Result<()> { Ok(writer.write(part)?) };
                    Outgoing::new(tensor)?.take(&mut write)?;
                }
            }
        }
        Ok(writer.commit()?)
    }

    /// How many lie in each tensor; `starts` are the tensors' first global indices, ascending from 0.
    pub fn count_by_tensor(&self, starts: &[u64]) -> Result<Vec<u64>> {
        match self {
            Ranked::Host(candidates) => {
                let none = || vec![0; starts.len()];
                let count = |mut counts: Vec<u64>, candidate: &Candidate| {
                    counts[starts.partition_point(|&start| start <= candidate.index()) - 1] += 1;
                    counts
                };
                let join = |a: Vec<u64>, b: Vec<u64>| a.into_iter().zip(b).map(|(a, b)| a + b).collect();
                Ok(candidates.par_iter().fold(none, count).reduce(none, join))
            }
            Ranked::Device { indices, .. } => {
                let starts: Vec<i64> = starts.iter().map(|start| *start as i64).collect();
                let starts = Tensor::f_from_slice(&starts)?.f_to_device(indices.device())?;
                let tensor = indices.f_bucketize(&starts, true, true)?.f_sub_scalar(1)?;
                let counts = tensor.f_bincount::<Tensor>(None, starts.size()[0])?.f_to_device(Device::Cpu)?;
                Ok(Vec::<i64>::try_from(counts)?.into_iter().map(i64::unsigned_abs).collect())
            }
        }
    }
}

/// The bytes of one field of each.
pub(super) fn bytes<T: Sync, const N: usize>(values: &[T], of: impl Fn(&T) -> [u8; N] + Sync) -> Vec<u8> {
    let mut bytes = vec![0; N * values.len()];
    bytes.par_chunks_exact_mut(N).zip(values).for_each(|(bytes, value)| bytes.copy_from_slice(&of(value)));
    bytes
}

/// Reads the global indices of the best `wanted` candidates of `weights` in all, ascending.
/// At most as many as there are.
pub fn read_best(folder: &Path, wanted: u64, weights: u64) -> Result<BestIndices, SaliencyError> {
    let tensors = TensorFile::open(&folder.join(file::CANDIDATES))?;
    tensors.check_dtype("index", Dtype::I64)?;
    let list = tensors.bytes("index")?.as_chunks().0;
    let ranked = list.len() as u64;
    let mut indices: Vec<i64> = list
        .iter()
        .take(usize::try_from(wanted).unwrap_or(usize::MAX))
        .map(|b| i64::from_le_bytes(*b))
        .collect();
    let bad = |nth: usize, found: i64, expected: String| SaliencyError::Index {
        path: tensors.path().to_owned(),
        nth,
        found,
        expected,
    };
    if let Some(nth) = indices.iter().position(|&i| i < 0 || i.unsigned_abs() >= weights) {
        return Err(bad(nth, indices[nth], format!("a number below {weights}")));
    }
    indices.par_sort_unstable();
    if let Some(nth) = indices.windows(2).position(|pair| pair[0] == pair[1]) {
        return Err(bad(nth, indices[nth], "no index twice".to_owned()));
    }
    Ok(BestIndices { indices, ranked })
}

/// What [`read_best`] found.
#[derive(Debug)]
pub struct BestIndices {
    /// The indices asked for, or all there are, ascending.
    pub indices: Vec<i64>,
    /// Candidates in the artifact.
    pub ranked: u64,
}
