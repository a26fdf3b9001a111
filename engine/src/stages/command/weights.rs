//! A model folder with the weights of a checkpoint, for programs that know nothing of packed weights.

use crate::Result;
use crate::fsx::{self, FsError};
use crate::model::layout::weight_layout;
use crate::model::weights::{LinearSource, SINGLE_FILE, Weights};
use crate::model::{ModelConfig, ModelError};
use crate::quant::checkpoint::Checkpoint;
use crate::stages::{Context, StageError};
use crate::tensorfile::{TensorSpec, TensorWriter, tensor_bytes};
use safetensors::Dtype;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tacq_protocol::artifact::file;
use tacq_protocol::command::is_shown;
use tch::{Device, Kind};

/// Name of the file in a model folder that says what the model is.
const CONFIG: &str = "config.json";

/// Writes a model folder: all weights in one file and one number format, the linear ones from the checkpoint; the
/// tokenizer and the like as links.
pub fn write(
    model: &Path,
    artifact: &Path,
    kind: Kind,
    folder: &Path,
    context: &mut Context<'_>,
) -> Result<()> {
    let checkpoint = Checkpoint::open(&artifact.join(file::CHECKPOINT))?;
    let layout = weight_layout(&ModelConfig::read(model)?);
    if *checkpoint.layout() != layout {
        let (checkpoint, model) = (artifact.to_owned(), model.to_owned());
        return Err(StageError::OtherModel { checkpoint, model }.into());
    }
    fs::create_dir_all(folder).map_err(|e| FsError::new("create", folder, e))?;
    link_others(model, folder)?;
    write_config(model, kind, folder)?;
    let linear: BTreeSet<&str> = layout.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let weights = Weights::open(model)?;
    let dtype = match kind {
        Kind::BFloat16 => Dtype::BF16,
        _ => Dtype::F32,
    };
    let tensors: Vec<TensorSpec> =
        weights.tensors().into_iter().map(|spec| TensorSpec { dtype, ..spec }).collect();
    // Readers of PyTorch's models ask for it.
    let metadata = [("format", "pt".to_owned())];
    let mut writer = TensorWriter::create_with_metadata(&folder.join(SINGLE_FILE), &tensors, &metadata)?;
    for (done, TensorSpec { name, .. }) in tensors.iter().enumerate() {
        context.go_on()?;
        context.report(done as u64, tensors.len() as u64, "tensors written");
        let tensor = match linear.contains(name.as_str()) {
            true => checkpoint.linear(name, Device::Cpu)?,
            false => None,
        };
        let tensor = match tensor {
            Some(tensor) => tensor.f_to_kind(kind)?,
            None => weights.get(name, kind, Device::Cpu)?,
        };
        writer.write(&tensor_bytes(&tensor)?)?;
    }
    Ok(writer.commit()?)
}

/// Shows a model folder as it is, but for what is in no key.
pub fn show(model: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| FsError::new("create", folder, e))?;
    link_others(model, folder)?;
    link(model, folder, CONFIG)?;
    Weights::open(model)?.names_of_files().iter().try_for_each(|name| link(model, folder, name))
}

fn link(model: &Path, folder: &Path, name: &str) -> Result<()> {
    let to = folder.join(name);
    Ok(std::os::unix::fs::symlink(model.join(name), &to).map_err(|e| FsError::new("link", &to, e))?)
}

/// Links what lies beside the weights.
fn link_others(model: &Path, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(model).map_err(|e| FsError::new("list", model, e))? {
        let path = entry.map_err(|e| FsError::new("list", model, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_shown(&name) && name != CONFIG && path.is_file() {
            link(model, folder, &name)?;
        }
    }
    Ok(())
}

/// The model's own description, but for the number format: libraries load in the one that it names.
fn write_config(model: &Path, kind: Kind, folder: &Path) -> Result<()> {
    let path = model.join(CONFIG);
    let reason = |e: serde_json::Error| ModelError::Config { path: path.clone(), reason: e.to_string() };
    let mut config: Value = serde_json::from_slice(&fsx::read(&path)?).map_err(reason)?;
    let name = if kind == Kind::BFloat16 { "bfloat16" } else { "float32" };
    if let Value::Object(entries) = &mut config {
        for key in ["torch_dtype", "dtype"] {
            // The older name is understood by all; the newer one is kept where it is.
            if key == "torch_dtype" || entries.contains_key(key) {
                entries.insert(key.to_owned(), name.into());
            }
        }
    }
    Ok(fsx::write_json(&folder.join(CONFIG), &config)?)
}
