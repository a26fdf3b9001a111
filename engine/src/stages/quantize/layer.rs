//! The model's linear weights, layer by layer, from the mapped files.

use crate::Result;
use crate::model::{Block, LinearSource, ModelConfig, Proj, Weights};
use crate::quant::pass::Original;
use crate::quant::{MatrixMask, Shape};
use crate::saliency::Mask;
use tch::{Device, Kind, Tensor};

/// The layers of a model with an optional mask.
pub struct Layers<'a> {
    config: &'a ModelConfig,
    weights: &'a Weights,
    mask: Option<&'a Mask>,
    more_groups: Vec<i64>,
}

impl<'a> Layers<'a> {
    /// The mask, if any, is of this model.
    pub fn new(config: &'a ModelConfig, weights: &'a Weights, mask: Option<&'a Mask>) -> Self {
        Self { config, weights, mask, more_groups: Vec::new() }
    }

    /// With so many groups more, by matrix, that get a bit more than get one less.
    pub fn with_more_groups(self, more_groups: Vec<i64>) -> Self {
        Self { more_groups, ..self }
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        self.config
    }

    /// Decoder blocks.
    pub fn len(&self) -> usize {
        self.config.layers as usize
    }

    /// The position of each matrix's first weight among all of the model's, and behind the last.
    pub fn starts(&self) -> Vec<u64> {
        let sizes = (0..self.len()).flat_map(|_| Proj::ALL).map(|proj| {
            let (rows, cols) = proj.shape(self.config);
            (rows * cols) as u64
        });
        let mut starts = vec![0];
        starts.extend(sizes.scan(0, |end, size| {
            *end += size;
            Some(*end)
        }));
        starts
    }

    /// Loads a block; linear weights that `source` has replace the model's.
    pub fn block(
        &self,
        layer: usize,
        kind: Kind,
        device: Device,
        source: Option<&dyn LinearSource>,
    ) -> Result<Block> {
        Block::load(self.weights, self.config, layer as i64, kind, device, source)
    }

    /// A weight in f32 on a device, with its part of the mask.
    pub fn original(&self, layer: usize, proj: Proj, device: Device) -> Result<Original> {
        let name = proj.weight_name(layer as i64);
        let (rows, cols) = proj.shape(self.config);
        let weight = self.weights.get_shaped(&name, &[rows, cols], Kind::Float, device)?;
        let nth = layer * Proj::ALL.len() + proj as usize;
        let mask = match self.mask {
            Some(mask) => mask.matrix(nth)?,
            None => MatrixMask::empty(rows as usize),
        };
        let more_groups = self.more_groups.get(nth).copied().unwrap_or(0);
        Ok(Original { name, weight, mask, more_groups })
    }

    /// A weight's elements, row-major, and its shape.
    pub fn host_copy(&self, original: &Original) -> Result<(Vec<f32>, Shape)> {
        let (rows, cols) = original.weight.size2()?;
        let flat: Tensor = original.weight.f_reshape([-1])?;
        Ok((Vec::try_from(&flat)?, Shape { rows: rows as usize, cols: cols as usize }))
    }
}
