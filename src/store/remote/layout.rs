//! Names of the objects of a remote store.

use crate::stage_key::StageKey;
use object_store::path::Path;
use tacq_protocol::StageKind;

/// Version of the layout, beside which another may lie.
const LAYOUT: &str = "v1";

/// What all names begin with.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    prefix: String,
}

impl Layout {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = if prefix.is_empty() { LAYOUT.to_owned() } else { format!("{prefix}/{LAYOUT}") };
        Self { prefix }
    }

    /// What everything lies below.
    pub(super) fn root(&self) -> Path {
        Path::from(self.prefix.as_str())
    }

    /// The manifests of a kind, all below this name.
    pub(super) fn manifests(&self, kind: StageKind) -> Path {
        Path::from(format!("{}/manifests/{kind}", self.prefix))
    }

    /// The manifest of an artifact: written last, and only if there is none.
    pub(super) fn manifest(&self, kind: StageKind, key: &StageKey) -> Path {
        self.keyed("manifests", kind, key)
    }

    /// The small file of an artifact that tables need even where the artifact itself is not.
    pub(super) fn summary(&self, kind: StageKind, key: &StageKey) -> Path {
        self.keyed("summaries", kind, key)
    }

    /// A file's contents, by their hash.
    pub(super) fn blob(&self, blake3: &str) -> Path {
        let first = blake3.get(..2).unwrap_or_default();
        Path::from(format!("{}/blobs/{first}/{blake3}", self.prefix))
    }

    /// The key in a manifest's name.
    pub(super) fn key_of(path: &Path) -> Option<StageKey> {
        path.filename()?.strip_suffix(".json")?.parse().ok()
    }

    fn keyed(&self, folder: &str, kind: StageKind, key: &StageKey) -> Path {
        let text = key.to_string();
        Path::from(format!("{}/{folder}/{kind}/{}/{text}.json", self.prefix, &text[..2]))
    }
}
