//! Reading packed checkpoints: everything a file claims is checked before it is used.

use super::{CheckpointError, FORMAT, VERSION, gaps, scheme};
use crate::model::LinearSource;
use crate::quant::{MatrixMask, QuantizedMatrix, Scheme, Shape, dequantize_on};
use crate::tensorfile::TensorFile;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::{TensorShape, WeightLayout};
use tch::{Device, Tensor};

/// An open checkpoint. Its header is checked; each weight's contents are when it is loaded.
#[derive(Debug)]
pub struct Checkpoint {
    file: TensorFile,
    scheme: Scheme,
    layout: WeightLayout,
}

impl Checkpoint {
    /// Opens a file and checks its header: format, scheme, layout, and type and shape of every tensor.
    pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let file = TensorFile::open(path)?;
        let header = Header { file: &file };
        header.check_format()?;
        let scheme = header.scheme()?;
        let layout = header.layout()?;
        let checkpoint = Checkpoint { file, scheme, layout };
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

    /// What the codes of its weights stand for.
    pub fn scheme(&self) -> Scheme {
        self.scheme
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

    /// Bits of a row of a weight's codes.
    pub(super) fn row_bits(&self, name: &str, shape: Shape) -> Result<usize, CheckpointError> {
        match self.scheme {
            Scheme::Mixed(spec) => {
                let widths = self.file.bytes(&format!("{name}.widths"))?;
                let columns = |group: usize| {
                    let group_cols = spec.group_cols(shape.cols);
                    group_cols.min(shape.cols - group * group_cols)
                };
                Ok(widths.iter().enumerate().map(|(group, &width)| usize::from(width) * columns(group)).sum())
            }
            _ => Ok(shape.cols * usize::from(self.scheme.bits().get())),
        }
    }

    /// Reads one weight's codes, grids and outliers.
    pub fn load(&self, name: &str) -> Result<QuantizedMatrix, CheckpointError> {
        let Some(tensor) = self.layout.tensors.iter().find(|t| t.name == name) else {
            return Err(CheckpointError::NoSuchWeight { path: self.path(), name: name.to_owned() });
        };
        let shape = Shape { rows: tensor.rows as usize, cols: tensor.cols as usize };
        let bytes = |part: &str| self.file.bytes(&format!("{name}.{part}"));
        let parts = self.scheme.parts(shape);
        let parts = parts.iter().map(|part| bytes(part.name)).collect::<Result<Vec<_>, _>>()?;
        let mut levels = self.scheme.read(shape, &parts).map_err(|bad| {
            let (path, name) = (self.path(), name.to_owned());
            CheckpointError::Level { path, name, bad }
        })?;
        let width = levels.row_bytes(shape);
        self.file.check_shape(&format!("{name}.codes"), &[shape.rows as i64, width as i64])?;
        let mut codes = vec![0; shape.len()];
        let packed = bytes("codes")?.par_chunks(width);
        codes.par_chunks_mut(shape.cols).zip(packed).for_each(|(codes, packed)| levels.unpack(packed, codes));
        if self.has(name, "column_scales") {
            let scales = bytes("column_scales")?.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b));
            if !levels.set_column_scales(scales.collect()) {
                return Err(CheckpointError::ColumnScales { path: self.path(), name: name.to_owned() });
            }
        }
        if self.has(name, "group_of") {
            let group_of = bytes("group_of")?.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b));
            if !levels.set_group_of(shape, group_of.collect()) {
                return Err(CheckpointError::GroupOf { path: self.path(), name: name.to_owned() });
            }
        }
        let (mask, outliers) = self.outliers(name, shape)?;
        Ok(QuantizedMatrix { shape, codes, levels, mask, outliers })
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

    fn outliers(&self, name: &str, shape: Shape) -> Result<(MatrixMask, Vec<bf16>), CheckpointError> {
        let gaps_name = format!("{name}.outlier_gaps");
        if !self.has(name, "outlier_gaps") {
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

    fn has(&self, name: &str, part: &str) -> bool {
        self.file.shape(&format!("{name}.{part}")).is_some()
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
        // Where widths differ, load() checks the rows' length.
        let found = self.file.shape(&format!("{name}.codes")).and_then(|shape| shape.get(1).copied());
        let width = self.scheme.row_bytes(shape).map_or(found.unwrap_or(0), |width| width as i64);
        let mut expected = vec![("codes", Dtype::U8, Some(vec![shape.rows as i64, width]))];
        expected.extend(self.scheme.parts(shape).into_iter().map(|part| {
            let shape = part.shape.iter().map(|&n| n as i64).collect();
            (part.name, part.dtype, Some(shape))
        }));
        if self.has(name, "column_scales") {
            expected.push(("column_scales", Dtype::F16, Some(vec![shape.cols as i64])));
        }
        if self.has(name, "group_of") {
            expected.push(("group_of", Dtype::U16, Some(vec![shape.cols as i64])));
        }
        if self.has(name, "outlier_gaps") || self.has(name, "outlier_values") {
            expected.push(("outlier_gaps", Dtype::U16, None));
            expected.push(("outlier_values", Dtype::BF16, None));
        }
        for (part, dtype, shape) in expected {
            let tensor = format!("{name}.{part}");
            self.file.check_dtype(&tensor, dtype)?;
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

    fn scheme(&self) -> Result<Scheme, CheckpointError> {
        scheme::from_metadata(|key| self.file.metadata(key)).map_err(|bad| self.bad(bad.key, bad.expected))
    }

    fn layout(&self) -> Result<WeightLayout, CheckpointError> {
        let expected = "a list of differently named weights with rows and columns, each from 1 to 2^30";
        let valid = |n: u64| (1..=1 << 30).contains(&n);
        let parse = |text: &str| {
            let layout: WeightLayout = serde_json::from_str(text).ok()?;
            let names: BTreeSet<_> = layout.tensors.iter().map(|t| &t.name).collect();
            let sizes = layout.tensors.iter().all(|t| valid(t.rows) && valid(t.cols));
            (sizes && names.len() == layout.tensors.len()).then_some(layout)
        };
        self.file.metadata("layout").and_then(parse).ok_or_else(|| self.bad("layout", expected))
    }

    fn bad(&self, key: &'static str, expected: &'static str) -> CheckpointError {
        let quoted = |text: &str| format!("`{}`", text.chars().take(80).collect::<String>());
        let found = self.file.metadata(key).map_or("missing".to_owned(), quoted);
        CheckpointError::Metadata { path: self.file.path().to_owned(), key, found, expected }
    }
}
