//! What a store takes up on disk.

use super::{Store, StoreError};
use crate::fsx;
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;
use tacq_protocol::StageKind;

/// How much there is of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// A kind of artifact, or another folder of the store.
    pub name: &'static str,
    /// Artifacts, or entries of the folder.
    pub count: usize,
    /// Bytes on disk; files of the hub lie in the hub's cache and do not count.
    pub bytes: u64,
}

impl Store {
    /// What artifacts of each kind, and everything else, take up.
    pub fn usage(&self) -> Result<Vec<Usage>, StoreError> {
        let mut rows = Vec::new();
        for kind in StageKind::ALL {
            let dirs: Vec<_> = self.entries(kind)?.into_iter().map(|entry| entry.dir).collect();
            let bytes = dirs.par_iter().map(|dir| fsx::disk_bytes(dir)).try_reduce(|| 0, |a, b| Ok(a + b));
            let bytes = bytes.map_err(|e| self.error(e))?;
            rows.push(Usage { name: kind.name(), count: dirs.len(), bytes });
        }
        for (name, folder) in [
            ("summaries", self.summaries_dir()),
            ("staging", self.staging_root()),
            ("progress", self.progress_root()),
            ("quarantine", self.quarantine_dir()),
            ("trash", self.trash_dir()),
            ("runs", self.runs_dir()),
            ("locks", self.locks_dir()),
        ] {
            rows.push(self.folder_usage(name, &folder)?);
        }
        Ok(rows)
    }

    fn folder_usage(&self, name: &'static str, folder: &Path) -> Result<Usage, StoreError> {
        if !fsx::exists(folder) {
            return Ok(Usage { name, count: 0, bytes: 0 });
        }
        let count = fsx::list_dir(folder).map_err(|e| self.error(e))?.len();
        Ok(Usage { name, count, bytes: fsx::disk_bytes(folder).map_err(|e| self.error(e))? })
    }
}
