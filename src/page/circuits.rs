//! Where the kept weights lie: by layer and kind of matrix, in rows and columns, and how much sets of them share.

use super::Source;
use super::error::PageError;
use super::names;
use super::table::Table;
use crate::fsx;
use crate::plan::StageId;
use rayon::prelude::*;
use safetensors::SafeTensors;
use serde::Serialize;
use std::path::Path;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{TensorShape, WeightLayout, file};

/// Share of rows, or of columns, whose part of the kept weights is told.
const TOP: f64 = 0.01;

/// A line of `circuits`: one matrix under one mask.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Matrix {
    /// The mask's stage.
    pub mask: String,
    pub tensor: String,
    pub layer: Option<u32>,
    /// `q_proj` and the like.
    pub module: String,
    pub weights: u64,
    pub kept: u64,
    /// [`Self::kept`] of [`Self::weights`].
    pub share: f64,
    /// Of the kept weights, those in the fullest 1 % of the matrix's rows.
    pub in_top_rows: f64,
    /// The same of columns.
    pub in_top_cols: f64,
}

/// A line of `overlaps`: two masks of equally many weights of one model.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Overlap {
    pub of: String,
    pub with: String,
    pub kept: u64,
    pub common: u64,
    /// [`Self::common`] of [`Self::kept`].
    pub share: f64,
}

impl Overlap {
    fn mirrored(&self) -> Self {
        Self { of: self.with.clone(), with: self.of.clone(), ..self.clone() }
    }
}

/// Both tables.
#[derive(Debug, Default, Serialize)]
pub(super) struct Circuits {
    /// Labels of the masks, in the plan's order.
    pub masks: Vec<String>,
    pub matrices: Vec<Matrix>,
    pub overlaps: Vec<Overlap>,
}

impl Circuits {
    pub fn tables(&self) -> Result<Vec<Table>, PageError> {
        Ok(vec![Table::of("circuits", &self.matrices)?, Table::of("overlaps", &self.overlaps)?])
    }
}

/// A mask that is there.
struct Mask {
    label: String,
    layout: WeightLayout,
    /// Ascending.
    index: Vec<i64>,
}

/// Reads all masks that are there.
pub(super) fn collect(source: Source<'_>) -> Result<Circuits, PageError> {
    let stages = &source.plan.stages;
    let ids: Vec<StageId> = (0..stages.len()).filter(|&id| stages[id].kind() == StageKind::Select).collect();
    let masks: Vec<Option<Mask>> =
        ids.into_par_iter().map(|id| read(source, id)).collect::<Result<_, PageError>>()?;
    let masks: Vec<Mask> = masks.into_iter().flatten().collect();
    let matrices = masks.par_iter().flat_map_iter(matrices).collect();
    let pairs: Vec<(usize, usize)> = (0..masks.len()).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
    let found: Vec<Overlap> =
        pairs.into_par_iter().filter_map(|(i, j)| overlap(&masks[i], &masks[j])).collect();
    // What two have in common is the same from either side.
    let mut overlaps: Vec<Overlap> =
        found.iter().filter(|overlap| overlap.of != overlap.with).map(Overlap::mirrored).collect();
    overlaps.extend(found);
    Ok(Circuits { masks: masks.into_iter().map(|mask| mask.label).collect(), matrices, overlaps })
}

fn read(source: Source<'_>, id: StageId) -> Result<Option<Mask>, PageError> {
    let stage = &source.plan.stages[id];
    let Some(key) = stage.key() else { return Ok(None) };
    let layout: Option<WeightLayout> = source.store.read_json(stage.kind(), key, file::LAYOUT)?;
    let path = source.store.artifact_dir(stage.kind(), key).join(file::MASK);
    let (Some(layout), Some(bytes)) = (layout, fsx::read_if_exists(&path)?) else { return Ok(None) };
    Ok(Some(Mask { label: stage.label.clone(), layout, index: indices(&path, &bytes)? }))
}

fn indices(path: &Path, bytes: &[u8]) -> Result<Vec<i64>, PageError> {
    let wrong = |why: String| PageError::Tensors { path: path.to_owned(), why };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| wrong(error.to_string()))?;
    let index = tensors.tensor("index").map_err(|error| wrong(error.to_string()))?;
    let index =
        index.data().chunks_exact(8).map(|eight| i64::from_le_bytes(eight.try_into().expect("eight")));
    let index: Vec<i64> = index.collect();
    match index.is_sorted() {
        true => Ok(index),
        false => Err(wrong("its indices are not in order".to_owned())),
    }
}

/// What a mask keeps of each matrix.
fn matrices(mask: &Mask) -> Vec<Matrix> {
    let mut first = 0;
    let mut rest = &mask.index[..];
    let mut found = Vec::new();
    for tensor in &mask.layout.tensors {
        let end = first + (tensor.rows * tensor.cols) as i64;
        let (of_tensor, after) = rest.split_at(rest.partition_point(|index| *index < end));
        found.push(matrix(mask, tensor, of_tensor, first));
        (rest, first) = (after, end);
    }
    found
}

fn matrix(mask: &Mask, tensor: &TensorShape, of_tensor: &[i64], first: i64) -> Matrix {
    let (mut rows, mut cols) = (vec![0_u64; tensor.rows as usize], vec![0_u64; tensor.cols as usize]);
    for index in of_tensor {
        let place = (index - first) as u64;
        rows[(place / tensor.cols) as usize] += 1;
        cols[(place % tensor.cols) as usize] += 1;
    }
    let (weights, kept) = (tensor.rows * tensor.cols, of_tensor.len() as u64);
    let (layer, module) = names::place(&tensor.name);
    Matrix {
        mask: mask.label.clone(),
        tensor: tensor.name.clone(),
        layer,
        module,
        weights,
        kept,
        share: kept as f64 / weights as f64,
        in_top_rows: in_top(rows, kept),
        in_top_cols: in_top(cols, kept),
    }
}

/// Share of all that the fullest hundredth has; at least one counts.
fn in_top(mut counts: Vec<u64>, all: u64) -> f64 {
    let n = ((counts.len() as f64 * TOP).round() as usize).max(1);
    counts.sort_unstable_by(|a, b| b.cmp(a));
    if all == 0 { 0.0 } else { counts.iter().take(n).sum::<u64>() as f64 / all as f64 }
}

/// None where two masks cannot be compared: other weights, or another number of them.
fn overlap(of: &Mask, with: &Mask) -> Option<Overlap> {
    if of.layout != with.layout || of.index.len() != with.index.len() || of.index.is_empty() {
        return None;
    }
    let (mut i, mut j, mut common) = (0, 0, 0);
    while let (Some(a), Some(b)) = (of.index.get(i), with.index.get(j)) {
        i += usize::from(a <= b);
        j += usize::from(b <= a);
        common += u64::from(a == b);
    }
    let kept = of.index.len() as u64;
    let share = common as f64 / kept as f64;
    Some(Overlap { of: of.label.clone(), with: with.label.clone(), kept, common, share })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(label: &str, index: &[i64]) -> Mask {
        let tensor = |name: &str, rows, cols| TensorShape { name: name.to_owned(), rows, cols };
        let tensors = vec![
            tensor("model.layers.0.mlp.up_proj.weight", 4, 3),
            tensor("model.layers.1.self_attn.q_proj.weight", 2, 5),
        ];
        Mask { label: label.to_owned(), layout: WeightLayout { tensors }, index: index.to_vec() }
    }

    #[test]
    fn each_kept_weight_is_counted_where_it_lies() {
        // Rows 1, 1, 3 and columns 0, 2, 2 of the first; row 1, column 4 of the second.
        let found = matrices(&mask("m", &[3, 5, 11, 21]));
        assert_eq!((&found[0].module[..], found[0].layer, found[0].kept), ("up_proj", Some(0), 3));
        assert_eq!((found[0].in_top_rows, found[0].in_top_cols), (2.0 / 3.0, 2.0 / 3.0));
        assert_eq!((&found[1].module[..], found[1].layer, found[1].kept), ("q_proj", Some(1), 1));
        assert_eq!((found[1].share, found[1].in_top_cols), (0.1, 1.0));
    }

    #[test]
    fn an_overlap_is_what_both_keep() {
        let (a, b) = (mask("a", &[1, 5, 7, 9]), mask("b", &[0, 5, 9, 21]));
        let found = overlap(&a, &b).unwrap();
        assert_eq!((found.common, found.share), (2, 0.5));
        assert_eq!(overlap(&a, &a).unwrap().share, 1.0);
        assert!(overlap(&a, &mask("c", &[1, 5, 7])).is_none(), "other ratios always differ");
    }
}
