//! What a worker is asked for: a stage, where its inputs are, where its files go.

use super::Ledger;
use crate::exec::outcome::ExecError;
use crate::plan::{Stage, StageId};
use crate::store::Reservation;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{Files, file, role};
use tacq_protocol::units::{BatchSize, Device};
use tacq_protocol::{DataFile, Request, Run};

impl Ledger<'_> {
    /// The request for a stage, frozen in the run's folder.
    pub(in crate::exec) fn request(
        &mut self,
        id: StageId,
        reservation: &Reservation,
        device: Device,
        more_devices: Vec<Device>,
    ) -> Result<Request, ExecError> {
        let (output, progress) = (reservation.output_dir()?, reservation.progress_dir(device));
        self.request_into(id, output, progress, device, more_devices)
    }

    /// [`Self::request`] where someone else makes the reservation.
    pub(in crate::exec) fn request_into(
        &mut self,
        id: StageId,
        output: PathBuf,
        progress: PathBuf,
        device: Device,
        more_devices: Vec<Device>,
    ) -> Result<Request, ExecError> {
        let stage = self.stage(id);
        let (mut inputs, mut data) = (BTreeMap::new(), BTreeMap::new());
        for (role, &input) in &stage.inputs {
            let input = self.stage(input);
            let artifact = || {
                let key = input.key().expect("inputs of a stage with a key have keys");
                self.sweep.store.artifact_dir(input.kind(), key)
            };
            match (&input.source, &input.remote) {
                (Some(source), _) if role::DATA.contains(&&**role) => {
                    data.insert(role.to_string(), source.data_files());
                }
                (None, Some(_)) if role::DATA.contains(&&**role) => {
                    data.insert(role.to_string(), self.downloaded(input, &absolute(artifact()))?);
                }
                (Some(source), _) => _ = inputs.insert(role.to_string(), absolute(source.path.clone())),
                (None, Some(_)) => {
                    inputs.insert(role.to_string(), absolute(artifact()).join(file::FILES_DIR));
                }
                (None, None) => _ = inputs.insert(role.to_string(), absolute(artifact())),
            }
        }
        let settings = &self.options.settings;
        let batch_size = self.attempts(id).batch_size(settings.batch_size.map(BatchSize::get));
        let request = Request {
            id: self.next_request,
            stage: stage.params.clone(),
            inputs,
            data,
            output: absolute(output),
            progress: absolute(progress),
            run: Run {
                device,
                more_devices,
                threads: settings.threads,
                checkpoint_secs: settings.checkpoint_secs,
                batch_size: batch_size
                    .map(|n| BatchSize::new(n.into()).expect("from one to what was asked for")),
                device_bytes: settings.of(stage.kind()).gpu_memory.or(settings.gpu_memory),
            },
        };
        self.next_request += 1;
        if let Some(folder) = self.sweep.folder {
            let key = stage.key().expect("blocked stages are never run");
            let name = format!("{}-{}", stage.kind(), key.short());
            let path = folder.write_request(&name, &request).map_err(|e| self.store_error(e))?;
            self.requests.insert(id, path);
        }
        Ok(request)
    }

    /// The files of a downloaded data set.
    fn downloaded(&self, stage: &Stage, artifact: &Path) -> Result<Vec<DataFile>, ExecError> {
        let key = stage.key().expect("inputs of a stage with a key have keys");
        let files: Option<Files> = self.sweep.store.read_json(stage.kind(), key, file::FILES)?;
        let folder = artifact.join(file::FILES_DIR);
        let data_file = |path: String| DataFile {
            name: path.rsplit('/').next().unwrap_or(&path).to_owned(),
            path: folder.join(&path),
        };
        Ok(files.into_iter().flat_map(|files| files.files).map(|file| data_file(file.path)).collect())
    }
}

/// Engines run in another working folder or on another node: they get absolute paths.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
