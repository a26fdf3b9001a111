//! Objects as blocking calls, over a small runtime of their own.

use super::RemoteError;
use super::connect;
use crate::fsx::{self, FsError};
use crate::spec::remote::RemoteSettings;
use blake3::Hasher;
use futures_util::StreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Bytes of a part of a large file; files up to this size go in one request. S3 takes 5 MiB or more.
const PART: u64 = 8 << 20;
/// Parts of a file that S3 takes.
const MAX_PARTS: u64 = 10_000;
/// Parts of a file that are under way together.
const PARTS_AT_ONCE: usize = 4;

/// What a conditional write found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    /// Nothing: it was written.
    New,
    /// An object of that name.
    Exists,
}

/// How a download ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Received {
    /// All bytes are there and right.
    Whole,
    /// There is no such object.
    Absent,
    /// Its bytes are not those with its hash.
    Wrong,
}

/// A connection. Its calls block, and may be made from several threads.
#[derive(Debug)]
pub(super) struct Client {
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    place: String,
    pub(super) prefix: String,
}

impl Client {
    pub(super) fn open(settings: &RemoteSettings) -> Result<Self, RemoteError> {
        let RemoteSettings { location, mode, .. } = settings;
        let place = location.to_string();
        let setup = |problem| RemoteError::Setup { place: place.clone(), problem };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        // Its threads only move bytes; hashing is done by those who call.
        let runtime = runtime.worker_threads(2).thread_name("remote").enable_all().build();
        let runtime = runtime.map_err(|e| setup(format!("cannot start threads: {e}")))?;
        let (store, prefix) = connect::open(location, *mode).map_err(setup)?;
        Ok(Self { store, runtime, place, prefix })
    }

    fn fail(&self, action: &'static str, path: &ObjectPath) -> impl FnOnce(Error) -> RemoteError {
        let (place, path) = (self.place.clone(), path.to_string());
        move |source| RemoteError::Request { place, action, path, source: Box::new(source) }
    }

    /// The whole of a small object; none if it is not there.
    pub(super) fn read(&self, path: &ObjectPath) -> Result<Option<Vec<u8>>, RemoteError> {
        let found = self.runtime.block_on(async { self.store.get(path).await?.bytes().await });
        match found {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fail("read", path)(error)),
        }
    }

    /// An object's size; none if it is not there.
    pub(super) fn size(&self, path: &ObjectPath) -> Result<Option<u64>, RemoteError> {
        match self.runtime.block_on(self.store.head(path)) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fail("look at", path)(error)),
        }
    }

    /// Names below a prefix, handed over one by one until `take` has enough.
    pub(super) fn list(
        &self,
        prefix: &ObjectPath,
        take: &mut dyn FnMut(&ObjectPath) -> bool,
    ) -> Result<(), RemoteError> {
        let mut names = self.store.list(Some(prefix));
        while let Some(found) = self.runtime.block_on(names.next()) {
            let found = found.map_err(self.fail("list", prefix))?;
            if !take(&found.location) {
                break;
            }
        }
        Ok(())
    }

    /// Writes a small object if there is none of its name.
    pub(super) fn create(&self, path: &ObjectPath, bytes: &[u8]) -> Result<Created, RemoteError> {
        let payload = PutPayload::from(bytes.to_vec());
        let create = self.store.put_opts(path, payload.clone(), PutMode::Create.into());
        match self.runtime.block_on(create) {
            Ok(_) => Ok(Created::New),
            // 412: it exists. 409: someone writes it right now.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::Exists),
            // A server without conditional writes, told by AWS_CONDITIONAL_PUT=disabled: look, then write. Two that
            // write at once write the same, or one of them wins.
            Err(Error::NotImplemented { .. }) => match self.size(path)? {
                Some(_) => Ok(Created::Exists),
                None => {
                    let put = self.runtime.block_on(self.store.put(path, payload));
                    put.map(|_| Created::New).map_err(self.fail("write", path))
                }
            },
            Err(error) => Err(self.fail("write", path)(error)),
        }
    }

    /// Uploads a file, if its bytes are those with this hash; else nothing appears, and the answer is false.
    pub(super) fn upload(
        &self,
        path: &ObjectPath,
        file: &Path,
        bytes: u64,
        blake3: &str,
    ) -> Result<bool, RemoteError> {
        let mut opened = fsx::open(file)?;
        if bytes <= PART {
            let contents = fsx::read(file)?;
            if blake3::hash(&contents).to_hex().as_str() != blake3 {
                return Ok(false);
            }
            let put = self.runtime.block_on(self.store.put(path, contents.into()));
            return put.map(|_| true).map_err(self.fail("write", path));
        }
        let begun = self.runtime.block_on(self.store.put_multipart(path));
        let mut upload = begun.map_err(self.fail("write", path))?;
        let part = PART.max(bytes.div_ceil(MAX_PARTS - 1));
        let sent = self.send_parts(upload.as_mut(), &mut opened, part);
        let whole = match sent {
            Ok(found) if found == blake3 => {
                let done = self.runtime.block_on(upload.complete());
                return done.map(|_| true).map_err(self.fail("write", path));
            }
            Ok(_) => Ok(false),
            Err(SendError::Read(source)) => {
                Err(FsError { action: "read", path: file.to_owned(), source }.into())
            }
            Err(SendError::Put(error)) => Err(self.fail("write", path)(error)),
        };
        // Parts that stay cost money; a bucket's lifecycle rule removes those that a kill leaves.
        if let Err(error) = self.runtime.block_on(upload.abort()) {
            tracing::debug!("{}: {path}: an upload is not taken back: {error}", self.place);
        }
        whole
    }

    /// Sends a file part by part, some at once; returns its hash.
    fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &mut File,
        part: u64,
    ) -> Result<String, SendError> {
        let mut hasher = Hasher::new();
        let mut under_way = VecDeque::new();
        let wait = |task: tokio::task::JoinHandle<object_store::Result<()>>| {
            let ended = self.runtime.block_on(task).map_err(Error::from).flatten();
            ended.map_err(SendError::Put)
        };
        loop {
            let mut piece = Vec::new();
            file.take(part).read_to_end(&mut piece).map_err(SendError::Read)?;
            if piece.is_empty() {
                break;
            }
            hasher.update(&piece);
            if under_way.len() == PARTS_AT_ONCE {
                under_way.pop_front().map_or(Ok(()), wait)?;
            }
            under_way.push_back(self.runtime.spawn(upload.put_part(piece.into())));
        }
        under_way.into_iter().try_for_each(wait)?;
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Downloads an object into a new file, large ones part by part, and flushes it; checks size and hash on the way.
    /// `arrived` hears of every part, and stops the download by answering false, which looks as if it were absent.
    pub(super) fn download(
        &self,
        path: &ObjectPath,
        to: &Path,
        bytes: u64,
        blake3: &str,
        arrived: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Received, RemoteError> {
        if bytes <= PART {
            return self.download_at_once(path, to, bytes, blake3, arrived);
        }
        match self.size(path)? {
            None => return Ok(Received::Absent),
            Some(found) if found != bytes => return Ok(Received::Wrong),
            Some(_) => {}
        }
        let mut file = fsx::create(to)?;
        let mut hasher = Hasher::new();
        let starts = (0..bytes).step_by(usize::try_from(PART).expect("a part fits into memory"));
        let mut ranges = starts.map(|start| start..bytes.min(start + PART));
        let mut under_way = VecDeque::new();
        loop {
            while under_way.len() < PARTS_AT_ONCE
                && let Some(range) = ranges.next()
            {
                let (store, path) = (Arc::clone(&self.store), path.clone());
                under_way.push_back(self.runtime.spawn(async move { store.get_range(&path, range).await }));
            }
            let Some(part) = under_way.pop_front() else { break };
            let part = match self.runtime.block_on(part).map_err(Error::from).flatten() {
                Ok(part) => part,
                Err(Error::NotFound { .. }) => return Ok(Received::Absent),
                Err(error) => return Err(self.fail("read", path)(error)),
            };
            hasher.update(&part);
            let written = file.write_all(&part);
            written.map_err(|source| FsError { action: "write", path: to.to_owned(), source })?;
            if !arrived(part.len() as u64) {
                return Ok(Received::Absent);
            }
        }
        file.sync_all().map_err(|source| FsError { action: "flush", path: to.to_owned(), source })?;
        let is_right = hasher.finalize().to_hex().as_str() == blake3;
        Ok(if is_right { Received::Whole } else { Received::Wrong })
    }

    /// [`Self::download`] of a small file: one request.
    fn download_at_once(
        &self,
        path: &ObjectPath,
        to: &Path,
        bytes: u64,
        blake3: &str,
        arrived: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Received, RemoteError> {
        let contents = self.runtime.block_on(async {
            let found = self.store.get(path).await?;
            // Not read: it may be of any size.
            if found.meta.size != bytes { Ok(None) } else { found.bytes().await.map(Some) }
        });
        let contents = match contents {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(Received::Wrong),
            Err(Error::NotFound { .. }) => return Ok(Received::Absent),
            Err(error) => return Err(self.fail("read", path)(error)),
        };
        if blake3::hash(&contents).to_hex().as_str() != blake3 {
            return Ok(Received::Wrong);
        }
        let mut file = fsx::create(to)?;
        let written = file.write_all(&contents).and_then(|()| file.sync_all());
        written.map_err(|source| FsError { action: "write", path: to.to_owned(), source })?;
        Ok(if arrived(bytes) { Received::Whole } else { Received::Absent })
    }
}

enum SendError {
    Read(std::io::Error),
    Put(Error),
}
