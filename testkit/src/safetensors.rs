//! Writes float32 tensors as a safetensors file.

use crate::json::sorted;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A tensor to write: name, shape, and values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The checkpoint's name.
    pub name: String,
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// As many as the shape's product.
    pub values: Vec<f32>,
}

/// Writes the tensors in the order given.
///
/// # Panics
/// If a tensor's values do not fill its shape.
pub fn write(path: &Path, tensors: &[Tensor]) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut end = 0;
    for tensor in tensors {
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len(), "{}", tensor.name);
        let start = end;
        end += tensor.values.len() * 4;
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = sorted(Value::Object(header)).to_string();
    // Data starts at a multiple of eight; the format pads the header with spaces.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));

    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in tensors.iter().flat_map(|tensor| &tensor.values) {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}
