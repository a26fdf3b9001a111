//! A model folder's weights: one safetensors file, or shards with an index.

use super::ModelError;
use crate::Result;
use crate::fsx;
use crate::tensorfile::{TensorFile, TensorFileError, TensorSpec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Name of the only weights file of a model that has one.
pub const SINGLE_FILE: &str = "model.safetensors";
/// Name of the file that says which shard has which tensor.
pub const INDEX_FILE: &str = "model.safetensors.index.json";

/// Linear weights from elsewhere than the model folder, such as a quantized checkpoint.
pub trait LinearSource {
    /// The weight of this name as [out, in] in any number format on a device, or `None` to keep the model's own.
    fn linear(&self, name: &str, device: Device) -> Result<Option<Tensor>>;
}

/// The memory-mapped weights of a model folder.
#[derive(Debug)]
pub struct Weights {
    folder: PathBuf,
    files: Vec<TensorFile>,
    /// Which of `files` has a tensor.
    owner: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names, and checks them.
    pub fn open(folder: &Path) -> Result<Self> {
        let single = folder.join(SINGLE_FILE);
        if single.exists() {
            let file = TensorFile::open(&single)?;
            let owner = file.names().into_iter().map(|name| (name, 0)).collect();
            return Ok(Self { folder: folder.to_owned(), files: vec![file], owner });
        }
        let path = folder.join(INDEX_FILE);
        if !path.exists() {
            return Err(ModelError::NoWeights { folder: folder.to_owned() }.into());
        }
        Self::open_shards(folder, &path)
    }

    fn open_shards(folder: &Path, path: &Path) -> Result<Self> {
        let fail = |reason: String| ModelError::Index { path: path.to_owned(), reason };
        let index: Index = serde_json::from_slice(&fsx::read(path)?).map_err(|e| fail(e.to_string()))?;
        let mut files: Vec<TensorFile> = Vec::new();
        let mut position = BTreeMap::new();
        let mut owner = BTreeMap::new();
        for (name, shard) in index.weight_map {
            let at = match position.get(&shard) {
                Some(at) => *at,
                None => {
                    // A published index names plain files; anything else could reach outside the folder.
                    if Path::new(&shard).components().any(|c| !matches!(c, Component::Normal(_))) {
                        return Err(fail(format!("shard `{shard}` is not inside the model folder")).into());
                    }
                    files.push(TensorFile::open(&folder.join(&shard))?);
                    position.insert(shard, files.len() - 1);
                    files.len() - 1
                }
            };
            if files[at].shape(&name).is_none() {
                let path = files[at].path().to_owned();
                return Err(TensorFileError::Missing { path, name }.into());
            }
            owner.insert(name, at);
        }
        Ok(Self { folder: folder.to_owned(), files, owner })
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.owner.contains_key(name)
    }

    /// Names of the files that hold them, with that of the index if there is one.
    pub fn names_of_files(&self) -> Vec<String> {
        let names = self.files.iter().filter_map(|file| file.path().file_name()?.to_str().map(str::to_owned));
        let index = (self.folder.join(INDEX_FILE).exists() && !self.folder.join(SINGLE_FILE).exists())
            .then(|| INDEX_FILE.to_owned());
        names.chain(index).collect()
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut all: Vec<TensorSpec> = self.files.iter().flat_map(TensorFile::tensors).collect();
        all.retain(|spec| self.owner.contains_key(&spec.name));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The file that holds a tensor, or an error that names the tensor and the folder.
    pub fn file_of(&self, name: &str) -> Result<&TensorFile, TensorFileError> {
        let missing = || TensorFileError::Missing { path: self.folder.clone(), name: name.to_owned() };
        self.owner.get(name).map(|&at| &self.files[at]).ok_or_else(missing)
    }

    /// A tensor in the given number format on the given device, checked to be finite.
    pub fn get(&self, name: &str, kind: Kind, device: Device) -> Result<Tensor> {
        Ok(self.file_of(name)?.get_on(name, device)?.f_to_kind(kind)?)
    }

    /// [`Self::get`] of a tensor that must have this shape.
    pub fn get_shaped(&self, name: &str, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        self.file_of(name)?.check_shape(name, shape)?;
        self.get(name, kind, device)
    }
}
