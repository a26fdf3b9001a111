//! How saliency is spread: its histogram over all linear weights.

use super::Source;
use super::error::PageError;
use super::table::Table;
use crate::plan::Stage;
use crate::store::{Store, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{ScoreHistograms, file};

/// How the scores of all linear weights of a saliency are spread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Weights of score 0.
    pub zeros: u64,
    /// Weights with a score in [2^exponent, 2^(exponent + 1)), by exponent.
    pub bins: BTreeMap<i32, u64>,
}

impl Spread {
    /// The histograms of all matrices added up; none if the artifact is not there.
    ///
    /// # Errors
    /// The artifact is damaged.
    pub fn read(store: &Store, stage: &Stage) -> Result<Option<Self>, StoreError> {
        let Some(key) = stage.key() else { return Ok(None) };
        let read: Option<ScoreHistograms> = store.read_json(stage.kind(), key, file::SCORE_HISTOGRAMS)?;
        let Some(ScoreHistograms { tensors, .. }) = read else { return Ok(None) };
        let mut bins: BTreeMap<i32, u64> = BTreeMap::new();
        for tensor in &tensors {
            for (exponent, count) in (tensor.first_exponent..).zip(&tensor.counts) {
                *bins.entry(exponent).or_default() += count;
            }
        }
        Ok(Some(Self { zeros: tensors.iter().map(|tensor| tensor.zeros).sum(), bins }))
    }

    /// All weights.
    pub fn weights(&self) -> u64 {
        self.zeros + self.bins.values().sum::<u64>()
    }
}

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

/// The spread of each saliency that is there.
pub(super) fn collect(source: Source<'_>) -> Result<Saliencies, PageError> {
    let mut found = Saliencies::default();
    for stage in source.plan.stages.iter().filter(|stage| stage.kind() == StageKind::Saliency) {
        let Some(spread) = Spread::read(source.store, stage)? else { continue };
        let all = spread.weights() as f64;
        found.bins.extend(spread.bins.into_iter().map(|(exponent, weights)| Bin {
            saliency: stage.label.clone(),
            exponent,
            weights,
            share: weights as f64 / all,
        }));
        found.stages.push(stage.label.clone());
    }
    Ok(found)
}
