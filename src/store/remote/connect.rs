//! Opening a remote store: a bucket with the usual AWS_… variables, or a folder.

use crate::fsx;
use crate::spec::remote::{RemoteLocation, RemoteMode};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a request is tried again. Shorter than the library's three minutes: a run goes on without its remote store.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_RETRIES: usize = 6;
/// How long one request may take, with its part of a file; the library's 30 s are too short for a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// S3 needs some region to sign with; servers other than Amazon's take any.
const DEFAULT_REGION: &str = "us-east-1";

/// The store and the prefix in it; what is wrong, and what to do, if it cannot be opened.
pub(super) fn open(
    location: &RemoteLocation,
    mode: RemoteMode,
) -> Result<(Arc<dyn ObjectStore>, String), String> {
    match location {
        RemoteLocation::S3 { bucket, prefix } => Ok((bucket_store(bucket)?, prefix.clone())),
        RemoteLocation::Folder(path) => Ok((folder_store(path, mode)?, String::new())),
    }
}

fn bucket_store(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    // Fails only if there is one already, which is fine: reqwest takes it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry =
        RetryConfig { max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Whoever names such an endpoint means it.
        builder = builder.with_allow_http(true);
    }
    if std::env::var_os("AWS_TIMEOUT").is_none() {
        let limit = format!("{} seconds", REQUEST_TIMEOUT.as_secs());
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), limit);
    }
    let region = [AmazonS3ConfigKey::Region, AmazonS3ConfigKey::DefaultRegion];
    if region.iter().all(|key| builder.get_config_value(key).is_none()) {
        builder = builder.with_region(DEFAULT_REGION);
    }
    let store = builder.build().map_err(|error| format!("{error}; check the AWS_… variables"))?;
    Ok(Arc::new(store))
}

fn folder_store(path: &Path, mode: RemoteMode) -> Result<Arc<dyn ObjectStore>, String> {
    if mode == RemoteMode::ReadWrite && !fsx::exists(path) {
        // Its parent must be there: a file system that is not mounted is not to be filled.
        fsx::create_dir(path).map_err(|error| format!("{error}; is the shared file system mounted?"))?;
    }
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| error.to_string())?;
    Ok(Arc::new(store.with_fsync(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_over_https_finds_its_tls_library() {
        let bucket = RemoteLocation::S3 { bucket: "b".to_owned(), prefix: "p".to_owned() };
        let (store, prefix) = open(&bucket, RemoteMode::ReadOnly).unwrap();
        assert_eq!((store.to_string(), prefix.as_str()), ("AmazonS3(b)".to_owned(), "p"));
    }

    #[test]
    fn a_folder_is_made_to_be_written_and_only_where_its_parent_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("shared");
        let open = |path: &Path, mode| open(&RemoteLocation::Folder(path.to_owned()), mode).map(|_| ());
        open(&folder, RemoteMode::ReadOnly).unwrap_err();
        open(&folder, RemoteMode::ReadWrite).unwrap();
        open(&folder, RemoteMode::ReadOnly).unwrap();
        let deeper = open(&folder.join("a/b"), RemoteMode::ReadWrite).unwrap_err();
        assert!(deeper.contains("is the shared file system mounted?"), "{deeper}");
    }
}
