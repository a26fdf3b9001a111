//! One safetensors file: memory-mapped reading with every lie named, and streamed writing.
//!
//! Format: <https://huggingface.co/docs/safetensors>. Reading goes through [`TensorFile`], whose `open` is the
//! single gate: afterwards every tensor's bytes are known to lie inside the file and to fit its shape.

mod write;

pub use write::{TensorPatches, TensorSpec, TensorWriter};

use crate::cuda::staging::{self, Outgoing};
use crate::fsx::{self, FsError};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tacq_protocol::FailureKind;
use tch::{Device, Kind, TchError, Tensor};

/// What can be wrong with a safetensors file or with a tensor in it.
#[derive(Debug, thiserror::Error)]
pub enum TensorFileError {
    /// The file cannot be opened or mapped.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The file ends before its last tensor.
    #[error("{}: the file is truncated: its tensors need {expected} bytes, it has {got}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// The header is not a safetensors header.
    #[error("{}: not a valid safetensors file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the header's reader says.
        reason: String,
    },
    /// A tensor is not in the file (or in any file of the model).
    #[error("{}: tensor `{name}` is missing", path.display())]
    Missing {
        /// The file or model folder.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape than the reader expects.
    #[error("{}: tensor `{name}` has shape {got:?}, expected {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is there.
        got: Vec<i64>,
        /// What is needed.
        expected: Vec<i64>,
    },
    /// A tensor has another number format than the reader expects.
    #[error("{}: tensor `{name}` has dtype {got}, expected {expected}", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is there.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// A tensor holds NaN or infinity.
    #[error("{}: tensor `{name}` holds {value} at element {position} (counted row by row from 0)", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// "NaN" or "infinity".
        value: &'static str,
        /// Flat index of the first such element.
        position: usize,
    },
}

impl TensorFileError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            TensorFileError::Fs(e) => e.kind(),
            _ => FailureKind::InvalidInput,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            TensorFileError::Fs(e) => e.hint(),
            TensorFileError::Truncated { .. } | TensorFileError::Malformed { .. } => {
                Some("copy or download the file again, and compare its size with the original's")
            }
            TensorFileError::NotFinite { .. } => {
                Some("the weights themselves are broken; use another checkpoint")
            }
            _ => None,
        }
    }
}

/// An open safetensors file.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    file: File,
    map: Mmap,
    metadata: Metadata,
    /// Where the tensors' bytes start in `map`.
    data_start: usize,
}

impl TensorFile {
    /// Maps a file and checks its header: sizes, offsets, shapes.
    pub fn open(path: &Path) -> Result<Self, TensorFileError> {
        let file = fsx::open(path)?;
        // SAFETY: the map is only read. Another process that truncates the file meanwhile would end this one
        // with SIGBUS; inputs are artifacts and published models, which nobody rewrites in place.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| FsError::new("map", path, e))?;
        let (header, metadata) =
            SafeTensors::read_metadata(&map).map_err(|e| header_error(path, &map, &e))?;
        let data_start = header + size_of::<u64>();
        Ok(Self { path: path.to_owned(), file, map, metadata, data_start })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, in the order of their bytes.
    pub fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// What the header says about the whole file under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// All tensors as announced to a writer, in the order of their bytes.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let spec = |name: String| {
            let info = self.metadata.info(&name)?;
            let shape = info.shape.iter().map(|&n| n as u64).collect();
            Some(TensorSpec { dtype: info.dtype, shape, name })
        };
        self.names().into_iter().filter_map(spec).collect()
    }

    /// Size of the file in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no valid file is empty")]
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// A tensor's shape, if it is there.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        self.metadata.info(name).map(shape_of)
    }

    /// A tensor's bytes (little-endian) as they lie in the file.
    pub fn bytes(&self, name: &str) -> Result<&[u8], TensorFileError> {
        let (from, to) = self.info(name)?.data_offsets;
        Ok(&self.map[self.data_start + from..self.data_start + to])
    }

    /// A copy of the tensor in host memory, in the file's own number format, NaN and infinity refused.
    pub fn get(&self, name: &str) -> Result<Tensor, crate::Error> {
        self.get_on(name, Device::Cpu)
    }

    /// [`Self::get`] on a device. What goes to a GPU is read into pinned memory and looked through there, so that nothing
    /// waits for the GPU.
    pub fn get_on(&self, name: &str, device: Device) -> Result<Tensor, crate::Error> {
        let info = self.info(name)?;
        let bytes = self.bytes(name)?;
        let kind = torch_kind(info.dtype)
            .ok_or_else(|| self.dtype_error(name, "F32, F16, BF16, F64, I64, I32, I16, I8, U8 or BOOL"))?;
        let shape = shape_of(info);
        if device.is_cuda()
            && !bytes.is_empty()
            && let Some(uploaded) = self.upload(name, info.dtype, device)?
        {
            return Ok(uploaded.f_view_dtype(kind)?.f_reshape(&shape)?);
        }
        if let Some((position, value)) = first_not_finite(info.dtype, bytes) {
            let (path, name) = (self.path.clone(), name.to_owned());
            return Err(TensorFileError::NotFinite { path, name, value, position }.into());
        }
        Ok(Tensor::f_from_data_size(bytes, &shape, kind)?.f_to_device(device)?)
    }

    /// A tensor's bytes as u8 \[n\] on a CUDA device; nothing if there is NaN or infinity among its elements. They are
    /// read, not taken from the map: each page of it that is touched first costs more than to copy it.
    fn upload(&self, name: &str, dtype: Dtype, device: Device) -> Result<Option<Tensor>, crate::Error> {
        let (from, to) = self.info(name)?.data_offsets;
        let start = self.data_start + from;
        let is_finite = AtomicBool::new(true);
        let uploaded = staging::upload_with(to - from, device, |at, part| -> Result<(), crate::Error> {
            let read = self.file.read_exact_at(part, (start + at) as u64);
            read.map_err(|e| FsError::new("read", &self.path, e))?;
            if first_not_finite(dtype, part).is_some() {
                is_finite.store(false, Ordering::Relaxed);
            }
            Ok(())
        })?;
        Ok(is_finite.into_inner().then_some(uploaded))
    }

    /// [`Self::get`] of a tensor that must have this shape.
    pub fn get_shaped(&self, name: &str, expected: &[i64]) -> Result<Tensor, crate::Error> {
        self.check_shape(name, expected)?;
        self.get(name)
    }

    /// All elements of a tensor stored as I64.
    pub fn i64s(&self, name: &str) -> Result<Vec<i64>, TensorFileError> {
        self.check_dtype(name, Dtype::I64)?;
        Ok(self.bytes(name)?.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }

    /// All elements of a tensor stored as I32.
    pub fn i32s(&self, name: &str) -> Result<Vec<i32>, TensorFileError> {
        self.check_dtype(name, Dtype::I32)?;
        Ok(self.bytes(name)?.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect())
    }

    /// Fails unless the tensor is there with this shape.
    pub fn check_shape(&self, name: &str, expected: &[i64]) -> Result<(), TensorFileError> {
        let got = shape_of(self.info(name)?);
        if got == expected {
            return Ok(());
        }
        let (path, name) = (self.path.clone(), name.to_owned());
        Err(TensorFileError::Shape { path, name, got, expected: expected.to_vec() })
    }

    /// Fails unless the tensor is there in this number format, called `expected` in the message.
    pub fn check_dtype(&self, name: &str, dtype: Dtype) -> Result<(), TensorFileError> {
        if self.info(name)?.dtype == dtype {
            Ok(())
        } else {
            Err(self.dtype_error(name, format!("{dtype:?}")))
        }
    }

    fn dtype_error(&self, name: &str, expected: impl Into<String>) -> TensorFileError {
        let got = self.metadata.info(name).map(|i| format!("{:?}", i.dtype)).unwrap_or_default();
        TensorFileError::Dtype {
            path: self.path.clone(),
            name: name.to_owned(),
            got,
            expected: expected.into(),
        }
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, TensorFileError> {
        self.metadata
            .info(name)
            .ok_or_else(|| TensorFileError::Missing { path: self.path.clone(), name: name.to_owned() })
    }
}

fn shape_of(info: &TensorInfo) -> Vec<i64> {
    // A file with a dimension above i64::MAX cannot pass the size check of its header.
    info.shape.iter().map(|&n| i64::try_from(n).unwrap_or(i64::MAX)).collect()
}

/// Tells a truncated file, by far the most common damage, from a header that makes no sense.
fn header_error(path: &Path, map: &[u8], error: &SafeTensorError) -> TensorFileError {
    let path = path.to_owned();
    let got = map.len() as u64;
    if let Some(expected) = announced_len(map).filter(|expected| *expected > got) {
        return TensorFileError::Truncated { path, expected, got };
    }
    TensorFileError::Malformed { path, reason: error.to_string() }
}

/// File length that the header announces, if it can be told: 8 + header + end of the last tensor.
fn announced_len(map: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Entry {
        data_offsets: (u64, u64),
    }
    let header_len = u64::from_le_bytes(map.get(..8)?.try_into().ok()?);
    // A first word this large is not a header's length but another file's contents.
    if header_len > 100_000_000 {
        return None;
    }
    let end = 8 + header_len;
    let Some(header) = map.get(8..usize::try_from(end).ok()?) else { return Some(end) };
    let entries: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let ends = entries.into_iter().filter_map(|(_, v)| serde_json::from_value::<Entry>(v).ok());
    end.checked_add(ends.map(|e| e.data_offsets.1).max()?)
}

fn torch_kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::I16 => Kind::Int16,
        Dtype::I8 => Kind::Int8,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        _ => return None,
    })
}

/// Elements that one thread looks through at a time.
const CHUNK: usize = 1 << 16;

/// Position and sort of the first element that is NaN or infinite: all exponent bits set.
fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<(usize, &'static str)> {
    fn in_words<const N: usize>(
        bytes: &[u8],
        word: impl Fn([u8; N]) -> u64 + Sync,
        exponent: u64,
        fraction: u64,
    ) -> Option<(usize, &'static str)> {
        let (words, _) = bytes.as_chunks::<N>();
        let is_bad = |w: &[u8; N]| word(*w) & exponent == exponent;
        let bad_chunk = words.par_chunks(CHUNK).position_first(|chunk| chunk.iter().any(is_bad))?;
        let first = bad_chunk * CHUNK;
        let position = first + words[first..].iter().position(is_bad)?;
        let is_nan = word(words[position]) & fraction != 0;
        Some((position, if is_nan { "NaN" } else { "infinity" }))
    }
    let half = |b| u64::from(u16::from_le_bytes(b));
    match dtype {
        Dtype::F32 => in_words(bytes, |b| u64::from(u32::from_le_bytes(b)), 0x7f80_0000, 0x007f_ffff),
        Dtype::BF16 => in_words(bytes, half, 0x7f80, 0x007f),
        Dtype::F16 => in_words(bytes, half, 0x7c00, 0x03ff),
        Dtype::F64 => in_words(bytes, u64::from_le_bytes, 0x7ff0 << 48, (1 << 52) - 1),
        _ => None,
    }
}

/// A tensor's elements as little-endian bytes in host memory, row by row.
pub fn tensor_bytes(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    Outgoing::new(tensor)?.bytes()
}

#[cfg(test)]
mod tests;
