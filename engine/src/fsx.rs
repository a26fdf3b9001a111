//! File system access whose errors name the path, and writes that are whole or absent.

use crate::error::io_kind;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tacq_protocol::FailureKind;

/// An operating system error with the path and what was attempted.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {}", path.display(), describe(source))]
pub struct FsError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FsError {
    /// Adds what was attempted (a verb: "read", "write") and where to an operating system error.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }

    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        io_kind(&self.source)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        io_hint(&self.source)
    }
}

/// What a person can do about a failure of the file system.
pub fn io_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space or choose another store, then run the same command again: it resumes")
        }
        io::ErrorKind::PermissionDenied => Some("give this user the permission, or choose another folder"),
        io::ErrorKind::ReadOnlyFilesystem => Some("choose a store on a file system that can be written"),
        _ => None,
    }
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    fs::read(path).map_err(|e| FsError::new("read", path, e))
}

/// Reads a whole file as UTF-8.
pub fn read_to_string(path: &Path) -> Result<String, FsError> {
    fs::read_to_string(path).map_err(|e| FsError::new("read", path, e))
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, FsError> {
    File::open(path).map_err(|e| FsError::new("open", path, e))
}

/// Removes a file if it is there.
pub fn remove_if_present(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FsError::new("remove", path, e)),
        _ => Ok(()),
    }
}

/// Flushes a folder's entries, so that files created or renamed in it survive a power cut.
pub fn sync_dir(path: &Path) -> Result<(), FsError> {
    open(path)?.sync_all().map_err(|e| FsError::new("flush", path, e))
}

/// Bytes of a file that are collected before the system is given them.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes that are written before the system is asked to bring them to disk.
const FLUSH_BYTES: u64 = 64 << 20;

/// Lets the system begin to bring a part of a file to disk, without waiting for it. By itself it begins when a tenth of
/// the memory is waiting, and what a disk could have done meanwhile is left for the end.
pub fn begin_flush(file: &File, start: u64, len: u64) {
    #[cfg(target_os = "linux")]
    {
        let (start, len) = (i64::try_from(start).unwrap_or(0), i64::try_from(len).unwrap_or(0));
        // SAFETY: the descriptor is open. Nothing depends on the outcome: what fails here fails again at the end.
        let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), start, len, libc::SYNC_FILE_RANGE_WRITE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, start, len);
}

/// A file that appears under its name only when it is complete and flushed to disk.
///
/// It is written beside its destination as `.NAME.tmp`; [`AtomicFile::commit`] flushes and renames it. Dropped
/// without commit, it is removed; killed half-way, the next attempt overwrites it.
#[derive(Debug)]
pub struct AtomicFile {
    file: Option<io::BufWriter<File>>,
    /// Bytes written, and of these on their way to disk.
    written: u64,
    flushed: u64,
    temporary: PathBuf,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts writing `path`, whose folder must exist.
    pub fn create(path: &Path) -> Result<Self, FsError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.tmp"));
        let file = File::create(&temporary).map_err(|e| FsError::new("create", path, e))?;
        let file = Some(io::BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(Self { file, written: 0, flushed: 0, temporary, path: path.to_owned() })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let file = self.file.as_mut().expect("only commit takes the file, and it consumes self");
        file.write_all(bytes).map_err(|e| FsError::new("write", &self.path, e))?;
        self.written += bytes.len() as u64;
        // What is still in the buffer is not the system's yet.
        let len = self.written.saturating_sub(self.flushed + BUFFER_BYTES as u64);
        if len >= FLUSH_BYTES {
            begin_flush(file.get_ref(), self.flushed, len);
            self.flushed += len;
        }
        Ok(())
    }

    /// Appends all of another file.
    pub fn write_all_of(&mut self, mut other: &File) -> Result<(), FsError> {
        let file = self.file.as_mut().expect("only commit takes the file, and it consumes self");
        let copied = other.seek(io::SeekFrom::Start(0)).and_then(|_| io::copy(&mut other, file));
        copied.map(|_| ()).map_err(|e| FsError::new("write", &self.path, e))
    }

    /// Flushes, renames into place and flushes the folder.
    pub fn commit(mut self) -> Result<(), FsError> {
        let writer = self.file.take().expect("only commit takes the file, and it consumes self");
        let path = &self.path;
        let file = writer.into_inner().map_err(|e| FsError::new("write", path, e.into_error()))?;
        file.sync_all().map_err(|e| FsError::new("flush", path, e))?;
        drop(file);
        fs::rename(&self.temporary, path).map_err(|e| FsError::new("rename into place", path, e))?;
        sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // Nothing to report to: the write has failed already, and a left-over is overwritten next time. After a
        // commit the temporary name is gone.
        self.file.take();
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes a whole file: complete and on disk, or not there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit()
}

/// Writes a value as pretty JSON with a final newline; keys in the order of the type, so equal values make equal
/// bytes.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FsError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| FsError::new("write", path, e.into()))?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_file_is_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write_atomic(&path, b"whole").unwrap();
        write_atomic(&path, b"again").unwrap();
        assert_eq!(read(&path).unwrap(), b"again");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_named_with_a_hint() {
        // /dev/full accepts opening and refuses every write with ENOSPC.
        let mut file = File::options().write(true).open("/dev/full").unwrap();
        let source = file.write_all(b"x").unwrap_err();
        let error = FsError::new("write", Path::new("out/a.bin"), source);
        assert_eq!(error.to_string(), "cannot write out/a.bin: the disk is full");
        assert_eq!(error.kind(), FailureKind::Io);
        assert!(error.hint().unwrap().contains("free some space"));
    }

    #[test]
    fn what_is_absent_is_the_inputs_fault() {
        let error = read(Path::new("no/such/file")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read no/such/file: there is no such file or folder");
        assert_eq!(error.kind(), FailureKind::InvalidInput);
    }
}
