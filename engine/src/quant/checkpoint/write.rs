//! Writing packed checkpoints.

use super::{FORMAT, VERSION, bits, gaps, row_bytes};
use crate::fsx::FsError;
use crate::quant::{MatrixSpec, QuantizedMatrix};
use crate::tensorfile::{TensorFileError, TensorSpec, TensorWriter};
use half::f16;
use rayon::prelude::*;
use safetensors::Dtype;
use std::path::Path;
use tacq_protocol::artifact::{TensorShape, WeightLayout};

use super::Checkpoint;

/// Writes matrices of one spec, each under its weight's name, as a checkpoint.
pub fn write(path: &Path, spec: MatrixSpec, matrices: &[(String, QuantizedMatrix)]) -> Result<(), FsError> {
    let mut tensors = Vec::new();
    let mut bytes = Vec::new();
    for (name, matrix) in matrices {
        assert_eq!(matrix.spec, spec, "one checkpoint has one spec");
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
    let mut writer = TensorWriter::create_with_metadata(path, &tensors, &metadata(spec, &layout))?;
    for data in bytes {
        writer.write(&data)?;
    }
    writer.commit()
}

/// Joins checkpoints of one spec, each of other weights, into one; byte for byte what [`write()`] would have made.
pub fn merge(path: &Path, spec: MatrixSpec, parts: &[Checkpoint]) -> Result<(), TensorFileError> {
    let mut tensors = Vec::new();
    let mut layout = WeightLayout { tensors: Vec::new() };
    for part in parts {
        assert_eq!(part.spec(), spec, "one checkpoint has one spec");
        layout.tensors.extend(part.layout().tensors.iter().cloned());
        tensors.extend(part.file().tensors());
    }
    let mut writer = TensorWriter::create_with_metadata(path, &tensors, &metadata(spec, &layout))?;
    for part in parts {
        for name in part.file().names() {
            writer.write(part.file().bytes(&name)?)?;
        }
    }
    Ok(writer.commit()?)
}

fn metadata(spec: MatrixSpec, layout: &WeightLayout) -> [(&'static str, String); 6] {
    let json = |value: serde_json::Result<String>| value.expect("plain data is JSON");
    let grid = serde_json::to_value(spec.grid).expect("plain data is JSON");
    [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("bits", spec.bits.to_string()),
        ("group_size", spec.group_size.map_or("row".to_owned(), |size| size.to_string())),
        ("grid", grid.as_str().expect("a grid kind is a string").to_owned()),
        ("layout", json(serde_json::to_string(layout))),
    ]
}

/// The tensors of one matrix with their bytes, in file order.
fn pack(name: &str, matrix: &QuantizedMatrix) -> Vec<(TensorSpec, Vec<u8>)> {
    let (shape, spec) = (matrix.shape, matrix.spec);
    let width = row_bytes(spec, shape);
    let mut codes = vec![0; shape.rows * width];
    codes
        .par_chunks_mut(width)
        .zip(matrix.codes.par_chunks(shape.cols))
        .for_each(|(packed, codes)| bits::pack(codes, spec.bits.get(), packed));
    let rows = shape.rows as u64;
    let grids = match spec.group_size {
        None => vec![rows],
        Some(_) => vec![rows, spec.groups(shape.cols) as u64],
    };
    let (scale_type, scales): (_, Vec<u8>) = match spec.group_size {
        None => (Dtype::F32, matrix.scales.iter().flat_map(|s| s.to_le_bytes()).collect()),
        Some(_) => (Dtype::F16, matrix.scales.iter().flat_map(|&s| f16::from_f32(s).to_le_bytes()).collect()),
    };
    let tensor = |part: &str, dtype, shape: &[u64]| TensorSpec::new(format!("{name}.{part}"), dtype, shape);
    let mut tensors = vec![
        (tensor("codes", Dtype::U8, &[rows, width as u64]), codes),
        (tensor("scales", scale_type, &grids), scales),
        (tensor("zeros", Dtype::U8, &grids), matrix.zeros.clone()),
    ];
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
