//! What the driver downloads itself: on threads of their own, beside the devices.

use super::job::{self, JobError, Made};
use super::local::{Message, Seat};
use super::worker::Failure;
use crate::digest::Digest;
use crate::fsx::{self, FsError};
use crate::hub::{Hub, HubError, Progress, Snapshot, Stop};
use crate::plan::{Remote, StageId};
use crate::store::{Reservation, StoreError};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;
use tacq_protocol::artifact::{Files, file};
use tacq_protocol::event::Provenance;
use tacq_protocol::stage::{DownloadParams, FileDigest, HubFiles, UrlFile};
use tacq_protocol::{Event, FailureKind};

/// Downloads side by side; each has several files under way itself.
pub(super) const LANES: usize = 2;

/// A reserved `download` stage.
pub(super) struct DownloadJob {
    pub id: StageId,
    pub label: String,
    pub params: DownloadParams,
    pub remote: Option<Remote>,
    pub reservation: Reservation,
    pub run_dir: Option<PathBuf>,
}

/// A thread that downloads, and what it needs.
pub(super) struct Lane<'a> {
    /// Counted from zero.
    pub index: usize,
    pub hub: &'a Hub,
    /// Set when the run ends early.
    pub stopping: &'a Stop,
    pub messages: Sender<Message>,
}

impl Lane<'_> {
    /// Serves jobs until the scheduler hangs up.
    pub(super) fn serve(self, jobs: Receiver<DownloadJob>) {
        for job in jobs {
            let id = job.id;
            let result = self.download(job);
            let seat = Seat::Lane(self.index);
            if self.messages.send(Message::Finished { seat, id, result, lives: true }).is_err() {
                return;
            }
        }
    }

    fn download(&self, job: DownloadJob) -> Result<Made, JobError> {
        let started = Instant::now();
        let output = job.reservation.output_dir().map_err(JobError::Store)?;
        let folder = output.join(file::FILES_DIR);
        let of_disk = |error: FsError| JobError::Stage(failure(&HubError::Fs(error)));
        fsx::create_dir_all(&folder).map_err(of_disk)?;
        let names = match &job.params {
            DownloadParams::Hub(files) => self.link_hub_files(&job, files, &folder)?,
            DownloadParams::Url(file) => self.fetch_web_file(&job, file, &folder)?,
            DownloadParams::Local(_) => unreachable!("local files are fixed by the scheduler"),
        };
        let files = names.into_par_iter().map(|path| digest(&folder, path)).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(of_disk)?;
        let text = serde_json::to_vec_pretty(&Files { files: files.clone() }).expect("plain data");
        fsx::write_atomic(&output.join(file::FILES), &text).map_err(of_disk)?;
        let provenance = Provenance { wall_secs: started.elapsed().as_secs_f64(), ..Provenance::default() };
        let sources: BTreeMap<String, PathBuf> =
            job.remote.iter().map(|remote| ("source".to_owned(), remote.to_string().into())).collect();
        let execution = job::execution(provenance, sources, job.run_dir.clone());
        let in_artifact =
            |file: FileDigest| FileDigest { path: format!("{}/{}", file::FILES_DIR, file.path), ..file };
        let known: Vec<FileDigest> = files.into_iter().map(in_artifact).collect();
        job.reservation.commit_knowing(&job.label, execution, &known).map(Made::of).map_err(JobError::Store)
    }

    /// Links to the files in the cache that Python's library reads too; returns their names.
    fn link_hub_files(
        &self,
        job: &DownloadJob,
        files: &HubFiles,
        folder: &Path,
    ) -> Result<Vec<String>, JobError> {
        let HubFiles { repo_type, repo, commit, files } = files;
        let snapshot = Snapshot { repo_type: *repo_type, repo: repo.clone(), commit: commit.clone() };
        let found = self
            .hub
            .download(&snapshot, files, &mut |now| self.tell(job.id, now), self.stopping)
            .map_err(|error| JobError::Stage(failure(&error)))?;
        let link = |path: &String, at: &Path| {
            let link = folder.join(path);
            fsx::create_dir_all(link.parent().expect("files lie in a folder"))?;
            // Absolute: the artifact does not move with the cache.
            fsx::symlink(&std::path::absolute(at).unwrap_or_else(|_| at.to_owned()), &link)
        };
        for (path, at) in &found.paths {
            link(path, at).map_err(|e| JobError::Stage(failure(&HubError::Fs(e))))?;
        }
        if let Some(Remote::Hub { revision, .. }) = &job.remote
            && let Err(error) = self.hub.note_revision(&snapshot, revision)
        {
            tracing::warn!("{error}");
        }
        Ok(files.clone())
    }

    fn fetch_web_file(
        &self,
        job: &DownloadJob,
        file: &UrlFile,
        folder: &Path,
    ) -> Result<Vec<String>, JobError> {
        let Some(Remote::Web { url }) = &job.remote else {
            unreachable!("a plan knows the address of each file of the web")
        };
        let partial = job.reservation.partial_dir().map_err(JobError::Store)?.join(&file.sha256);
        let mut tell = |now| self.tell(job.id, now);
        self.hub
            .download_url(url, &file.sha256, &partial, &folder.join(&file.name), &mut tell, self.stopping)
            .map_err(|error| JobError::Stage(failure(&error)))?;
        Ok(vec![file.name.clone()])
    }

    fn tell(&self, id: StageId, now: Progress) {
        let Progress { done, total } = now;
        // The scheduler outlives its lanes; if it is gone, nobody wants to know.
        let event = Event::Progress { id: 0, done, total, unit: "bytes".to_owned() };
        let _ = self.messages.send(Message::Event { id, event });
    }
}

fn digest(folder: &Path, path: String) -> Result<FileDigest, FsError> {
    let full = folder.join(&path);
    let bytes = fsx::metadata(&full)?.len();
    Ok(FileDigest { blake3: Digest::of_file(&full)?.to_string(), bytes, path })
}

fn failure(error: &HubError) -> Failure {
    let kind = if error.is_of_disk() { FailureKind::Io } else { FailureKind::Download };
    let hint = matches!(error, HubError::Fs(_))
        .then(|| "point HF_HOME at a folder that can be written and has room".to_owned());
    Failure { kind, message: error.to_string(), hint }
}

/// Why the downloaded inputs of a stage cannot be read, if so: the cache that they lie in may be cleared at any time.
pub(super) fn lost(label: &str, error: &StoreError) -> Failure {
    Failure {
        kind: FailureKind::InvalidInput,
        message: format!("the files of {label} are gone: {error}"),
        hint: Some("run again: they will be downloaded anew".to_owned()),
    }
}
