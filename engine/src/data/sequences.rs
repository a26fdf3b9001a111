//! A calibration set: sequences of token ids, and how they are drawn from a text.

use super::DataError;
use crate::Result;
use crate::tensorfile::{TensorFile, TensorSpec, TensorWriter};
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::file;
use tacq_protocol::task::{CalibrateParams, Sampling};
use tacq_tasks::python_random::PythonRandom;
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

    /// Draws windows of a tokenized text; `path` is for messages.
    pub fn draw(ids: &[u32], params: &CalibrateParams, path: &Path) -> Result<Self, DataError> {
        let (count, length) = (params.n_samples.get() as usize, params.seq_len.get() as usize);
        let too_short = |needed: u64, purpose: String| DataError::TooShort {
            path: path.to_owned(),
            got: ids.len(),
            needed,
            purpose,
        };
        // Vocabularies lie far below 2^31; encode checked them against the model's.
        let ids_i32: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let starts: Vec<usize> = match params.draw {
            Sampling::First => {
                let needed = count as u64 * length as u64;
                if (ids.len() as u64) < needed {
                    return Err(too_short(needed, format!("{count} sequences of {length} tokens")));
                }
                (0..count).map(|i| i * length).collect()
            }
            Sampling::Random { seed } => {
                // randint(0, n − length − 1) includes both ends, so the last window of all is never drawn; and
                // the reference, too, needs one token more than a window.
                let Some(choices) = ids.len().checked_sub(length).filter(|n| *n > 0) else {
                    return Err(too_short(length as u64 + 1, format!("random windows of {length} tokens")));
                };
                let mut random = PythonRandom::new(seed.get());
                (0..count).map(|_| random.below(choices as u64) as usize).collect()
            }
        };
        Ok(Self::new(starts.into_iter().map(|start| &ids_i32[start..start + length])))
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
    use serde_json::json;

    fn params(n_samples: u32, seq_len: u32, draw: serde_json::Value) -> CalibrateParams {
        let value = json!({"data": {"from": "text", "format": "plain"}, "n_samples": n_samples, "seq_len": seq_len, "draw": draw});
        serde_json::from_value(value).unwrap()
    }

    fn draw(tokens: u32, params: &CalibrateParams) -> Result<Sequences, DataError> {
        Sequences::draw(&(0..tokens).collect::<Vec<_>>(), params, Path::new("a.txt"))
    }

    #[test]
    fn first_windows_follow_each_other() {
        let sequences = draw(13, &params(3, 4, json!({"sampling": "first"}))).unwrap();
        assert_eq!(sequences, Sequences::new([[0, 1, 2, 3].as_slice(), &[4, 5, 6, 7], &[8, 9, 10, 11]]));
    }

    #[test]
    fn random_windows_start_where_python_says() {
        // random.seed(0); [random.randint(0, 1000 - 4 - 1) for _ in range(3)] == [864, 394, 776]
        let sequences = draw(1000, &params(3, 4, json!({"sampling": "random", "seed": 0}))).unwrap();
        let starts: Vec<_> = (0..3).map(|i| sequences.get(i)[0]).collect();
        assert_eq!(starts, [864, 394, 776]);
    }

    #[test]
    fn a_text_that_is_too_short_says_how_much_is_missing() {
        let error = draw(11, &params(3, 4, json!({"sampling": "first"}))).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.txt: the text is too short: it has 11 tokens, 12 are needed for 3 sequences of 4 tokens"
        );
        let error = draw(4, &params(3, 4, json!({"sampling": "random", "seed": 0}))).unwrap_err().to_string();
        assert!(error.contains("it has 4 tokens, 5 are needed"), "{error}");
    }

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
