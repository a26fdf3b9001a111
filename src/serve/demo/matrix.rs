//! The kept weights of one matrix, and what each was kept for: abs(W) · abs(gradient) · abs(change) (TaCQ, equation 5).

use super::experiment::{TACQ, trials};
use crate::fsx;
use crate::page::PageError;
use crate::page::tensors::Tensors;
use crate::page::{self, Kept};
use crate::plan::{Stage, StageId};
use crate::serve::site::Opened;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{WeightLayout, file, role};

/// Weights that are shown, those of the largest saliency.
const MOST: usize = 2000;

/// A weight that stays in 16 bit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Weight {
    pub row: u64,
    pub column: u64,
    /// As it is in the model.
    pub weight: f64,
    /// Sum of its absolute gradients over the calibration set.
    pub gradient: f64,
    /// What uniform quantization would change it by: its saliency by the other two.
    pub change: f64,
    /// abs(W) · abs(gradient): the magnitude-sharpened gradient.
    pub sharpened: f64,
    /// The product of the three.
    pub score: f64,
}

/// A matrix with kept weights.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Matrix {
    pub tensor: String,
    pub rows: u64,
    pub columns: u64,
    pub kept: u64,
    /// Linear weights of the whole model.
    pub of_model: u64,
    /// The best first.
    #[serde(skip)]
    pub weights: Vec<Weight>,
}

/// What TaCQ keeps of each matrix, and the weights of the matrix of which it keeps the largest share. Nothing as long as it
/// has not been selected.
pub(super) fn densest(opened: &Opened, model: &Path) -> Result<Option<(Vec<Kept>, Matrix)>, PageError> {
    let plan = &opened.plan;
    let input = |id: StageId, role: &str| plan.stages[id].inputs.get(role).copied();
    let tacq =
        trials(opened).into_iter().find(|(_, method)| method == TACQ).and_then(|(trial, _)| trial.checkpoint);
    let Some(mask) = tacq.and_then(|checkpoint| input(checkpoint, role::MASK)) else { return Ok(None) };
    let Some(saliency) = input(mask, role::SALIENCY) else { return Ok(None) };
    let Some(gradients) = input(saliency, role::GRADIENTS) else { return Ok(None) };
    let Some(kept) = page::kept(&opened.store, &plan.stages[mask])? else { return Ok(None) };
    let layout = |stage: &Stage| match stage.key() {
        Some(key) => opened.store.read_json::<WeightLayout>(stage.kind(), key, file::LAYOUT),
        None => Ok(None),
    };
    let Some(WeightLayout { tensors }) = layout(&plan.stages[mask])? else { return Ok(None) };
    let artifact = |id: StageId, name: &str| {
        let stage = &plan.stages[id];
        stage.key().map(|key| opened.store.artifact_dir(stage.kind(), key).join(name))
    };
    let (Some(candidates), Some(gradients)) =
        (artifact(saliency, file::CANDIDATES), artifact(gradients, file::GRADIENTS))
    else {
        return Ok(None);
    };
    if !(fsx::exists(&candidates) && fsx::exists(&gradients)) {
        // Removed since: the mask that was made of them is still right.
        return Ok(None);
    }
    let share = |at: usize| kept[at].kept as f64 / (tensors[at].rows * tensors[at].cols) as f64;
    let Some(at) = (0..tensors.len().min(kept.len())).max_by(|a, b| share(*a).total_cmp(&share(*b))) else {
        return Ok(None);
    };
    let first: u64 = tensors[..at].iter().map(|tensor| tensor.rows * tensor.cols).sum();
    let own = first..first + tensors[at].rows * tensors[at].cols;
    // A mask is a prefix of the candidates, which are sorted.
    let n: u64 = kept.iter().map(|matrix| matrix.kept).sum();
    let candidates = Tensors::open(&candidates)?;
    let (index, score) = (candidates.integers("index", 0, n)?, candidates.numbers("score", 0, n)?);
    let of_matrix = index.into_iter().zip(score).filter(|(index, _)| own.contains(&(*index as u64)));
    let name = &tensors[at].name;
    let (gradients, weights) = (Tensors::open(&gradients)?, Tensors::open(&shard(model, name))?);
    let columns = tensors[at].cols;
    let of_model = tensors.iter().map(|tensor| tensor.rows * tensor.cols).sum();
    let weight = |(index, saliency): (i64, f64)| -> Result<Weight, PageError> {
        let place = index as u64 - first;
        let value = |file: &Tensors| file.numbers(name, place, 1).map(|values| values[0]);
        let (weight, gradient) = (value(&weights)?, value(&gradients)?.abs());
        let sharpened = weight.abs() * gradient;
        let change = if sharpened > 0.0 { saliency / sharpened } else { 0.0 };
        Ok(Weight {
            row: place / columns,
            column: place % columns,
            weight,
            gradient,
            change,
            sharpened,
            score: saliency,
        })
    };
    let weights = of_matrix.take(MOST).map(weight).collect::<Result<_, _>>()?;
    let matrix = Matrix {
        tensor: name.clone(),
        rows: tensors[at].rows,
        columns,
        kept: kept[at].kept,
        of_model,
        weights,
    };
    Ok(Some((kept, matrix)))
}

/// The file of a model's folder that has a tensor.
fn shard(model: &Path, tensor: &str) -> PathBuf {
    let index = fsx::read(&model.join("model.safetensors.index.json")).ok();
    let index: Option<BTreeMap<String, Value>> = index.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let name = index.and_then(|index| index.get("weight_map")?.get(tensor)?.as_str().map(str::to_owned));
    model.join(name.as_deref().unwrap_or("model.safetensors"))
}
