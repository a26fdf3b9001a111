//! A mask artifact: the global indices of the weights that stay in 16 bit.

use super::SaliencyError;
use super::candidates::{CHUNK, bytes};
use crate::fsx;
use crate::quant::MatrixMask;
use crate::tensorfile::{TensorFile, TensorSpec, TensorWriter};
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::{WeightLayout, file};

/// A mask on disk. The list is memory-mapped: for a large model it is gigabytes.
#[derive(Debug)]
pub struct Mask {
    indices: TensorFile,
    /// First global index of each matrix, and the end of the last.
    starts: Vec<u64>,
    /// Columns of each matrix.
    cols: Vec<u64>,
}

impl Mask {
    /// Opens a mask of the model that has this `layout`; the indices are checked to ascend and to lie in it.
    pub fn open(folder: &Path, layout: &WeightLayout) -> Result<Mask, SaliencyError> {
        check_layout(folder, layout)?;
        let indices = TensorFile::open(&folder.join(file::MASK))?;
        indices.check_dtype("index", Dtype::I64)?;
        let starts = starts(layout);
        let mask = Mask { indices, starts, cols: layout.tensors.iter().map(|t| t.cols).collect() };
        let total = mask.starts.last().copied().unwrap_or(0);
        let mut next = 0;
        for (nth, found) in mask.list()?.iter().map(|b| i64::from_le_bytes(*b)).enumerate() {
            if found < next || found.unsigned_abs() >= total {
                let path = mask.indices.path().to_owned();
                let expected = format!("ascending numbers below {total}");
                return Err(SaliencyError::Index { path, nth, found, expected });
            }
            next = found + 1;
        }
        Ok(mask)
    }

    /// Outliers of the matrix at position `tensor` of the layout.
    pub fn matrix(&self, tensor: usize) -> Result<MatrixMask, SaliencyError> {
        let (start, end) = (self.starts[tensor], self.starts[tensor + 1]);
        let list = self.list()?;
        let before = |limit: u64| list.partition_point(|b| i64::from_le_bytes(*b).unsigned_abs() < limit);
        let inside = list[before(start)..before(end)].iter();
        let cols = self.cols[tensor];
        let rows = ((end - start) / cols) as usize;
        let positions = inside.map(|b| i64::from_le_bytes(*b).unsigned_abs() - start);
        Ok(MatrixMask::from_sorted(rows, cols as usize, positions))
    }

    fn list(&self) -> Result<&[[u8; 8]], SaliencyError> {
        Ok(self.indices.bytes("index")?.as_chunks().0)
    }

    /// Writes a mask: ascending global indices, and the layout they count through.
    pub fn write(folder: &Path, layout: &WeightLayout, indices: &[i64]) -> Result<(), SaliencyError> {
        let spec = TensorSpec::new("index", Dtype::I64, &[indices.len() as u64]);
        let write = || {
            let mut writer = TensorWriter::create(&folder.join(file::MASK), &[spec])?;
            for chunk in indices.chunks(CHUNK) {
                writer.write(&bytes(chunk, |i| i.to_le_bytes()))?;
            }
            writer.commit()?;
            fsx::write_json(&folder.join(file::LAYOUT), layout)
        };
        write().map_err(|e| SaliencyError::File(e.into()))
    }
}

/// First global index of each matrix, and the number of weights.
fn starts(layout: &WeightLayout) -> Vec<u64> {
    let mut starts = vec![0];
    starts.extend(layout.tensors.iter().scan(0, |end, t| {
        *end += t.rows * t.cols;
        Some(*end)
    }));
    starts
}

/// Reads an artifact's layout.
pub fn read_layout(folder: &Path) -> Result<WeightLayout, SaliencyError> {
    let path = folder.join(file::LAYOUT);
    let text = fsx::read(&path).map_err(|e| SaliencyError::File(e.into()))?;
    serde_json::from_slice(&text).map_err(|e| SaliencyError::LayoutFile { path, reason: e.to_string() })
}

/// Fails unless an artifact's layout is the model's.
fn check_layout(folder: &Path, expected: &WeightLayout) -> Result<(), SaliencyError> {
    let found = read_layout(folder)?;
    if found == *expected {
        return Ok(());
    }
    let describe = |layout: &WeightLayout| {
        let weights = starts(layout).pop().unwrap_or(0);
        format!("{} matrices with {weights} weights", layout.tensors.len())
    };
    let (found, expected) = (describe(&found), describe(expected));
    Err(SaliencyError::Layout { path: folder.to_owned(), found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacq_protocol::artifact::TensorShape;

    fn layout() -> WeightLayout {
        let shape = |name: &str, rows, cols| TensorShape { name: name.to_owned(), rows, cols };
        WeightLayout { tensors: vec![shape("a", 2, 3), shape("b", 4, 2)] }
    }

    #[test]
    fn each_matrix_gets_its_part() {
        let folder = tempfile::tempdir().unwrap();
        Mask::write(folder.path(), &layout(), &[0, 5, 6, 13]).unwrap();
        let mask = Mask::open(folder.path(), &layout()).unwrap();
        assert_eq!(mask.matrix(0).unwrap(), MatrixMask::from_sorted(2, 3, [0, 5].into_iter()));
        assert_eq!(mask.matrix(1).unwrap(), MatrixMask::from_sorted(4, 2, [0, 7].into_iter()));
    }

    #[test]
    fn indices_out_of_order_or_range_are_rejected() {
        for (indices, nth) in [(vec![3, 3], 1), (vec![5, 4], 1), (vec![-1], 0), (vec![0, 14], 1)] {
            let folder = tempfile::tempdir().unwrap();
            Mask::write(folder.path(), &layout(), &indices).unwrap();
            let error = Mask::open(folder.path(), &layout()).unwrap_err();
            assert!(matches!(error, SaliencyError::Index { nth: n, .. } if n == nth), "{error}");
        }
    }

    #[test]
    fn a_mask_of_another_model_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        Mask::write(folder.path(), &layout(), &[1]).unwrap();
        let mut other = layout();
        other.tensors.pop();
        let message = Mask::open(folder.path(), &other).unwrap_err().to_string();
        assert!(
            message.contains("2 matrices with 14 weights, this model's are 1 matrices with 6"),
            "{message}"
        );
    }
}
