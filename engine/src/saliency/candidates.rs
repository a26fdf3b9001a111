//! The candidates artifact: the best weights, best first.

use super::{Candidate, SaliencyError};
use crate::tensorfile::{TensorFile, TensorSpec, TensorWriter};
use rayon::prelude::*;
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::file;

/// Entries written at a time.
pub(super) const CHUNK: usize = 1 << 22;

/// Writes `candidates.safetensors`: `index` \[k\] i64 and `score` \[k\] f32, best first.
pub fn write_candidates(folder: &Path, candidates: &[Candidate]) -> Result<(), SaliencyError> {
    let count = [candidates.len() as u64];
    let specs = [TensorSpec::new("index", Dtype::I64, &count), TensorSpec::new("score", Dtype::F32, &count)];
    let write = || {
        let mut writer = TensorWriter::create(&folder.join(file::CANDIDATES), &specs)?;
        for chunk in candidates.chunks(CHUNK) {
            writer.write(&bytes(chunk, |c| (c.index() as i64).to_le_bytes()))?;
        }
        for chunk in candidates.chunks(CHUNK) {
            writer.write(&bytes(chunk, |c| c.score.to_le_bytes()))?;
        }
        writer.commit()
    };
    write().map_err(|e| SaliencyError::File(crate::tensorfile::TensorFileError::Fs(e)))
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
    tensors.check_dtype("index", Dtype::I64, "I64")?;
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
