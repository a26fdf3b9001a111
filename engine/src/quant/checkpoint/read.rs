//! Reading packed checkpoints: everything a file claims is checked before it is used.

use super::{CheckpointError, FORMAT, VERSION, bits, gaps, row_bytes};
use crate::model::LinearSource;
use crate::quant::grid::max_code;
use crate::quant::{MatrixMask, MatrixSpec, QuantizedMatrix, Shape, dequantize_on};
use crate::tensorfile::TensorFile;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{TensorShape, WeightLayout};
use tacq_protocol::stage::Grid;
use tacq_protocol::units::{Bits, GroupSize};
use tch::{Device, Tensor};

/// An open checkpoint. Its header is checked; each weight's contents are when it is loaded.
#[derive(Debug)]
pub struct Checkpoint {
    file: TensorFile,
    spec: MatrixSpec,
    layout: WeightLayout,
}

impl Checkpoint {
    /// Opens a file and checks its header: format, spec, layout, and type and shape of every tensor.
    pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let file = TensorFile::open(path)?;
        let header = Header { file: &file };
        header.check_format()?;
        let spec = header.spec()?;
        let layout = header.layout()?;
        let checkpoint = Checkpoint { file, spec, layout };
        let mut known = BTreeSet::new();
        for tensor in &checkpoint.layout.tensors {
            let shape = Shape { rows: tensor.rows as usize, cols: tensor.cols as usize };
            checkpoint.check_tensors(&tensor.name, shape, &mut known)?;
        }
        if let Some(name) = checkpoint.file.names().into_iter().find(|name| !known.contains(name)) {
            return Err(CheckpointError::Unexpected { path: path.to_owned(), name });
        }
        Ok(checkpoint)
    }

    /// Bits, groups and grid of its weights.
    pub fn spec(&self) -> MatrixSpec {
        self.spec
    }

    /// Its weights, in order.
    pub fn layout(&self) -> &WeightLayout {
        &self.layout
    }

    /// The file.
    pub fn file(&self) -> &TensorFile {
        &self.file
    }

    /// Outliers of all its weights; trusts the lengths of the lists of values.
    pub fn n_outliers(&self) -> u64 {
        let values = |name: &str| self.file.shape(&format!("{name}.outlier_values"));
        self.layout.tensors.iter().filter_map(|t| values(&t.name)).map(|shape| shape[0].unsigned_abs()).sum()
    }

    /// Reads one weight's codes, grids and outliers.
    pub fn load(&self, name: &str) -> Result<QuantizedMatrix, CheckpointError> {
        let Some(tensor) = self.layout.tensors.iter().find(|t| t.name == name) else {
            return Err(CheckpointError::NoSuchWeight { path: self.path(), name: name.to_owned() });
        };
        let shape = Shape { rows: tensor.rows as usize, cols: tensor.cols as usize };
        let bytes = |part: &str| self.file.bytes(&format!("{name}.{part}"));
        let mut codes = vec![0; shape.len()];
        codes
            .par_chunks_mut(shape.cols)
            .zip(bytes("codes")?.par_chunks(row_bytes(self.spec, shape)))
            .for_each(|(codes, packed)| bits::unpack(packed, self.spec.bits.get(), codes));
        let scales = self.scales(name, bytes("scales")?)?;
        let zeros = self.zeros(name, bytes("zeros")?)?;
        let (mask, outliers) = self.outliers(name, shape)?;
        Ok(QuantizedMatrix { shape, spec: self.spec, codes, scales, zeros, mask, outliers })
    }

    /// [`Self::load`] of a weight that must have this shape.
    pub fn load_shaped(&self, name: &str, shape: &TensorShape) -> Result<QuantizedMatrix, CheckpointError> {
        let matrix = self.load(name)?;
        let (found, expected) = (matrix.shape, (shape.rows as usize, shape.cols as usize));
        if (found.rows, found.cols) == expected {
            return Ok(matrix);
        }
        Err(CheckpointError::Shape { path: self.path(), name: name.to_owned(), found, expected })
    }

    fn scales(&self, name: &str, bytes: &[u8]) -> Result<Vec<f32>, CheckpointError> {
        let scales: Vec<f32> = match self.spec.group_size {
            None => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Some(_) => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        };
        match scales.iter().position(|s| !(s.is_finite() && *s > 0.0)) {
            None => Ok(scales),
            Some(position) => {
                let (path, name, found) = (self.path(), name.to_owned(), scales[position]);
                Err(CheckpointError::Scale { path, name, position, found })
            }
        }
    }

    fn zeros(&self, name: &str, zeros: &[u8]) -> Result<Vec<u8>, CheckpointError> {
        let max_code = max_code(self.spec.bits);
        match zeros.iter().position(|&z| z > max_code) {
            None => Ok(zeros.to_vec()),
            Some(position) => {
                let (path, name, found) = (self.path(), name.to_owned(), zeros[position]);
                Err(CheckpointError::Zero { path, name, position, found, max_code })
            }
        }
    }

    fn outliers(&self, name: &str, shape: Shape) -> Result<(MatrixMask, Vec<bf16>), CheckpointError> {
        let gaps_name = format!("{name}.outlier_gaps");
        if self.file.shape(&gaps_name).is_none() {
            return Ok((MatrixMask::empty(shape.rows), Vec::new()));
        }
        let gaps = self.file.bytes(&gaps_name)?.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b));
        let positions: Vec<u64> = gaps::decode(gaps).collect();
        let (path, owned) = (self.path(), name.to_owned());
        if let Some(&position) = positions.last().filter(|&&p| p >= shape.len() as u64) {
            return Err(CheckpointError::OutlierPosition { path, name: owned, position, len: shape.len() });
        }
        let bytes = self.file.bytes(&format!("{name}.outlier_values"))?;
        let values: Vec<bf16> = bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b)).collect();
        if positions.len() != values.len() {
            let (positions, values) = (positions.len(), values.len());
            return Err(CheckpointError::OutlierCount { path, name: owned, positions, values });
        }
        if let Some(nth) = values.iter().position(|v| !v.is_finite()) {
            return Err(CheckpointError::OutlierValue { path, name: owned, nth });
        }
        Ok((MatrixMask::from_sorted(shape.rows, shape.cols, positions.into_iter()), values))
    }

    fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// Types and shapes of one weight's tensors, whose names are added to `known`.
    fn check_tensors(
        &self,
        name: &str,
        shape: Shape,
        known: &mut BTreeSet<String>,
    ) -> Result<(), CheckpointError> {
        let rows = shape.rows as i64;
        let (scale_type, type_name, grids) = match self.spec.group_size {
            None => (Dtype::F32, "F32", vec![rows]),
            Some(_) => (Dtype::F16, "F16", vec![rows, self.spec.groups(shape.cols) as i64]),
        };
        let codes = vec![rows, row_bytes(self.spec, shape) as i64];
        let mut expected = vec![
            ("codes", Dtype::U8, "U8", Some(codes)),
            ("scales", scale_type, type_name, Some(grids.clone())),
            ("zeros", Dtype::U8, "U8", Some(grids)),
        ];
        let has = |part: &str| self.file.shape(&format!("{name}.{part}")).is_some();
        if has("outlier_gaps") || has("outlier_values") {
            expected.push(("outlier_gaps", Dtype::U16, "U16", None));
            expected.push(("outlier_values", Dtype::BF16, "BF16", None));
        }
        for (part, dtype, type_name, shape) in expected {
            let tensor = format!("{name}.{part}");
            self.file.check_dtype(&tensor, dtype, type_name)?;
            let found = self.file.shape(&tensor).unwrap_or_default();
            // A list may have any length, but is a list.
            let shape = shape.unwrap_or_else(|| vec![found.iter().product()]);
            self.file.check_shape(&tensor, &shape)?;
            known.insert(tensor);
        }
        Ok(())
    }
}

impl LinearSource for Checkpoint {
    fn linear(&self, name: &str, device: Device) -> crate::Result<Option<Tensor>> {
        Ok(Some(dequantize_on(&self.load(name)?, device)?))
    }
}

/// The metadata of a file's header.
struct Header<'a> {
    file: &'a TensorFile,
}

impl Header<'_> {
    fn check_format(&self) -> Result<(), CheckpointError> {
        let path = || self.file.path().to_owned();
        if self.file.metadata("format") != Some(FORMAT) {
            return Err(CheckpointError::NotACheckpoint { path: path() });
        }
        match self.file.metadata("version") {
            Some(VERSION) => Ok(()),
            found => Err(CheckpointError::Version { path: path(), found: found.unwrap_or("").to_owned() }),
        }
    }

    fn spec(&self) -> Result<MatrixSpec, CheckpointError> {
        let bits = self.parse("bits", Bits::EXPECTED, |text| Bits::new(text.parse().ok()?).ok())?;
        let group_size =
            self.parse("group_size", "`row` or a group size from 1 to 65536", |text| match text {
                "row" => Some(None),
                size => Some(Some(GroupSize::new(size.parse().ok()?).ok()?)),
            })?;
        let grid = self.parse("grid", "`minmax` or `mse`", |text| {
            serde_json::from_value::<Grid>(serde_json::Value::from(text)).ok()
        })?;
        Ok(MatrixSpec { bits, group_size, grid })
    }

    fn layout(&self) -> Result<WeightLayout, CheckpointError> {
        let expected = "a list of differently named weights with rows and columns, each from 1 to 2^30";
        let valid = |n: u64| (1..=1 << 30).contains(&n);
        self.parse("layout", expected, |text| {
            let layout: WeightLayout = serde_json::from_str(text).ok()?;
            let names: BTreeSet<_> = layout.tensors.iter().map(|t| &t.name).collect();
            let sizes = layout.tensors.iter().all(|t| valid(t.rows) && valid(t.cols));
            (sizes && names.len() == layout.tensors.len()).then_some(layout)
        })
    }

    fn parse<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, CheckpointError> {
        let found = self.file.metadata(key);
        found.and_then(parse).ok_or_else(|| CheckpointError::Metadata {
            path: self.file.path().to_owned(),
            key,
            found: found.map_or("missing".to_owned(), |text| {
                format!("`{}`", text.chars().take(80).collect::<String>())
            }),
            expected,
        })
    }
}
