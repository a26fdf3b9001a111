//! Finished layers in the progress folder.

use crate::Result;
use crate::fsx::{self, FsError};
use crate::model::Proj;
use crate::quant::Scheme;
use crate::quant::checkpoint::{self, Checkpoint};
use crate::quant::pass::Finished;
use crate::stages::Context;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tacq_protocol::LogLevel;
use tacq_protocol::artifact::{TensorShape, WeightHistogram, WeightHistograms, WeightLayout};

/// One checkpoint and the histograms of its weights per finished layer, each written whole or not at all. The checkpoint is
/// written last: a layer that has both is finished.
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
        // An earlier engine wrote no histograms.
        if !path.exists() || !self.histograms_path(layer).exists() {
            return None;
        }
        let names = self.names(layer);
        match self.open_both(layer) {
            Ok((part, found))
                if part.scheme() == self.scheme
                    && part.layout().tensors == names
                    && are_of(&found, names) =>
            {
                Some(part)
            }
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
    pub fn write(&self, layer: usize, matrices: Vec<Finished>) -> Result<()> {
        let parted = matrices.into_iter().map(|done| ((done.name, done.matrix), done.histogram));
        let (matrices, tensors): (Vec<_>, Vec<WeightHistogram>) = parted.unzip();
        fsx::write_json(&self.histograms_path(layer), &WeightHistograms { tensors })?;
        Ok(checkpoint::write(&self.path(layer), self.scheme, &matrices)?)
    }

    /// Joins all layers, which must be finished, into the checkpoint at `path`.
    pub fn join(&self, path: &Path) -> Result<()> {
        let parts: Vec<Checkpoint> =
            (0..self.layers()).map(|layer| Checkpoint::open(&self.path(layer))).collect::<Result<_, _>>()?;
        Ok(checkpoint::merge(path, self.scheme, &parts)?)
    }

    /// The histograms of all layers, which must be finished.
    pub fn histograms(&self) -> Result<WeightHistograms> {
        let mut tensors = Vec::with_capacity(self.layout.tensors.len());
        for layer in 0..self.layers() {
            tensors.append(&mut self.histograms_of(layer)?.tensors);
        }
        Ok(WeightHistograms { tensors })
    }

    fn open_both(&self, layer: usize) -> Result<(Checkpoint, WeightHistograms)> {
        Ok((Checkpoint::open(&self.path(layer))?, self.histograms_of(layer)?))
    }

    fn histograms_of(&self, layer: usize) -> Result<WeightHistograms, FsError> {
        let path = self.histograms_path(layer);
        serde_json::from_slice(&fsx::read(&path)?).map_err(|e| FsError::new("read", &path, e.into()))
    }

    fn layers(&self) -> usize {
        self.layout.tensors.len() / Proj::ALL.len()
    }

    fn names(&self, layer: usize) -> &[TensorShape] {
        let n = Proj::ALL.len();
        &self.layout.tensors[layer * n..(layer + 1) * n]
    }

    fn path(&self, layer: usize) -> PathBuf {
        self.folder.join(format!("layer-{layer:05}.safetensors"))
    }

    fn histograms_path(&self, layer: usize) -> PathBuf {
        self.folder.join(format!("layer-{layer:05}.weights.json"))
    }
}

/// Whether histograms are of these matrices.
fn are_of(found: &WeightHistograms, matrices: &[TensorShape]) -> bool {
    let is_of = |(found, matrix): (&WeightHistogram, &TensorShape)| {
        let n = matrix.rows * matrix.cols;
        found.tensor == matrix.name && [&found.original, &found.quantized].iter().all(|of| of.total() == n)
    };
    found.tensors.len() == matrices.len() && found.tensors.iter().zip(matrices).all(is_of)
}
