//! Single values of a safetensors file, without reading it: the others are the engine's affair.

use super::error::PageError;
use crate::fsx::{self, FsError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A header that is longer is none.
const MAX_HEADER: u64 = 64 << 20;

/// A file of tensors.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    file: File,
    /// First byte after the header.
    start: u64,
    header: BTreeMap<String, Value>,
}

impl Tensors {
    /// Reads the header.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let file = fsx::open(path)?;
        let mut found = Self { path: path.to_owned(), file, start: 8, header: BTreeMap::new() };
        let length = u64::from_le_bytes(found.bytes(0, 8)?.try_into().expect("eight"));
        if length > MAX_HEADER {
            return Err(found.wrong("its header is too long to be one"));
        }
        let header = found.bytes(8, length)?;
        found.header = serde_json::from_slice(&header).map_err(|error| found.wrong(&error.to_string()))?;
        found.start += length;
        Ok(found)
    }

    /// `n` values of a tensor of floating-point numbers (f32, f16 or bf16), as it lies there row by row, from `first` on.
    ///
    /// # Errors
    /// There is no such tensor, it holds something else, or is shorter.
    pub fn numbers(&self, tensor: &str, first: u64, n: u64) -> Result<Vec<f64>, PageError> {
        let dtype = self.dtype(tensor)?;
        let decode: fn(&[u8]) -> f64 = match dtype {
            "F32" => |bytes| f64::from(f32::from_le_bytes(bytes.try_into().expect("four"))),
            "F16" => |bytes| half::f16::from_le_bytes(bytes.try_into().expect("two")).to_f64(),
            "BF16" => |bytes| half::bf16::from_le_bytes(bytes.try_into().expect("two")).to_f64(),
            _ => return Err(self.wrong(&format!("`{tensor}` is of type {dtype}, not f32, f16 or bf16"))),
        };
        let size = if dtype == "F32" { 4 } else { 2 };
        Ok(self.values(tensor, size, first, n)?.chunks_exact(size as usize).map(decode).collect())
    }

    /// `n` values of a tensor of 64-bit integers, from `first` on.
    ///
    /// # Errors
    /// There is no such tensor, it holds something else, or is shorter.
    pub fn integers(&self, tensor: &str, first: u64, n: u64) -> Result<Vec<i64>, PageError> {
        if self.dtype(tensor)? != "I64" {
            return Err(self.wrong(&format!("`{tensor}` does not hold 64-bit integers")));
        }
        let bytes = self.values(tensor, 8, first, n)?;
        Ok(bytes.chunks_exact(8).map(|eight| i64::from_le_bytes(eight.try_into().expect("eight"))).collect())
    }

    /// How many values of `size` bytes a tensor has.
    ///
    /// # Errors
    /// There is no such tensor.
    pub fn len(&self, tensor: &str, size: u64) -> Result<u64, PageError> {
        let (first, last) = self.offsets(tensor)?;
        Ok(last.saturating_sub(first) / size)
    }

    fn values(&self, tensor: &str, size: u64, first: u64, n: u64) -> Result<Vec<u8>, PageError> {
        let (begin, end) = self.offsets(tensor)?;
        let range = first.checked_mul(size).zip(n.checked_mul(size));
        let range = range.and_then(|(skipped, wanted)| Some((begin.checked_add(skipped)?, wanted)));
        match range.filter(|(from, wanted)| from.checked_add(*wanted).is_some_and(|to| to <= end)) {
            Some((from, wanted)) => self.bytes(self.start.saturating_add(from), wanted),
            None => Err(self.wrong(&format!("`{tensor}` is shorter than it should be"))),
        }
    }

    fn dtype(&self, tensor: &str) -> Result<&str, PageError> {
        let found = self.header.get(tensor).and_then(|of| of["dtype"].as_str());
        found.ok_or_else(|| self.wrong(&format!("it has no tensor `{tensor}`")))
    }

    fn offsets(&self, tensor: &str) -> Result<(u64, u64), PageError> {
        let of = self.header.get(tensor);
        let at = |at: usize| of.and_then(|of| of["data_offsets"][at].as_u64());
        at(0).zip(at(1)).ok_or_else(|| self.wrong(&format!("it has no tensor `{tensor}`")))
    }

    fn bytes(&self, from: u64, n: u64) -> Result<Vec<u8>, PageError> {
        let failed = |source| FsError { action: "read", path: self.path.clone(), source };
        // So that a length that is none takes no memory.
        let length = self.file.metadata().map_err(failed)?.len();
        if from.checked_add(n).is_none_or(|end| end > length) {
            return Err(self.wrong("it is shorter than it says"));
        }
        let mut bytes = vec![0; n as usize];
        self.file.read_exact_at(&mut bytes, from).map_err(failed)?;
        Ok(bytes)
    }

    fn wrong(&self, why: &str) -> PageError {
        PageError::Tensors { path: self.path.clone(), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("t.safetensors");
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat();
        fsx::write(&path, &bytes).expect("writable");
        (dir, path)
    }

    #[test]
    fn values_of_every_format_are_read() {
        let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},
            "c":{"dtype":"F16","shape":[1],"data_offsets":[12,14]},"d":{"dtype":"I64","shape":[2],"data_offsets":[14,30]}}"#;
        let data = [
            &1.5f32.to_le_bytes()[..],
            &(-2.0f32).to_le_bytes(),
            &[0x80, 0x3f, 0x00, 0xc0],
            &[0x00, 0x3c],
            &7i64.to_le_bytes(),
            &(-9i64).to_le_bytes(),
        ]
        .concat();
        let (_dir, path) = file(header, &data);
        let found = Tensors::open(&path).unwrap();
        assert_eq!(found.numbers("a", 0, 2).unwrap(), [1.5, -2.0]);
        assert_eq!(found.numbers("b", 1, 1).unwrap(), [-2.0]);
        assert_eq!(found.numbers("c", 0, 1).unwrap(), [1.0]);
        assert_eq!(found.integers("d", 0, 2).unwrap(), [7, -9]);
        assert_eq!(found.len("d", 8).unwrap(), 2);
        for wrong in [("a", 1, 2), ("e", 0, 1), ("d", 0, 1), ("a", u64::MAX, 1), ("a", 0, u64::MAX)] {
            assert!(found.numbers(wrong.0, wrong.1, wrong.2).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_an_error() {
        let header = r#"{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}"#;
        let (_dir, path) = file(header, &[0; 4]);
        assert!(Tensors::open(&path).unwrap().numbers("a", 8, 1).is_err(), "it ends before");
        for bytes in [&b""[..], &[255; 64], b"\x02\0\0\0\0\0\0\0[]", b"\x09\0\0\0\0\0\0\0{}"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("t");
            fsx::write(&path, bytes).unwrap();
            assert!(Tensors::open(&path).is_err(), "{bytes:?}");
        }
    }
}
