//! How many weights a mask keeps of each matrix, without reading it: its indices ascend, so their bounds are searched for.

use super::circuits::place;
use super::error::PageError;
use crate::fsx::{self, FsError};
use crate::plan::Stage;
use crate::store::Store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tacq_protocol::artifact::{WeightLayout, file};

/// Bytes of an index.
const INDEX: u64 = 8;

/// A header that is longer is none.
const MAX_HEADER: u64 = 1 << 20;

/// What a mask keeps of a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// `q_proj` and the like.
    pub module: String,
    /// Its layer, if its name has one.
    pub layer: Option<u32>,
    /// Weights kept.
    pub kept: u64,
}

/// What a mask keeps of each matrix, in the model's order; none if its artifact is not there.
///
/// # Errors
/// The artifact is damaged.
pub fn kept(store: &Store, stage: &Stage) -> Result<Option<Vec<Kept>>, PageError> {
    let Some(key) = stage.key() else { return Ok(None) };
    let Some(layout) = store.read_json::<WeightLayout>(stage.kind(), key, file::LAYOUT)? else {
        return Ok(None);
    };
    let path = store.artifact_dir(stage.kind(), key).join(file::MASK);
    if !fsx::exists(&path) {
        return Ok(None);
    }
    of_mask(&path, &layout).map(Some)
}

fn of_mask(path: &Path, layout: &WeightLayout) -> Result<Vec<Kept>, PageError> {
    let mask = fsx::open(path)?;
    let failed = |source| FsError { action: "read", path: path.to_owned(), source };
    let indices = Indices::new(&mask).map_err(failed)?.ok_or_else(|| PageError::Tensors {
        path: path.to_owned(),
        why: "its header has no tensor `index` of 64-bit integers".to_owned(),
    })?;
    let (mut end, mut before) = (0, 0);
    let mut found = Vec::new();
    for tensor in &layout.tensors {
        end += tensor.rows * tensor.cols;
        let below = indices.below(end as i64).map_err(failed)?;
        let (module, layer) = place(&tensor.name);
        found.push(Kept { module, layer, kept: below.saturating_sub(before) });
        before = below;
    }
    Ok(found)
}

/// The tensor `index` of a mask's file.
struct Indices<'a> {
    mask: &'a File,
    /// Its first byte.
    start: u64,
    n: u64,
}

impl<'a> Indices<'a> {
    /// Reads the header; none if there is no such tensor.
    fn new(mask: &'a File) -> io::Result<Option<Self>> {
        let mut length = [0; 8];
        mask.read_exact_at(&mut length, 0)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return Ok(None);
        }
        let mut header = vec![0; length as usize];
        mask.read_exact_at(&mut header, 8)?;
        let header: BTreeMap<String, Value> = serde_json::from_slice(&header).unwrap_or_default();
        let Some(tensor) = header.get("index").filter(|tensor| tensor["dtype"] == "I64") else {
            return Ok(None);
        };
        let offset = |at: usize| tensor["data_offsets"][at].as_u64();
        let (Some(first), Some(last)) = (offset(0), offset(1)) else { return Ok(None) };
        Ok(Some(Self {
            mask,
            start: (8 + length).saturating_add(first),
            n: last.saturating_sub(first) / INDEX,
        }))
    }

    /// How many indices are below a bound.
    fn below(&self, bound: i64) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.n);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut index = [0; INDEX as usize];
            self.mask.read_exact_at(&mut index, self.start.saturating_add(middle * INDEX))?;
            match i64::from_le_bytes(index) < bound {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacq_protocol::artifact::TensorShape;

    fn mask(header: &str, indices: &[i64]) -> Vec<u8> {
        let indices = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
        [(header.len() as u64).to_le_bytes().to_vec(), header.as_bytes().to_vec(), indices].concat()
    }

    fn counted(bytes: &[u8]) -> Result<Vec<u64>, PageError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mask");
        fsx::write(&path, bytes).expect("writable");
        let tensor = |name: &str, rows| TensorShape { name: name.to_owned(), rows, cols: 4 };
        let tensors = vec![
            tensor("model.layers.0.mlp.up_proj.weight", 2),
            tensor("model.layers.0.mlp.down_proj.weight", 1),
            tensor("model.layers.11.mlp.up_proj.weight", 2),
        ];
        let found = of_mask(&path, &WeightLayout { tensors })?;
        assert_eq!((&found[2].module[..], found[2].layer), ("up_proj", Some(11)));
        Ok(found.iter().map(|matrix| matrix.kept).collect())
    }

    #[test]
    fn bounds_are_found_where_matrices_meet() {
        let header =
            |n: usize| format!(r#"{{"index":{{"dtype":"I64","shape":[{n}],"data_offsets":[0,{}]}}}}"#, n * 8);
        assert_eq!(counted(&mask(&header(5), &[0, 7, 12, 13, 19])).unwrap(), [2, 0, 3]);
        assert_eq!(counted(&mask(&header(2), &[8, 11])).unwrap(), [0, 2, 0]);
        assert_eq!(counted(&mask(&header(0), &[])).unwrap(), [0, 0, 0]);
        assert!(counted(&mask(&header(5), &[0, 7])).is_err(), "it is shorter than it says");
        assert!(counted(&mask("{}", &[0])).is_err() && counted(&[255; 64]).is_err() && counted(b"").is_err());
    }
}
