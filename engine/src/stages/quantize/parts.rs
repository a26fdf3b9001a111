//! Finished layers in the progress folder.

use crate::Result;
use crate::fsx::FsError;
use crate::model::Proj;
use crate::quant::checkpoint::{self, Checkpoint};
use crate::quant::{QuantizedMatrix, Scheme};
use crate::stages::Context;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::WeightLayout;

/// One checkpoint per finished layer, written whole or not at all.
pub struct Parts<'a> {
    folder: PathBuf,
    scheme: Scheme,
    layout: &'a WeightLayout,
}

impl<'a> Parts<'a> {
    /// Parts of a model with this layout.
    pub fn new(folder: PathBuf, scheme: Scheme, layout: &'a WeightLayout) -> Self {
        Self { folder, scheme, layout }
    }

    /// Parts of the same model in a folder of this name inside of theirs.
    pub fn inside(&self, name: &str) -> Self {
        Self { folder: self.folder.join(name), ..*self }
    }

    /// Makes the folder, unless it is there.
    pub fn create(&self) -> Result<()> {
        Ok(fs::create_dir_all(&self.folder).map_err(|e| FsError::new("create", &self.folder, e))?)
    }

    /// Removes the folder with all finished layers, if it is there.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(FsError::new("remove", &self.folder, e))?,
            _ => Ok(()),
        }
    }

    /// Whether all layers are finished.
    pub fn are_complete(&self, context: &Context<'_>) -> bool {
        (0..self.layers()).all(|layer| self.open(layer, context).is_some())
    }

    /// Weights of all layers, which must be finished, that stay in 16 bit.
    pub fn n_outliers(&self) -> Result<u64> {
        let of_layer = |layer| Ok(Checkpoint::open(&self.path(layer))?.n_outliers());
        (0..self.layers()).map(of_layer).sum()
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
        let parts: Vec<Checkpoint> =
            (0..self.layers()).map(|layer| Checkpoint::open(&self.path(layer))).collect::<Result<_, _>>()?;
        Ok(checkpoint::merge(path, self.scheme, &parts)?)
    }

    fn layers(&self) -> usize {
        self.layout.tensors.len() / Proj::ALL.len()
    }

    fn names(&self, layer: usize) -> &[tacq_protocol::artifact::TensorShape] {
        let n = Proj::ALL.len();
        &self.layout.tensors[layer * n..(layer + 1) * n]
    }

    fn path(&self, layer: usize) -> PathBuf {
        self.folder.join(format!("layer-{layer:05}.safetensors"))
    }
}
