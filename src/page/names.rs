//! What trials and matrices are called on the page.

use super::Source;
use crate::plan::PlannedTrial;
use crate::report;
use std::collections::BTreeSet;

/// A trial of the page: one of those that differ in their seed alone.
#[derive(Debug, Clone)]
pub(super) struct Named<'a> {
    /// The model's name.
    pub model: String,
    /// Calibration set, bits and method in words.
    pub name: String,
    /// Whether this is the 16-bit model.
    pub is_baseline: bool,
    /// Its stages.
    pub planned: &'a PlannedTrial,
}

/// Layer and module of a weight: 3 and `up_proj` of `model.layers.3.mlp.up_proj.weight`.
pub(super) fn place(tensor: &str) -> (Option<u32>, String) {
    let mut words = tensor.split('.').rev().skip_while(|word| *word == "weight");
    let module = words.next().unwrap_or_default().to_owned();
    (words.find_map(|word| word.parse().ok()), module)
}

/// The trials in the experiment's order, the first seed of each.
pub(super) fn trials<'a>(source: Source<'a>) -> Vec<Named<'a>> {
    let mut seen = BTreeSet::new();
    let coordinates = report::trial_coordinates(source.experiment, source.plan);
    let named = source.plan.trials.iter().zip(coordinates).map(|(planned, of)| Named {
        name: report::trial_name(&of),
        is_baseline: of.is_baseline(),
        model: of.model,
        planned,
    });
    named.filter(|named| seen.insert((named.model.clone(), named.name.clone()))).collect()
}
