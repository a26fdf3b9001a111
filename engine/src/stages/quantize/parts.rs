//! Finished layers in the progress folder.

use crate::Result;
use crate::model::Proj;
use crate::quant::checkpoint::{self, Checkpoint};
use crate::quant::{QuantizedMatrix, Scheme};
use crate::stages::Context;
use std::path::{Path, PathBuf};
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::WeightLayout;

/// One checkpoint per finished layer, written whole or not at all.
pub struct Parts<'a> {
    folder: &'a Path,
    scheme: Scheme,
    layout: &'a WeightLayout,
}

impl<'a> Parts<'a> {
    /// Parts of a model with this layout.
    pub fn new(folder: &'a Path, scheme: Scheme, layout: &'a WeightLayout) -> Self {
        Self { folder, scheme, layout }
    }

    /// A finished layer; nothing if it is not there or not usable, which is said in the log.
    pub fn open(&self, layer: usize, context: &Context<'_>) -> Option<Checkpoint> {
        let path = self.path(layer);
        if !path.exists() {
            return None;
        }
        let names = self.names(layer);
        match Checkpoint::open(&path) {
            Ok(part) if part.scheme() == self.scheme && part.layout().tensors == names => Some(part),
            Ok(_) => {
                context.log(LogLevel::Warn, format!("{} is of another stage; ignored", path.display()));
                None
            }
            Err(error) => {
                context.log(
                    LogLevel::Warn,
                    format!("progress is not usable, layer {layer} is done again: {error}"),
                );
                None
            }
        }
    }

    /// Saves a finished layer.
    pub fn write(&self, layer: usize, matrices: &[(String, QuantizedMatrix)]) -> Result<()> {
        Ok(checkpoint::write(&self.path(layer), self.scheme, matrices)?)
    }

    /// Joins all layers, which must be finished, into the checkpoint at `path`.
    pub fn join(&self, path: &Path) -> Result<()> {
        let layers = self.layout.tensors.len() / Proj::ALL.len();
        let parts: Vec<Checkpoint> =
            (0..layers).map(|layer| Checkpoint::open(&self.path(layer))).collect::<Result<_, _>>()?;
        Ok(checkpoint::merge(path, self.scheme, &parts)?)
    }

    fn names(&self, layer: usize) -> &[tacq_protocol::artifact::TensorShape] {
        let n = Proj::ALL.len();
        &self.layout.tensors[layer * n..(layer + 1) * n]
    }

    fn path(&self, layer: usize) -> PathBuf {
        self.folder.join(format!("layer-{layer:05}.safetensors"))
    }
}
