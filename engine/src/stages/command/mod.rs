//! `command`: a program of the user's on artifacts of other stages → the files that it was to leave, and its numbers.
//!
//! Below the progress folder lie: `work`, its working directory with the user's files; `output`, which it writes into;
//! `weights`, the model folder that is made for it; `kept`, which a later attempt finds as this one left it. All but the
//! last go when the attempt ends, however it ends, and only what is declared moves into the artifact.

mod error;
mod metrics;
mod process;
mod weights;

pub use error::CommandError;

use super::Context;
use crate::fsx::{FsError, sync_dir, write_json};
use crate::{Result, device};
use process::Process;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{file, role};
use tacq_protocol::command::{
    CommandParams, DEVICE, IMAGE, OUTPUT, PASSED_VARIABLES, PROGRESS, WEIGHTS, variable,
};
use tacq_protocol::units::{DType, Device};

/// Runs the command.
pub fn run(params: &CommandParams, context: &mut Context<'_>) -> Result<()> {
    // Memory is the command's now.
    context.forget_models();
    let place = Place::new(context)?;
    if let Some(model) = context.optional_input(role::MODEL) {
        weights::show(model, &place.model)?;
    }
    if let Some(dtype) = params.weights {
        make_weights(dtype, &place.weights, context)?;
    }
    let process = Process {
        command: &params.command,
        environment: environment(params, &place, context),
        folder: &place.work,
    };
    process.run(context)?;
    // Before anything is moved: it may lie in a folder that is kept.
    let metrics = params.metrics.as_ref().map(|path| metrics::read(&place.output, path)).transpose()?;
    for path in params.outputs.iter().filter(|path| *path != file::METRICS) {
        place.keep(path, context.output())?;
    }
    if let Some(metrics) = metrics {
        write_json(&context.output().join(file::METRICS), &metrics)?;
    }
    Ok(())
}

/// The user's files up to this size are copied. Of a script that is a link, Python would import what lies beside the file
/// that it points to, which is in no key; data is only read.
const COPIED: u64 = 64 << 20;

/// The folders of one attempt.
struct Place {
    work: PathBuf,
    output: PathBuf,
    weights: PathBuf,
    model: PathBuf,
    kept: PathBuf,
}

impl Place {
    fn new(context: &mut Context<'_>) -> Result<Self> {
        let folder = |name: &str| context.progress().join(name);
        let place = Self {
            work: folder("work"),
            output: folder("output"),
            weights: folder("weights"),
            model: folder("model"),
            kept: folder("kept"),
        };
        place.clear()?;
        for folder in [&place.work, &place.output] {
            create(folder)?;
        }
        create(&place.kept)?;
        if fs::read_dir(&place.kept).is_ok_and(|mut entries| entries.next().is_some()) {
            context.mark_resumed();
        }
        for file in context.optional_data(role::FILES) {
            let here = place.work.join(&file.name);
            create(here.parent().unwrap_or(&place.work))?;
            let bytes = fs::metadata(&file.path).map_err(|e| FsError::new("read", &file.path, e))?.len();
            let put = match bytes <= COPIED {
                true => fs::copy(&file.path, &here).map(drop),
                false => std::os::unix::fs::symlink(&file.path, &here),
            };
            put.map_err(|e| FsError::new("copy", &here, e))?;
        }
        Ok(place)
    }

    /// Removes what another attempt, or a later stage, has no use for.
    fn clear(&self) -> Result<()> {
        for folder in [&self.work, &self.output, &self.weights, &self.model] {
            match fs::remove_dir_all(folder) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FsError::new("remove", folder, e).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Moves a declared file or folder into the artifact, flushed to disk.
    fn keep(&self, path: &str, artifact: &Path) -> Result<()> {
        let (from, to) = (self.output.join(path), artifact.join(path));
        flush(&from, path)?;
        create(to.parent().unwrap_or(artifact))?;
        fs::rename(&from, &to).map_err(|e| FsError::new("move into the artifact", &from, e))?;
        let mut folder = to.parent();
        while let Some(parent) = folder.filter(|parent| parent.starts_with(artifact)) {
            sync_dir(parent)?;
            folder = parent.parent();
        }
        Ok(())
    }
}

impl Drop for Place {
    /// Best effort: the next attempt begins with it.
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

/// Flushes a file, or all that is in a folder; a link would point nowhere on another machine.
fn flush(path: &Path, name: &str) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(CommandError::NoOutput { name: name.to_owned() }.into());
        }
        found => found.map_err(|e| FsError::new("read", path, e))?,
    };
    if found.is_dir() {
        for entry in fs::read_dir(path).map_err(|e| FsError::new("list", path, e))? {
            let entry = entry.map_err(|e| FsError::new("list", path, e))?;
            let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
            if entry.file_name().to_str().is_none() {
                return Err(CommandError::Name { name: inner }.into());
            }
            flush(&entry.path(), &inner)?;
        }
    } else if !found.is_file() {
        return Err(CommandError::NotAFile { name: name.to_owned() }.into());
    }
    Ok(sync_dir(path)?)
}

fn create(folder: &Path) -> Result<()> {
    Ok(fs::create_dir_all(folder).map_err(|e| FsError::new("create", folder, e))?)
}

/// The model folder that `$WEIGHTS` names: the checkpoint's weights written out, or the base model itself.
fn make_weights(dtype: DType, folder: &Path, context: &mut Context<'_>) -> Result<()> {
    let model = context.input(role::MODEL)?;
    match context.optional_input(role::CHECKPOINT) {
        Some(checkpoint) => weights::write(model, checkpoint, device::kind(dtype), folder, context),
        None => weights::show(model, folder),
    }
}

/// Everything that the command is told, in no order that it could depend on.
fn environment(params: &CommandParams, place: &Place, context: &Context<'_>) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let passed = PASSED_VARIABLES.iter().copied().chain(params.pass.iter().map(String::as_str));
    let mut all: BTreeMap<String, String> =
        passed.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
    all.extend(context.request.inputs.iter().map(|(role, path)| (variable(role), text(path))));
    if context.optional_input(role::MODEL).is_some() {
        all.insert(variable(role::MODEL), text(&place.model));
    }
    all.extend(params.env.clone());
    all.insert(OUTPUT.to_owned(), text(&place.output));
    all.insert(PROGRESS.to_owned(), text(&place.kept));
    if params.weights.is_some() {
        all.insert(variable(WEIGHTS), text(&place.weights));
    }
    all.extend(params.image.clone().map(|image| (IMAGE.to_owned(), image)));
    all.extend(context.request.run.threads.map(|n| ("OMP_NUM_THREADS".to_owned(), n.to_string())));
    let (device, visible) = match context.request.run.device {
        Device::Cpu => ("cpu", String::new()),
        Device::Cuda(index) => ("cuda", visible_gpu(std::env::var("CUDA_VISIBLE_DEVICES").ok(), index)),
    };
    all.insert(DEVICE.to_owned(), device.to_owned());
    all.insert("CUDA_VISIBLE_DEVICES".to_owned(), visible);
    all
}

/// What the GPU of this number is called by a process that is to see it alone: the engine may itself see but some.
fn visible_gpu(seen: Option<String>, index: u16) -> String {
    let seen: Vec<&str> = seen.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    seen.get(usize::from(index)).map_or_else(|| index.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::visible_gpu;

    #[test]
    fn gpus_are_counted_among_those_that_the_engine_sees() {
        assert_eq!(visible_gpu(None, 1), "1");
        assert_eq!(visible_gpu(Some("4,6".into()), 1), "6");
        assert_eq!(visible_gpu(Some("GPU-5a, MIG-7".into()), 0), "GPU-5a");
    }
}
