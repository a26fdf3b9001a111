//! Files, with the path in every error and nothing ever half-written.
//!
//! Nothing else in the driver calls `std::fs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {}{}", path.display(), source, advice(source))]
pub struct FsError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FsError {
    /// Whether the path does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// What a person can do about the commonest causes.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space or choose another folder, then run again: nothing that was finished is lost"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; check the permissions or choose another folder"
        }
        _ => "",
    }
}

fn fail<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FsError + 'a {
    move |source| FsError { action, path: path.to_owned(), source }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    fs::read(path).map_err(fail("read", path))
}

/// Reads a whole UTF-8 file.
pub fn read_to_string(path: &Path) -> Result<String, FsError> {
    fs::read_to_string(path).map_err(fail("read", path))
}

/// Reads a file if it exists.
pub fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates a folder and its parents.
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    fs::create_dir_all(path).map_err(fail("create the folder", path))
}

/// Creates a folder of this name, or of the next free one beside it, that nobody else has.
pub fn create_new_dir(parent: &Path, name: &str) -> Result<PathBuf, FsError> {
    let names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}-{n}")));
    for path in names.map(|name| parent.join(name)) {
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fail("create the folder", &path)(error)),
        }
    }
    unreachable!("names do not run out")
}

/// Creates a folder whose parent is there; one that is there already is fine.
pub fn create_dir(path: &Path) -> Result<(), FsError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(fail("create the folder", path)(error))
        }
        _ => Ok(()),
    }
}

/// Creates a file for writing, in place of what is there.
pub fn create(path: &Path) -> Result<File, FsError> {
    File::create(path).map_err(fail("create", path))
}

/// Removes a folder and all in it; a folder that is not there is fine.
pub fn remove_dir_all(path: &Path) -> Result<(), FsError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail("remove the folder", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file; a file that is not there is fine.
pub fn remove_file(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder and all in it, or a file; what is not there is fine.
pub fn remove_any(path: &Path) -> Result<(), FsError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => remove_dir_all(path),
        _ => remove_file(path),
    }
}

/// File type, size and times.
pub fn metadata(path: &Path) -> Result<fs::Metadata, FsError> {
    fs::metadata(path).map_err(fail("look at", path))
}

/// Whether something exists at the path. Any failure to look counts as absence.
pub fn exists(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

/// The absolute path without symbolic links.
pub fn canonicalize(path: &Path) -> Result<PathBuf, FsError> {
    fs::canonicalize(path).map_err(fail("resolve", path))
}

/// The paths inside a folder, sorted.
pub fn list_dir(path: &Path) -> Result<Vec<PathBuf>, FsError> {
    let mut paths = fs::read_dir(path)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>())
        .map_err(fail("list", path))?;
    paths.sort();
    Ok(paths)
}

/// All files below a folder as relative paths with `/`, sorted.
pub fn list_files(root: &Path) -> Result<Vec<String>, FsError> {
    fn visit(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<(), FsError> {
        for path in list_dir(folder)? {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let relative = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if metadata(&path)?.is_dir() {
                visit(&path, &relative, found)?;
            } else {
                found.push(relative);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    visit(root, "", &mut found)?;
    found.sort();
    Ok(found)
}

/// Makes a symbolic link, in place of whatever link or file is there.
pub fn symlink(target: &Path, link: &Path) -> Result<(), FsError> {
    let temporary = temporary(link);
    if let Err(source) =
        std::os::unix::fs::symlink(target, &temporary).and_then(|()| fs::rename(&temporary, link))
    {
        // Best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
        return Err(fail("link", link)(source));
    }
    Ok(())
}

/// Bytes that a user may still write to the file system of a folder.
pub fn free_space(folder: &Path) -> Result<u64, FsError> {
    let fail = fail("look at the file system of", folder);
    let path = match std::ffi::CString::new(folder.as_os_str().as_encoded_bytes()) {
        Ok(path) => path,
        Err(_) => return Err(fail(io::ErrorKind::InvalidInput.into())),
    };
    // SAFETY: all zeros is a value of this plain C struct.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends in a zero byte and the struct lives until the call returns.
    if unsafe { libc::statvfs(path.as_ptr(), &mut found) } != 0 {
        return Err(fail(io::Error::last_os_error()));
    }
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Opens an existing file for reading.
pub fn open(path: &Path) -> Result<File, FsError> {
    File::open(path).map_err(fail("open", path))
}

/// Opens or creates a file for appending.
pub fn append(path: &Path) -> Result<File, FsError> {
    OpenOptions::new().create(true).append(true).open(path).map_err(fail("open", path))
}

/// Opens or creates a file that is only ever locked, never written.
pub fn open_lock(path: &Path) -> Result<File, FsError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(fail("open the lock", path))
}

/// Flushes a file's contents, or a folder's entries, to disk.
pub fn sync(path: &Path) -> Result<(), FsError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(fail("flush", path))
}

/// Writes a file that nobody reads yet, without waiting for the disk.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    fs::write(path, bytes).map_err(fail("write", path))
}

/// Files that are open together; a process may have a thousand or so.
const OPEN_AT_ONCE: usize = 64;

/// [`sync`] of several. All are on their way to the disk before the first is waited for, so that one wait is nearly enough
/// for all.
pub fn sync_all(paths: &[PathBuf]) -> Result<(), FsError> {
    paths.chunks(OPEN_AT_ONCE).try_for_each(sync_some)
}

fn sync_some(paths: &[PathBuf]) -> Result<(), FsError> {
    let files = paths.iter().map(|path| open(path)).collect::<Result<Vec<_>, FsError>>()?;
    #[cfg(target_os = "linux")]
    for file in &files {
        use std::os::fd::AsRawFd;
        // SAFETY: starts writing what is in the cache of an open file; no memory of ours is touched. Where it cannot, as
        // on a folder, the wait below does it.
        unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }
    files.iter().zip(paths).try_for_each(|(file, path)| file.sync_all().map_err(fail("flush", path)))
}

/// Moves a folder or file within one file system and makes the move durable.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).map_err(fail("move into place", to))?;
    match to.parent() {
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}

/// Moves a folder or file within one file system, without waiting for the disk: after a power failure it is in either
/// place.
pub fn move_away(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).map_err(fail("move away", from))
}

/// Bytes of all files below a folder, or of a file. What links point to is not counted, nor what vanishes meanwhile.
pub fn disk_bytes(path: &Path) -> Result<u64, FsError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(fail("look at", path))?,
    };
    if !found.is_dir() {
        return Ok(if found.is_file() { found.len() } else { 0 });
    }
    match list_dir(path) {
        Err(error) if error.is_not_found() => Ok(0),
        other => other?.iter().map(|inside| disk_bytes(inside)).sum(),
    }
}

/// When something in a folder, or the folder itself, was last changed; none if it is not there (any more).
pub fn last_change(path: &Path) -> Result<Option<SystemTime>, FsError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fail("look at", path))?,
    };
    let mut newest = found.modified().map_err(fail("look at", path))?;
    if found.is_dir() {
        let inside = match list_dir(path) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        for path in inside {
            newest = newest.max(last_change(&path)?.unwrap_or(newest));
        }
    }
    Ok(Some(newest))
}

/// A name beside a path that nobody else uses.
fn temporary(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}.{unique}.tmp", std::process::id()))
}

/// How long a temporary file may stay. No file that is written in this way takes a minute.
const STALE: Duration = Duration::from_secs(3600);

/// Removes what writers that were killed left in a folder: its temporary files that nobody has written for an hour.
pub fn remove_stale_temporaries(folder: &Path) -> Result<(), FsError> {
    for path in list_dir(folder)? {
        let name = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        // One that vanishes meanwhile was another's, or swept by another.
        let age = || fs::symlink_metadata(&path).ok()?.modified().ok()?.elapsed().ok();
        if name.starts_with('.') && name.ends_with(".tmp") && age().is_some_and(|age| age > STALE) {
            remove_file(&path)?;
        }
    }
    Ok(())
}

/// Replaces a file as a whole: readers see the old contents or the new, also after a crash.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = temporary(path);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // Best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
        return Err(fail("write", path)(source));
    }
    sync(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Replaces a file as a whole without waiting for the disk: for what may be lost in a power failure.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let temporary = temporary(path);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // Best effort: the error that matters is this one.
        let _ = fs::remove_file(&temporary);
        fail("write", path)(source)
    })
}

/// Like [`write_atomic`], but leaves a file alone that already holds these bytes.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    match read_if_exists(path)? {
        Some(existing) if existing == bytes => Ok(()),
        _ => write_atomic(path, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomic_write_replaces_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(list_dir(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_once_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let [left, fresh] = ["a.csv", "b.csv"].map(|name| temporary(&dir.path().join(name)));
        let kept = dir.path().join("a.tmp");
        for path in [&left, &fresh, &kept] {
            let file = File::create(path).unwrap();
            let age = if *path == fresh { Duration::ZERO } else { 2 * STALE };
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        remove_stale_temporaries(dir.path()).unwrap();
        assert_eq!(list_dir(dir.path()).unwrap(), [fresh, kept]);
    }

    #[test]
    fn errors_name_the_path() {
        let error = read(Path::new("/nonexistent/x")).unwrap_err();
        assert!(error.is_not_found());
        assert!(error.to_string().starts_with("cannot read /nonexistent/x: "), "{error}");
    }

    #[test]
    fn files_are_listed_with_relative_paths_in_order() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(&dir.path().join("b/c")).unwrap();
        for name in ["z", "b/y", "b/c/x"] {
            write_atomic(&dir.path().join(name), b"").unwrap();
        }
        assert_eq!(list_files(dir.path()).unwrap(), ["b/c/x", "b/y", "z"]);
    }
}
