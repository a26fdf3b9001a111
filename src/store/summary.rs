//! Small files of artifacts that tables need, kept where the artifact itself is not: a checkpoint that was removed to
//! save space, or that stayed on another machine.

use super::{Store, StoreError};
use crate::fsx;
use crate::stage_key::StageKey;
use std::path::{Path, PathBuf};
use tacq_protocol::StageKind;
use tacq_protocol::artifact::file;

/// The file of an artifact that tables need.
pub(super) fn summary_file(kind: StageKind) -> Option<&'static str> {
    matches!(kind, StageKind::Quantize | StageKind::MixedQuantize).then_some(file::CHECKPOINT_SUMMARY)
}

/// Whether tables need something of artifacts of a kind.
pub fn has_summaries(kind: StageKind) -> bool {
    summary_file(kind).is_some()
}

impl Store {
    pub(super) fn summary_path(&self, kind: StageKind, key: &StageKey) -> PathBuf {
        let text = key.to_string();
        self.summaries_dir().join(kind.name()).join(&text[..2]).join(format!("{text}.json"))
    }

    /// The folders with summaries of a kind.
    pub(super) fn summary_folders(&self, kind: StageKind) -> Vec<(StageKind, PathBuf)> {
        let folder = self.summaries_dir().join(kind.name());
        fsx::list_dir(&folder).unwrap_or_default().into_iter().map(|prefix| (kind, prefix)).collect()
    }

    /// Whether tables find what they need of an artifact of this kind, be it here or not.
    pub fn has_summary(&self, kind: StageKind, key: &StageKey) -> bool {
        let in_artifact = |name| self.artifact_dir(kind, key).join(name);
        let is_there = |name| fsx::exists(&in_artifact(name)) || fsx::exists(&self.summary_path(kind, key));
        summary_file(kind).is_none_or(is_there)
    }

    /// What tables need of an artifact, be it here or gone; none if neither, or if they need nothing.
    pub(super) fn summary_text(
        &self,
        kind: StageKind,
        key: &StageKey,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(name) = summary_file(kind) else { return Ok(None) };
        let in_artifact = fsx::read_if_exists(&self.artifact_dir(kind, key).join(name));
        match in_artifact.map_err(|e| self.error(e))? {
            Some(text) => Ok(Some(text)),
            None => fsx::read_if_exists(&self.summary_path(kind, key)).map_err(|e| self.error(e)),
        }
    }

    /// Keeps the summary of what lies in a folder and is about to become an artifact.
    pub(super) fn keep_summary_from(
        &self,
        folder: &Path,
        kind: StageKind,
        key: &StageKey,
    ) -> Result<(), StoreError> {
        let Some(name) = summary_file(kind) else { return Ok(()) };
        match fsx::read_if_exists(&folder.join(name)).map_err(|e| self.error(e))? {
            Some(text) => self.put_summary(kind, key, &text),
            None => Ok(()),
        }
    }

    /// Keeps the summary of an artifact that is about to go.
    pub(super) fn keep_summary(&self, kind: StageKind, key: &StageKey) -> Result<(), StoreError> {
        match self.summary_text(kind, key)? {
            Some(text) => self.put_summary(kind, key, &text),
            None => Ok(()),
        }
    }

    pub(super) fn put_summary(&self, kind: StageKind, key: &StageKey, text: &[u8]) -> Result<(), StoreError> {
        let path = self.summary_path(kind, key);
        fsx::create_dir_all(path.parent().expect("summaries lie in a folder"))
            .and_then(|()| fsx::write_if_changed(&path, text))
            .map_err(|e| self.error(e))
    }
}
