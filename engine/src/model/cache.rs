//! Keeps the last base model between requests, because loading one can take longer than a stage.

use super::Model;
use super::weights::{INDEX_FILE, SINGLE_FILE};
use crate::Result;
use crate::fsx::FsError;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;
use tch::{Device, Kind};

/// At most one loaded model.
#[derive(Debug, Default)]
pub struct ModelCache {
    last: Option<(Key, Rc<Model>)>,
}

/// What must be equal for a loaded model to be the one asked for.
#[derive(Debug, PartialEq)]
struct Key {
    files: Vec<(PathBuf, u64, SystemTime)>,
    kind: Kind,
    device: Device,
}

impl ModelCache {
    /// The model of a folder: the one kept, if folder, files, number format and device are the same, else loaded.
    pub fn get(&mut self, folder: &Path, kind: Kind, device: Device) -> Result<Rc<Model>> {
        let key = Key { files: files(folder)?, kind, device };
        if let Some((kept, model)) = &self.last
            && *kept == key
        {
            return Ok(Rc::clone(model));
        }
        // Free the old one first: two may not fit.
        self.clear();
        let model = Rc::new(Model::load(folder, kind, device, None)?);
        self.last = Some((key, Rc::clone(&model)));
        Ok(model)
    }

    /// Forgets the model, as after memory ran out.
    pub fn clear(&mut self) {
        self.last = None;
    }
}

/// Path, size and time of change of all files that make a model.
fn files(folder: &Path) -> Result<Vec<(PathBuf, u64, SystemTime)>> {
    let fail = |e| FsError::new("read", folder, e);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let counts = name == "config.json" || name == INDEX_FILE || name == SINGLE_FILE;
        if counts || name.ends_with(".safetensors") {
            // Follows links: a hub cache links from snapshots to blobs.
            let metadata = fs::metadata(&path).map_err(|e| FsError::new("read", &path, e))?;
            let changed = metadata.modified().map_err(|e| FsError::new("read", &path, e))?;
            files.push((path, metadata.len(), changed));
        }
    }
    files.sort();
    Ok(files)
}
