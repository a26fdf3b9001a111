//! Places for remote stores, seen from behind: what lies there, and what damages it.

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tacq_sweep::spec::remote::RemoteLocation;
use tokio::runtime::Runtime;

/// An empty place. Names are those below it.
pub struct Place {
    location: RemoteLocation,
    prefix: String,
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    // Removed when dropped.
    _dir: tempfile::TempDir,
}

/// Runs a test in a folder, and in a bucket if there is one.
pub fn each_place(test: impl Fn(&Place)) {
    test(&Place::folder());
    match Place::bucket() {
        Some(place) => test(&place),
        None => eprintln!("skipped for S3: TACQ_S3_BUCKET is not set; `make test-s3` runs it"),
    }
}

impl Place {
    pub fn folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
        let location = RemoteLocation::Folder(dir.path().to_owned());
        Self { location, prefix: String::new(), store, runtime: runtime(), _dir: dir }
    }

    /// A prefix of its own in the bucket of `scripts/s3_server.py`.
    pub fn bucket() -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let bucket = std::env::var("TACQ_S3_BUCKET").ok()?;
        let prefix = format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let builder = AmazonS3Builder::from_env().with_bucket_name(&bucket).with_allow_http(true);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Arc::new(builder.build().unwrap());
        let location = RemoteLocation::S3 { bucket, prefix: prefix.clone() };
        Some(Self { location, prefix, store, runtime: runtime(), _dir: tempfile::tempdir().unwrap() })
    }

    pub fn location(&self) -> RemoteLocation {
        self.location.clone()
    }

    /// All that lies there.
    pub fn all(&self) -> Vec<String> {
        use futures_util::TryStreamExt;
        let prefix = (!self.prefix.is_empty()).then(|| ObjectPath::from(self.prefix.as_str()));
        let found: Vec<_> = self.runtime.block_on(self.store.list(prefix.as_ref()).try_collect()).unwrap();
        let mut names: Vec<String> = found.iter().map(|meta| meta.location.to_string()).collect();
        names.sort();
        names
    }

    pub fn blobs(&self) -> Vec<String> {
        self.all().into_iter().filter(|name| name.contains("v1/blobs/")).collect()
    }

    pub fn manifests(&self) -> Vec<String> {
        self.all().into_iter().filter(|name| name.contains("v1/manifests/")).collect()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let read = async { self.store.get(&name.into()).await.unwrap().bytes().await.unwrap() };
        self.runtime.block_on(read).to_vec()
    }

    pub fn overwrite(&self, name: &str, bytes: &[u8]) {
        self.runtime.block_on(self.store.put(&name.into(), bytes.to_vec().into())).unwrap();
    }

    pub fn remove(&self, name: &str) {
        self.runtime.block_on(self.store.delete(&name.into())).unwrap();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
