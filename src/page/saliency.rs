//! How saliency is spread: its histogram over all linear weights.

use super::Source;
use super::error::PageError;
use super::table::Table;
use serde::Serialize;
use std::collections::BTreeMap;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{ScoreHistograms, file};

/// A line of `saliency`: scores in [2^exponent, 2^(exponent + 1)).
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bin {
    pub saliency: String,
    pub exponent: i32,
    pub weights: u64,
    /// Share of all weights, those of score 0 included.
    pub share: f64,
}

/// The table.
#[derive(Debug, Default, Serialize)]
pub(super) struct Saliencies {
    /// Labels of the stages, in the plan's order.
    pub stages: Vec<String>,
    pub bins: Vec<Bin>,
}

impl Saliencies {
    pub fn table(&self) -> Result<Table, PageError> {
        Table::of("saliency", &self.bins)
    }
}

/// Adds up the histograms of all matrices, for each saliency that is there.
pub(super) fn collect(source: Source<'_>) -> Result<Saliencies, PageError> {
    let mut found = Saliencies::default();
    for stage in source.plan.stages.iter().filter(|stage| stage.kind() == StageKind::Saliency) {
        let Some(key) = stage.key() else { continue };
        let read: Option<ScoreHistograms> =
            source.store.read_json(stage.kind(), key, file::SCORE_HISTOGRAMS)?;
        let Some(ScoreHistograms { tensors, .. }) = read else { continue };
        let mut bins: BTreeMap<i32, u64> = BTreeMap::new();
        for tensor in &tensors {
            for (exponent, count) in (tensor.first_exponent..).zip(&tensor.counts) {
                *bins.entry(exponent).or_default() += count;
            }
        }
        let zeros: u64 = tensors.iter().map(|tensor| tensor.zeros).sum();
        let all = (zeros + bins.values().sum::<u64>()) as f64;
        found.bins.extend(bins.into_iter().map(|(exponent, weights)| Bin {
            saliency: stage.label.clone(),
            exponent,
            weights,
            share: weights as f64 / all,
        }));
        found.stages.push(stage.label.clone());
    }
    Ok(found)
}
