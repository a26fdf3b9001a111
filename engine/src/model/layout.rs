//! The order of the linear weights, which gives every weight of a model one global index.

use super::block::Proj;
use super::config::ModelConfig;
use tacq_protocol::artifact::{TensorShape, WeightLayout};

/// One linear weight of a decoder block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearWeight {
    /// The checkpoint's name, such as `model.layers.0.mlp.up_proj.weight`.
    pub name: String,
    /// Index of the block.
    pub layer: i64,
    /// Which projection of the block.
    pub proj: Proj,
    /// Output features.
    pub rows: i64,
    /// Input features.
    pub cols: i64,
}

/// All linear weights: block by block, and q, k, v, o, gate, up, down in each.
///
/// A weight's global index counts through these tensors in order, row by row.
pub fn linear_weights(config: &ModelConfig) -> Vec<LinearWeight> {
    let in_layer = |layer| {
        Proj::ALL.map(|proj| {
            let (rows, cols) = proj.shape(config);
            LinearWeight { name: proj.weight_name(layer), layer, proj, rows, cols }
        })
    };
    (0..config.layers).flat_map(in_layer).collect()
}

/// [`linear_weights`] as the file that goes with saliency and masks.
pub fn weight_layout(config: &ModelConfig) -> WeightLayout {
    let shape = |w: LinearWeight| TensorShape {
        name: w.name,
        rows: w.rows.unsigned_abs(),
        cols: w.cols.unsigned_abs(),
    };
    WeightLayout { tensors: linear_weights(config).into_iter().map(shape).collect() }
}
