//! What quantization does to the linear weights: their histogram before and after it, and how far both are apart.

use super::Source;
use super::error::PageError;
use super::names;
use super::table::Table;
use serde::Serialize;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{WeightCounts, WeightHistogram, WeightHistograms, file};

/// A line of `weights`: a bin over all matrices of a checkpoint. Values are in units of the root mean square of their
/// matrix before quantization.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bin {
    /// The checkpoint's stage.
    pub checkpoint: String,
    /// The least value; none where the bin has all below [`Self::to`].
    pub from: Option<f64>,
    /// The value behind the last; none where the bin has all from [`Self::from`] on.
    pub to: Option<f64>,
    /// Between the two.
    pub centre: Option<f64>,
    /// Share of all weights before quantization.
    pub before: f64,
    /// The same of what the checkpoint stands for.
    pub after: f64,
}

/// A line of `errors`: one matrix of a checkpoint.
#[derive(Debug, Clone, Serialize)]
pub(super) struct MatrixError {
    pub checkpoint: String,
    pub layer: Option<u32>,
    pub module: String,
    pub weights: u64,
    /// Σ(W − Ŵ)² / ΣW².
    pub relative_error: f64,
}

/// Both tables.
#[derive(Debug, Default, Serialize)]
pub(super) struct QuantizedWeights {
    /// Labels of the stages, in the plan's order.
    pub checkpoints: Vec<String>,
    pub bins: Vec<Bin>,
    pub errors: Vec<MatrixError>,
}

impl QuantizedWeights {
    pub fn tables(&self) -> Result<Vec<Table>, PageError> {
        Ok(vec![Table::of("weights", &self.bins)?, Table::of("errors", &self.errors)?])
    }
}

/// Adds up the histograms of all matrices, for each checkpoint that is there and has them.
pub(super) fn collect(source: Source<'_>) -> Result<QuantizedWeights, PageError> {
    let mut found = QuantizedWeights::default();
    for stage in source.plan.stages.iter() {
        if !matches!(stage.kind(), StageKind::Quantize | StageKind::MixedQuantize) {
            continue;
        }
        let Some(key) = stage.key() else { continue };
        let read: Option<WeightHistograms> =
            source.store.read_json(stage.kind(), key, file::WEIGHT_HISTOGRAMS)?;
        let Some(WeightHistograms { tensors }) = read else { continue };
        found.bins.extend(bins(&stage.label, &tensors));
        found.errors.extend(tensors.iter().map(|tensor| {
            let (layer, module) = names::place(&tensor.tensor);
            MatrixError {
                checkpoint: stage.label.clone(),
                layer,
                module,
                weights: tensor.original.total(),
                relative_error: tensor.relative_error,
            }
        }));
        found.checkpoints.push(stage.label.clone());
    }
    Ok(found)
}

/// All below the bins, the bins, all above them.
fn bins(checkpoint: &str, tensors: &[WeightHistogram]) -> Vec<Bin> {
    let before = shares(tensors.iter().map(|tensor| &tensor.original));
    let after = shares(tensors.iter().map(|tensor| &tensor.quantized));
    let edge = |nth: usize| nth as f64 * WeightHistogram::BIN_WIDTH - WeightHistogram::RANGE;
    let shares = before.into_iter().zip(after).enumerate();
    let bin = |(slot, (before, after)): (usize, (f64, f64))| {
        let from = slot.checked_sub(1).map(edge);
        let to = (slot <= WeightHistogram::BINS).then(|| edge(slot));
        let centre = from.zip(to).map(|(from, to)| f64::midpoint(from, to));
        Bin { checkpoint: checkpoint.to_owned(), from, to, centre, before, after }
    };
    shares.map(bin).collect()
}

/// Of all that was counted, what lies below the bins, in each, and above them.
fn shares<'a>(counts: impl Iterator<Item = &'a WeightCounts>) -> Vec<f64> {
    let mut sums = vec![0; WeightHistogram::BINS + 2];
    for WeightCounts { below, counts, above } in counts {
        let slots = [below].into_iter().chain(counts).chain([above]);
        sums.iter_mut().zip(slots).for_each(|(sum, count)| *sum += count);
    }
    let all = sums.iter().sum::<u64>() as f64;
    sums.into_iter().map(|sum| sum as f64 / all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_added_bin_by_bin() {
        let counts = |below, at: usize, n, above| {
            let mut counts = vec![0; WeightHistogram::BINS];
            counts[at] = n;
            WeightCounts { below, counts, above }
        };
        let histogram = |range, original, quantized| {
            let tensor = "model.layers.0.mlp.up_proj.weight".to_owned();
            WeightHistogram { tensor, range, original, quantized, relative_error: 0.1 }
        };
        // Of any r: bins are in its unit.
        let tensors = [
            histogram(0.5, counts(1, 0, 2, 1), counts(0, 32, 4, 0)),
            histogram(7.0, counts(0, 63, 12, 0), counts(0, 32, 8, 4)),
        ];
        let found = bins("c", &tensors);
        assert_eq!(found.len(), WeightHistogram::BINS + 2);
        let at = |slot: usize| {
            let Bin { from, to, centre, before, after, .. } = found[slot];
            (from, to, centre, before, after)
        };
        assert_eq!(at(0), (None, Some(-4.0), None, 1.0 / 16.0, 0.0));
        assert_eq!(at(1), (Some(-4.0), Some(-3.875), Some(-3.9375), 2.0 / 16.0, 0.0));
        assert_eq!(at(33), (Some(0.0), Some(0.125), Some(0.0625), 0.0, 12.0 / 16.0));
        assert_eq!(at(64), (Some(3.875), Some(4.0), Some(3.9375), 12.0 / 16.0, 0.0));
        assert_eq!(at(65), (Some(4.0), None, None, 1.0 / 16.0, 4.0 / 16.0));
    }
}
