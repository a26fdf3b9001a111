//! What is better seen than read: how a saliency is spread, where a mask keeps its weights.

use crate::cli::commands::Opened;
use crate::cli::error::CliError;
use crate::cli::fit::columns;
use crate::cli::output::Output;
use crate::cli::sparkline::sparkline;
use crate::page::{self, Kept, Spread};
use crate::plan::StageId;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tacq_protocol::StageKind;

/// Columns where no window limits them.
const WIDTH: usize = 100;

/// What a stage's artifact has to be seen; nothing for most kinds, and where it is not in the store.
#[derive(Debug, Default)]
pub(super) struct Figures {
    spread: Option<Spread>,
    kept: Option<Modules>,
}

/// What a mask keeps, by kind of matrix, layer after layer.
#[derive(Debug)]
struct Modules(BTreeMap<String, Vec<Kept>>);

impl Modules {
    fn new(matrices: Vec<Kept>) -> Self {
        let mut modules: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        for matrix in matrices {
            modules.entry(matrix.module.clone()).or_default().push(matrix);
        }
        Self(modules)
    }
}

impl Figures {
    pub(super) fn of(opened: &Opened, id: StageId) -> Result<Self, CliError> {
        let (stage, store) = (&opened.plan.stages[id], &opened.store);
        Ok(match stage.kind() {
            StageKind::Saliency => Self { spread: Spread::read(store, stage)?, kept: None },
            StageKind::Select => Self { spread: None, kept: page::kept(store, stage)?.map(Modules::new) },
            _ => Self::default(),
        })
    }

    /// The facts with the numbers behind the figures.
    pub(super) fn join(&self, mut facts: Map<String, Value>) -> Map<String, Value> {
        if let Some(spread) = &self.spread {
            facts.insert("histogram".to_owned(), json!(spread));
        }
        if let Some(Modules(modules)) = &self.kept {
            let count = |matrix: &Kept| json!({ "layer": matrix.layer, "kept": matrix.kept });
            let counts = |layers: &Vec<Kept>| layers.iter().map(count).collect::<Vec<_>>();
            let modules: BTreeMap<_, _> =
                modules.iter().map(|(name, layers)| (name, counts(layers))).collect();
            facts.insert("kept".to_owned(), json!(modules));
        }
        facts
    }

    /// The figures, drawn.
    pub(super) fn lines(&self, output: &Output) -> Vec<String> {
        let width = output.width().unwrap_or(WIDTH);
        let spread = self.spread.iter().flat_map(|spread| spread_lines(spread, width, output.is_utf8()));
        let kept = self.kept.iter().flat_map(|kept| kept_lines(kept, width, output.is_utf8()));
        spread.chain(kept).collect()
    }
}

fn spread_lines(spread: &Spread, width: usize, is_utf8: bool) -> Vec<String> {
    let all = spread.weights();
    let mut lines = vec![format!("saliency: {all} weights, {} of them 0", spread.zeros)];
    let counted = || spread.bins.iter().filter(|(_, count)| **count > 0).map(|(exponent, _)| *exponent);
    let (Some(first), Some(last)) = (counted().min(), counted().max()) else { return lines };
    let counts: Vec<f64> =
        (first..=last).map(|exponent| spread.bins.get(&exponent).copied().unwrap_or(0) as f64).collect();
    let (low, high) = (format!("  2^{first} "), format!(" 2^{}", last + 1));
    let room = width.saturating_sub(columns(&low) + columns(&high));
    lines.push(format!("{low}{}{high}", sparkline(&counts, room, is_utf8)));
    lines
}

/// A line per kind of matrix, each on a scale of its own: its numbers say how kinds compare.
fn kept_lines(Modules(modules): &Modules, width: usize, is_utf8: bool) -> Vec<String> {
    let all: u64 = modules.values().flatten().map(|matrix| matrix.kept).sum();
    let mut lines = vec![format!("kept: {all} weights, by layer")];
    let name_width = modules.keys().map(|name| columns(name)).max().unwrap_or(0);
    for (name, layers) in modules {
        let counts: Vec<f64> = layers.iter().map(|matrix| matrix.kept as f64).collect();
        let kept = || layers.iter().map(|matrix| matrix.kept);
        let (least, most) = (kept().min().unwrap_or(0), kept().max().unwrap_or(0));
        let name = format!("  {name}{} ", " ".repeat(name_width - columns(name)));
        let range = if least == most { format!(" {most}") } else { format!(" {least} to {most}") };
        let room = width.saturating_sub(columns(&name) + columns(&range));
        lines.push(format!("{name}{}{range}", sparkline(&counts, room, is_utf8)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_its_range() {
        let spread = Spread { zeros: 3, bins: BTreeMap::from([(-9, 0), (-8, 1), (-6, 8), (-5, 4), (-4, 0)]) };
        assert_eq!(
            spread_lines(&spread, 80, true),
            ["saliency: 16 weights, 3 of them 0", "  2^-8 ▂▁█▅ 2^-4"],
            "empty bins at the ends are no part of the range"
        );
        let zeros = Spread { zeros: 3, bins: BTreeMap::new() };
        assert_eq!(spread_lines(&zeros, 80, true), ["saliency: 3 weights, 3 of them 0"]);
    }

    #[test]
    fn kept_weights_have_a_line_per_kind_of_matrix() {
        let matrix = |module: &str, layer, kept| Kept { module: module.into(), layer: Some(layer), kept };
        let kept = Modules::new(vec![
            matrix("q_proj", 0, 0),
            matrix("up_proj", 0, 7),
            matrix("q_proj", 1, 10),
            matrix("up_proj", 1, 7),
        ]);
        assert_eq!(
            kept_lines(&kept, 80, false),
            ["kept: 24 weights, by layer", "  q_proj  _# 0 to 10", "  up_proj ## 7"]
        );
        let many = Modules::new((0..200).map(|layer| matrix("q_proj", layer, layer.into())).collect());
        let lines = kept_lines(&many, 40, true);
        assert!(lines.iter().all(|line| columns(line) <= 40), "{lines:?}");
    }
}
