//! What the linear weights take, by part, in measured bytes of files.

use super::Source;
use super::error::PageError;
use super::names::Named;
use super::table::Table;
use crate::fsx;
use safetensors::tensor::Metadata;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use tacq_protocol::artifact::{CheckpointSummary, file};

/// Bytes of a weight of the 16-bit model.
const BYTES_16_BIT: u64 = 2;
/// Largest header that is believed.
const MAX_HEADER: u64 = 1 << 30;

/// A line of `sizes`: one part of one checkpoint.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Size {
    pub model: String,
    pub name: String,
    /// `16-bit weights`, `codes`, `outliers`, `grids`, `header`; `whole file` where the file has gone and only its size is
    /// known.
    pub part: &'static str,
    pub bytes: u64,
    pub avg_bits: f64,
    pub n_outliers: u64,
}

/// The parts of all checkpoints.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sizes {
    pub lines: Vec<Size>,
}

impl Sizes {
    pub fn table(&self) -> Result<Table, PageError> {
        Table::of("sizes", &self.lines)
    }
}

/// Reads the headers of checkpoints, or their summaries where they have gone.
pub(super) fn collect(source: Source<'_>, trials: &[Named<'_>]) -> Result<Sizes, PageError> {
    let mut lines: Vec<Size> = Vec::new();
    let mut of_models: BTreeMap<&str, u64> = BTreeMap::new();
    for trial in trials {
        let Some(stage) = trial.planned.checkpoint.map(|id| &source.plan.stages[id]) else { continue };
        let Some(key) = stage.key() else { continue };
        let summary: Option<CheckpointSummary> =
            source.store.read_json(stage.kind(), key, file::CHECKPOINT_SUMMARY)?;
        let Some(summary) = summary else { continue };
        of_models.insert(&trial.model, summary.n_weights * BYTES_16_BIT);
        let path = source.store.artifact_dir(stage.kind(), key).join(file::CHECKPOINT);
        let parts = parts(&path)?.unwrap_or_else(|| BTreeMap::from([("whole file", summary.bytes)]));
        lines.extend(parts.into_iter().map(|(part, bytes)| Size {
            model: trial.model.clone(),
            name: trial.name.clone(),
            part,
            bytes,
            avg_bits: summary.avg_bits,
            n_outliers: summary.n_outliers,
        }));
    }
    let whole = trials.iter().filter(|trial| trial.is_baseline).filter_map(|trial| {
        let bytes = *of_models.get(trial.model.as_str())?;
        let (model, name) = (trial.model.clone(), trial.name.clone());
        Some(Size { model, name, part: "16-bit weights", bytes, avg_bits: 16.0, n_outliers: 0 })
    });
    let mut all: Vec<Size> = whole.collect();
    all.append(&mut lines);
    Ok(Sizes { lines: all })
}

/// Bytes by part; none if there is no such file.
fn parts(path: &Path) -> Result<Option<BTreeMap<&'static str, u64>>, PageError> {
    let wrong = |why: String| PageError::Tensors { path: path.to_owned(), why };
    let mut opened = match fsx::open(path) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened?,
    };
    let mut length = [0; 8];
    opened.read_exact(&mut length).map_err(|error| wrong(error.to_string()))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(wrong(format!("its header has {length} bytes")));
    }
    let mut header = Vec::new();
    opened.take(length).read_to_end(&mut header).map_err(|error| wrong(error.to_string()))?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| wrong(error.to_string()))?;
    let mut parts = BTreeMap::from([("header", length + 8)]);
    for (name, info) in metadata.tensors() {
        let part = match name.rsplit('.').next().unwrap_or_default() {
            "codes" => "codes",
            "outlier_gaps" | "outlier_values" => "outliers",
            _ => "grids",
        };
        *parts.entry(part).or_default() += (info.data_offsets.1 - info.data_offsets.0) as u64;
    }
    Ok(Some(parts))
}
