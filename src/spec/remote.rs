//! Where artifacts are shared between machines, and which.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use tacq_protocol::StageKind;

/// A store that several machines share, and how this one uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSettings {
    /// Where it is.
    pub location: RemoteLocation,
    /// Whether this machine adds to it.
    pub mode: RemoteMode,
    /// Kinds whose artifacts are pushed besides [`ALWAYS_PUSHED`].
    pub push: BTreeSet<StageKind>,
}

/// Kinds whose artifacts are worth sharing: results, what commands leave, and masks and calibration sets, which are small.
pub const ALWAYS_PUSHED: [StageKind; 4] =
    [StageKind::Calibrate, StageKind::Select, StageKind::Evaluate, StageKind::Command];

impl RemoteSettings {
    /// Reads and writes what is there, and pushes the kinds that always are.
    pub fn new(location: RemoteLocation) -> Self {
        Self { location, mode: RemoteMode::ReadWrite, push: BTreeSet::new() }
    }

    /// Whether artifacts of a kind are pushed after they were computed.
    pub fn pushes(&self, kind: StageKind) -> bool {
        self.mode == RemoteMode::ReadWrite && (ALWAYS_PUSHED.contains(&kind) || self.push.contains(&kind))
    }
}

/// Whether a machine adds to a remote store.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RemoteMode {
    /// Artifacts are fetched and pushed.
    #[default]
    ReadWrite,
    /// Artifacts are fetched; nothing is ever written.
    ReadOnly,
}

/// Where a remote store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteLocation {
    /// A bucket of S3 or of a server that speaks its protocol.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What all names begin with, without `/` at its ends; may be empty.
        prefix: String,
    },
    /// A folder of a file system that machines share.
    Folder(PathBuf),
}

/// Text that names no remote store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no remote store; write s3://bucket/prefix, or a folder, as file:///path or as a path")]
pub struct RemoteLocationError(String);

impl FromStr for RemoteLocation {
    type Err = RemoteLocationError;
    fn from_str(text: &str) -> Result<Self, RemoteLocationError> {
        let wrong = || RemoteLocationError(text.to_owned());
        match text.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
                if bucket.is_empty() || !bucket.chars().all(is_name) || prefix.contains("//") {
                    return Err(wrong());
                }
                let prefix = prefix.trim_matches('/').to_owned();
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix })
            }
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Folder(path.into())),
            None if !text.is_empty() => Ok(Self::Folder(text.into())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for RemoteLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_buckets_and_folders() {
        let s3 =
            |bucket: &str, prefix: &str| RemoteLocation::S3 { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!("s3://b".parse(), Ok(s3("b", "")));
        assert_eq!("s3://b.c/team/sweeps/".parse(), Ok(s3("b.c", "team/sweeps")));
        assert_eq!("file:///mnt/x".parse(), Ok(RemoteLocation::Folder("/mnt/x".into())));
        assert_eq!("shared/x".parse(), Ok(RemoteLocation::Folder("shared/x".into())));
        for wrong in ["", "s3://", "s3:///x", "s3://a b/c", "s3://b/x//y", "gs://b/x", "file://host/x"] {
            assert!(wrong.parse::<RemoteLocation>().is_err(), "{wrong}");
        }
    }
}
