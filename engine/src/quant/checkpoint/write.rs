//! Writing packed checkpoints.

use super::{FORMAT, VERSION, gaps, scheme};
use crate::fsx::FsError;
use crate::quant::{QuantizedMatrix, Scheme};
use crate::tensorfile::{TensorFileError, TensorSpec, TensorWriter};
use rayon::prelude::*;
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::{TensorShape, WeightLayout};

use super::Checkpoint;

/// Writes matrices of one scheme, each under its weight's name, as a checkpoint.
pub fn write(path: &Path, scheme: Scheme, matrices: &[(String, QuantizedMatrix)]) -> Result<(), FsError> {
    let mut tensors = Vec::new();
    let mut bytes = Vec::new();
    for (name, matrix) in matrices {
        assert_eq!(matrix.levels.scheme(), scheme, "one checkpoint has one scheme");
        for (tensor, data) in pack(name, matrix) {
            tensors.push(tensor);
            bytes.push(data);
        }
    }
    let shapes = matrices.iter().map(|(name, matrix)| TensorShape {
        name: name.clone(),
        rows: matrix.shape.rows as u64,
        cols: matrix.shape.cols as u64,
    });
    let layout = WeightLayout { tensors: shapes.collect() };
    let mut writer = TensorWriter::create_with_metadata(path, &tensors, &metadata(scheme, &layout))?;
    for data in bytes {
        writer.write(&data)?;
    }
    writer.commit()
}

/// Joins checkpoints of one scheme, each of other weights, into one; byte for byte what [`write()`] would have made.
pub fn merge(path: &Path, scheme: Scheme, parts: &[Checkpoint]) -> Result<(), TensorFileError> {
    let mut tensors = Vec::new();
    let mut layout = WeightLayout { tensors: Vec::new() };
    for part in parts {
        assert_eq!(part.scheme(), scheme, "one checkpoint has one scheme");
        layout.tensors.extend(part.layout().tensors.iter().cloned());
        tensors.extend(part.file().tensors());
    }
    let mut writer = TensorWriter::create_with_metadata(path, &tensors, &metadata(scheme, &layout))?;
    for part in parts {
        for name in part.file().names() {
            writer.write(part.file().bytes(&name)?)?;
        }
    }
    Ok(writer.commit()?)
}

fn metadata(scheme: Scheme, layout: &WeightLayout) -> Vec<(&'static str, String)> {
    let mut fields = vec![("format", FORMAT.to_owned()), ("version", VERSION.to_owned())];
    fields.extend(scheme::to_metadata(scheme));
    fields.push(("layout", serde_json::to_string(layout).expect("plain data is JSON")));
    fields
}

/// The tensors of one matrix with their bytes, in file order.
fn pack(name: &str, matrix: &QuantizedMatrix) -> Vec<(TensorSpec, Vec<u8>)> {
    let (shape, scheme) = (matrix.shape, matrix.levels.scheme());
    let width = matrix.levels.row_bytes(shape);
    let mut codes = vec![0; shape.rows * width];
    codes
        .par_chunks_mut(width)
        .zip(matrix.codes.par_chunks(shape.cols))
        .for_each(|(packed, codes)| matrix.levels.pack(codes, packed));
    let tensor = |part: &str, dtype, shape: &[u64]| TensorSpec::new(format!("{name}.{part}"), dtype, shape);
    let mut tensors = vec![(tensor("codes", Dtype::U8, &[shape.rows as u64, width as u64]), codes)];
    let parts = scheme.parts(shape).into_iter().zip(matrix.levels.bytes());
    tensors.extend(parts.map(|(part, bytes)| (tensor(part.name, part.dtype, &part.shape), bytes)));
    if let Some(scales) = matrix.levels.column_scales() {
        let bytes = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        tensors.push((tensor("column_scales", Dtype::F16, &[shape.cols as u64]), bytes));
    }
    if let Some(group_of) = matrix.levels.group_of() {
        let bytes = group_of.iter().flat_map(|group| group.to_le_bytes()).collect();
        tensors.push((tensor("group_of", Dtype::U16, &[shape.cols as u64]), bytes));
    }
    if !matrix.mask.is_empty() {
        let gaps = gaps::encode(matrix.mask.positions(shape.cols));
        let values = matrix.outliers.iter().flat_map(|v| v.to_le_bytes()).collect();
        let count = matrix.outliers.len() as u64;
        let gap_bytes = gaps.iter().flat_map(|g| g.to_le_bytes()).collect();
        tensors.push((tensor("outlier_gaps", Dtype::U16, &[gaps.len() as u64]), gap_bytes));
        tensors.push((tensor("outlier_values", Dtype::BF16, &[count]), values));
    }
    tensors
}
