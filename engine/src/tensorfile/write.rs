//! Writes a safetensors file tensor by tensor, so that no more than one tensor is ever held in memory.

use crate::fsx::{AtomicFile, FsError, begin_flush};
use rayon::prelude::*;
use safetensors::Dtype;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Announces a tensor of a file to be written.
#[derive(Debug, Clone)]
pub struct TensorSpec {
    /// Name in the file.
    pub name: String,
    /// Number format.
    pub dtype: Dtype,
    /// Shape.
    pub shape: Vec<u64>,
}

impl TensorSpec {
    /// Announces a tensor.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: &[u64]) -> Self {
        Self { name: name.into(), dtype, shape: shape.to_vec() }
    }

    fn bytes(&self) -> u64 {
        self.shape.iter().product::<u64>() * self.dtype.bitsize() as u64 / 8
    }
}

/// Writes a safetensors file: the header from the announced tensors, then their bytes in the same order.
///
/// Equal tensors and metadata make equal files: the header keeps the announced order. The file appears under its name
/// only with [`TensorWriter::commit`].
#[derive(Debug)]
pub struct TensorWriter {
    file: AtomicFile,
    /// Bytes still to come.
    missing: u64,
}

impl TensorWriter {
    /// Starts the file with its header.
    pub fn create(path: &Path, tensors: &[TensorSpec]) -> Result<Self, FsError> {
        Self::create_with_metadata(path, tensors, &[])
    }

    /// Starts the file with its header, which says `metadata` (names and values) of the whole file.
    pub fn create_with_metadata(
        path: &Path,
        tensors: &[TensorSpec],
        metadata: &[(&str, String)],
    ) -> Result<Self, FsError> {
        let mut file = AtomicFile::create(path)?;
        let (header, missing) = header(tensors, metadata);
        file.write(&(header.len() as u64).to_le_bytes())?;
        file.write(header.as_bytes())?;
        Ok(Self { file, missing })
    }

    /// Appends bytes of the current tensor; tensors follow each other without a gap.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.missing = self.missing.checked_sub(bytes.len() as u64).expect("no more bytes than announced");
        self.file.write(bytes)
    }

    /// Flushes the file and gives it its name.
    ///
    /// # Panics
    /// If fewer bytes were written than announced.
    pub fn commit(self) -> Result<(), FsError> {
        assert_eq!(self.missing, 0, "every announced tensor was written");
        self.file.commit()
    }
}

/// Bytes that one thread writes at a time.
const PART_BYTES: usize = 4 << 20;

/// A safetensors file whose tensors are written in any order, and that another process may go on with: it grows under
/// its working name, and is a file of its own only when it is moved to its place.
#[derive(Debug)]
pub struct TensorPatches {
    file: File,
    path: PathBuf,
    /// Where each tensor's bytes begin and end.
    places: Vec<Range<u64>>,
}

impl TensorPatches {
    /// Starts the file, or goes on with one that has the same header; whether it was there. `before_new` is called before
    /// a new one is made: what is known of the contents of another one must be gone by then.
    pub fn open(
        path: &Path,
        tensors: &[TensorSpec],
        before_new: impl FnOnce() -> Result<(), FsError>,
    ) -> Result<(Self, bool), FsError> {
        let fail = |action| move |e| FsError::new(action, path, e);
        let (text, data_bytes) = header(tensors, &[]);
        let header = [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let total = header.len() as u64 + data_bytes;
        let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.map_err(fail("open"))?;
        let mut found = vec![0; header.len()];
        let is_there = file.metadata().map_err(fail("read"))?.len() == total
            && file.read_exact_at(&mut found, 0).is_ok()
            && found == header;
        if !is_there {
            before_new()?;
            file.set_len(0).map_err(fail("truncate"))?;
            file.write_all_at(&header, 0).map_err(fail("write"))?;
            file.set_len(total).map_err(fail("extend"))?;
        }
        let mut end = header.len() as u64;
        let places = tensors.iter().map(|tensor| {
            end += tensor.bytes();
            end - tensor.bytes()..end
        });
        Ok((Self { places: places.collect(), file, path: path.to_owned() }, is_there))
    }

    /// Writes bytes of the tensor at this position of those announced, from its byte `start` on, by several threads; they
    /// are on their way to disk when this returns.
    pub fn write(&self, tensor: usize, start: u64, bytes: &[u8]) -> Result<(), FsError> {
        let place = &self.places[tensor];
        let first = place.start + start;
        assert!(first + bytes.len() as u64 <= place.end, "no more bytes than announced");
        bytes
            .par_chunks(PART_BYTES)
            .enumerate()
            .try_for_each(|(i, part)| self.file.write_all_at(part, first + (i * PART_BYTES) as u64))
            .map_err(|e| FsError::new("write", &self.path, e))?;
        begin_flush(&self.file, first, bytes.len() as u64);
        Ok(())
    }

    /// Waits until what was written is on disk.
    pub fn sync(&self) -> Result<(), FsError> {
        self.file.sync_all().map_err(|e| FsError::new("flush", &self.path, e))
    }

    /// Flushes the file and moves it to `path`, on the same file system; every tensor was written.
    pub fn commit(self, path: &Path) -> Result<(), FsError> {
        self.sync()?;
        match std::fs::rename(&self.path, path) {
            Err(e) if e.kind() == ErrorKind::CrossesDevices => {
                // Whole before it has its name, wherever that is.
                let mut copy = AtomicFile::create(path)?;
                copy.write_all_of(&self.file)?;
                copy.commit()?;
                return crate::fsx::remove_if_present(&self.path);
            }
            moved => moved.map_err(|e| FsError::new("rename into place", path, e))?,
        }
        crate::fsx::sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

/// The header's text, padded so that the data starts at a multiple of 8, and the bytes of data.
fn header(tensors: &[TensorSpec], metadata: &[(&str, String)]) -> (String, u64) {
    let mut offset = 0;
    let mut text = String::from("{");
    if !metadata.is_empty() {
        let pair = |(name, value): &(&str, String)| {
            format!("{}:{}", serde_json::Value::from(*name), serde_json::Value::from(value.as_str()))
        };
        let pairs: Vec<String> = metadata.iter().map(pair).collect();
        text.push_str(&format!("\"__metadata__\":{{{}}}", pairs.join(",")));
    }
    for tensor in tensors {
        let end = offset + tensor.bytes();
        let entry = serde_json::json!({
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end],
        });
        let comma = if text.len() > 1 { "," } else { "" };
        text.push_str(&format!("{comma}{}:{entry}", serde_json::Value::from(tensor.name.as_str())));
        offset = end;
    }
    text.push('}');
    let padding = text.len().next_multiple_of(8) - text.len();
    text.extend(std::iter::repeat_n(' ', padding));
    (text, offset)
}
