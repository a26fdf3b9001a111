//! How many weights a mask keeps of each matrix, without reading it: its indices ascend, so their bounds are searched for.

use super::error::PageError;
use super::names;
use super::tensors::Tensors;
use crate::fsx;
use crate::plan::Stage;
use crate::store::Store;
use std::path::Path;
use tacq_protocol::artifact::{WeightLayout, file};

/// Name of the tensor.
const INDEX: &str = "index";

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
    let mask = Tensors::open(path)?;
    let n = mask.len(INDEX, 8)?;
    let (mut end, mut before) = (0, 0);
    let mut found = Vec::new();
    for tensor in &layout.tensors {
        end += tensor.rows * tensor.cols;
        let below = below(&mask, n, end as i64)?;
        let (layer, module) = names::place(&tensor.name);
        found.push(Kept { module, layer, kept: below.saturating_sub(before) });
        before = below;
    }
    Ok(found)
}

/// How many of `n` indices are below a bound.
fn below(mask: &Tensors, n: u64, bound: i64) -> Result<u64, PageError> {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        match mask.integers(INDEX, middle, 1)?[0] < bound {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
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
