//! What training needs to go on: weights, the optimizer's means, the step.

use crate::Failure;
use crate::adamw::AdamW;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tch::{Device, Tensor, no_grad};

/// Replaces the saved state as a whole.
pub fn save(
    path: &Path,
    step: u64,
    parameters: &[(String, Tensor)],
    optimizer: &AdamW,
) -> Result<(), Failure> {
    let host = |tensor: &Tensor| tensor.detach().to_device(Device::Cpu);
    let mut tensors = vec![("step".to_owned(), Tensor::from_slice(&[step as i64]))];
    for (i, (name, tensor)) in parameters.iter().enumerate() {
        tensors.push((format!("{name}/mean"), host(&optimizer.means[i])));
        tensors.push((format!("{name}/square"), host(&optimizer.squares[i])));
        tensors.push((name.clone(), host(tensor)));
    }
    let temporary = path.with_extension("tmp");
    Tensor::write_safetensors(&tensors, &temporary)?;
    Ok(fs::rename(&temporary, path)?)
}

/// Takes up the saved state; the steps that were taken.
pub fn load(path: &Path, parameters: &[(String, Tensor)], optimizer: &mut AdamW) -> Result<u64, Failure> {
    let saved: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)?.into_iter().collect();
    let get = |name: &str| saved.get(name).ok_or_else(|| format!("{} has no {name}", path.display()));
    for (i, (name, tensor)) in parameters.iter().enumerate() {
        no_grad(|| -> Result<(), Failure> {
            tensor.shallow_clone().copy_(get(name)?);
            optimizer.means[i].copy_(get(&format!("{name}/mean"))?);
            optimizer.squares[i].copy_(get(&format!("{name}/square"))?);
            Ok(())
        })?;
    }
    let step = get("step")?.int64_value(&[0]);
    optimizer.n_steps = i32::try_from(step)?;
    Ok(u64::try_from(step)?)
}
