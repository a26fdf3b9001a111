//! A calibration set: sequences of token ids.

use super::DataError;
use crate::Result;
use crate::tensorfile::{TensorFile, TensorSpec, TensorWriter};
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::file;
use tch::Tensor;

/// Token sequences, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequences {
    ids: Vec<i32>,
    /// Sequence i is `ids[offsets[i]..offsets[i + 1]]`.
    offsets: Vec<usize>,
}

impl Sequences {
    /// Joins sequences.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a [i32]>) -> Self {
        let mut joined = Self { ids: Vec::new(), offsets: vec![0] };
        for sequence in sequences {
            joined.ids.extend_from_slice(sequence);
            joined.offsets.push(joined.ids.len());
        }
        joined
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Token ids of sequence `i`.
    pub fn get(&self, i: usize) -> &[i32] {
        &self.ids[self.offsets[i]..self.offsets[i + 1]]
    }

    /// Length of the longest sequence.
    pub fn longest(&self) -> usize {
        (0..self.len()).map(|i| self.get(i).len()).max().unwrap_or(0)
    }

    /// Sequence `i` as a tensor [1, t] i64 in host memory.
    pub fn tensor(&self, i: usize) -> Result<Tensor> {
        let ids: Vec<i64> = self.get(i).iter().map(|&id| i64::from(id)).collect();
        Ok(Tensor::f_from_slice(&ids)?.f_unsqueeze(0)?)
    }

    /// Writes `sequences.safetensors` into an artifact: `ids` \[total\] i32, `offsets` [n + 1] i64.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let specs = [
            TensorSpec::new("offsets", Dtype::I64, &[self.offsets.len() as u64]),
            TensorSpec::new("ids", Dtype::I32, &[self.ids.len() as u64]),
        ];
        let mut writer = TensorWriter::create(&folder.join(file::SEQUENCES), &specs)?;
        let offsets: Vec<u8> = self.offsets.iter().flat_map(|&o| (o as i64).to_le_bytes()).collect();
        writer.write(&offsets)?;
        let ids: Vec<u8> = self.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        writer.write(&ids)?;
        Ok(writer.commit()?)
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(folder: &Path) -> Result<Self> {
        let tensors = TensorFile::open(&folder.join(file::SEQUENCES))?;
        let ids = tensors.i32s("ids")?;
        let fail = |reason: &str| DataError::Sequences {
            path: tensors.path().to_owned(),
            reason: reason.to_owned(),
        };
        let offsets: Option<Vec<usize>> =
            tensors.i64s("offsets")?.into_iter().map(|o| usize::try_from(o).ok()).collect();
        let offsets = offsets.ok_or_else(|| fail("an offset is negative"))?;
        if offsets.first() != Some(&0) || offsets.last() != Some(&ids.len()) || offsets.len() < 2 {
            return Err(fail("offsets do not run from 0 to the number of ids").into());
        }
        if offsets.windows(2).any(|pair| pair[1] < pair[0] + 2) {
            return Err(fail("a sequence has fewer than two tokens, so nothing can be predicted").into());
        }
        Ok(Self { ids, offsets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_set_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let sequences = Sequences::new([[1, 2].as_slice(), &[3, 4, 5]]);
        sequences.write(folder.path()).unwrap();
        assert_eq!(Sequences::read(folder.path()).unwrap(), sequences);
        assert_eq!(sequences.longest(), 3);
        Sequences::new([[1].as_slice()]).write(folder.path()).unwrap();
        let error = Sequences::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("fewer than two tokens"), "{error}");
    }
}
