//! What is still to be pushed to the remote store: noted on disk, so that neither a kill nor a network that is down
//! loses it.

use super::{Store, StoreError};
use crate::fsx;
use crate::stage_key::StageKey;
use std::path::PathBuf;
use tacq_protocol::StageKind;

impl Store {
    fn outbox_path(&self, kind: StageKind, key: &StageKey) -> PathBuf {
        self.outbox_dir().join(format!("{kind}-{key}"))
    }

    /// Notes that an artifact is to be pushed.
    pub fn note_unpushed(&self, kind: StageKind, key: &StageKey) -> Result<(), StoreError> {
        fsx::create_dir_all(&self.outbox_dir())
            .and_then(|()| fsx::create(&self.outbox_path(kind, key)).map(|_| ()))
            .map_err(|e| self.error(e))
    }

    /// Notes that it was.
    pub fn note_pushed(&self, kind: StageKind, key: &StageKey) -> Result<(), StoreError> {
        fsx::remove_file(&self.outbox_path(kind, key)).map_err(|e| self.error(e))
    }

    /// Whether an artifact is still to be pushed.
    pub fn is_unpushed(&self, kind: StageKind, key: &StageKey) -> bool {
        fsx::exists(&self.outbox_path(kind, key))
    }

    /// All that is still to be pushed.
    pub fn unpushed(&self) -> Result<Vec<(StageKind, StageKey)>, StoreError> {
        if !fsx::exists(&self.outbox_dir()) {
            return Ok(Vec::new());
        }
        let paths = fsx::list_dir(&self.outbox_dir()).map_err(|e| self.error(e))?;
        Ok(paths.iter().filter_map(|path| named(path.file_name()?.to_str()?)).collect())
    }
}

/// Kind and key in a name such as `evaluate-<key>`.
pub(super) fn named(name: &str) -> Option<(StageKind, StageKey)> {
    let (kind, key) = name.rsplit_once('-')?;
    Some((StageKind::ALL.into_iter().find(|k| k.name() == kind)?, key.parse().ok()?))
}
