//! Which results a reader wants compared.
//!
//! On one model, task and metric:
//!
//! - every quantized model with the 16-bit model;
//! - methods with each other, at equal bits, calibration set, group size and variant; `rtn`, which is calibrated on
//!   nothing, with those of every calibration set;
//! - one method with itself where exactly one parameter differs: an outlier ratio or group size with the next smaller
//!   one, an ablation of the saliency with `tacq`, a variant with the first (the default, if it is there), a calibration
//!   set with the one that goes with the task.
//!
//! What differs in bits, or in two things, is not compared: the table is for reading.

use super::coordinates::Coordinates;
use super::row::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tacq_protocol::artifact::metric;
use tacq_protocol::stage::Score;

/// Methods from the plainest to the most elaborate; a later one is compared with an earlier one.
const METHODS: [&str; 3] = ["rtn", "gptq", "tacq"];

/// What differs between two results that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contrast {
    /// Whether the model is quantized at all.
    Baseline,
    /// The method.
    Method,
    /// What the model is calibrated on.
    ConditionOn,
    /// What ranks the weights.
    Saliency,
    /// The share of the weights in 16 bit.
    OutlierRatio,
    /// The columns that share a grid.
    GroupSize,
    /// Some other parameter.
    Variant,
}

/// Two results to be compared: all seeds of one with those of the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair<'a> {
    /// What differs.
    pub contrast: Contrast,
    /// For each seed that both have, the result and what it is compared with; a result without a seed goes with all.
    pub seeds: Vec<(&'a Row, &'a Row)>,
}

/// Rows that differ in nothing but their seed.
type Cell<'a> = &'a [Row];

/// The pairs among rows in [`Row::order`]. `homes` has the data set that goes with a task.
pub fn pairs<'a>(rows: &'a [Row], homes: &BTreeMap<String, String>) -> Vec<Pair<'a>> {
    let mut tables: BTreeMap<[&str; 4], Vec<Cell<'a>>> = BTreeMap::new();
    for cell in rows.chunk_by(|a, b| a.cell_order(b).is_eq()) {
        let Row { trial, task, metric, .. } = &cell[0];
        // Records are of one value an example, and these metrics are made of it.
        if metric::is_share(metric) || metric == metric::PERPLEXITY {
            tables.entry([&trial.experiment, &trial.model, task, metric]).or_default().push(cell);
        }
    }
    let mut pairs = Vec::new();
    for ([_, _, task, _], cells) in &tables {
        let home = homes.get(*task).map(String::as_str);
        for of in 0..cells.len() {
            for against in 0..cells.len() {
                let Some(contrast) = wanted(cells, of, against, home) else { continue };
                let seeds = seeds(cells[of], cells[against]);
                if !seeds.is_empty() {
                    pairs.push(Pair { contrast, seeds });
                }
            }
        }
    }
    pairs
}

/// What `of` and `against` differ in, if they are to be compared this way round.
fn wanted(cells: &[Cell<'_>], of: usize, against: usize, home: Option<&str>) -> Option<Contrast> {
    let trial = |cell: usize| &cells[cell][0].trial;
    let found = contrast(trial(of), trial(against))?;
    let alike = |cell: usize| contrast(trial(of), trial(cell)) == Some(found);
    let fits = match found {
        Contrast::Baseline => trial(against).is_baseline(),
        Contrast::Method => rank(trial(of)) > rank(trial(against)),
        Contrast::ConditionOn => trial(against).condition_on.as_deref() == home,
        Contrast::Saliency => trial(against).saliency.as_deref() == Some(&*Score::Tacq.to_string()),
        // Cells are in order: nothing like it lies between.
        Contrast::OutlierRatio | Contrast::GroupSize => against < of && !(against + 1..of).any(alike),
        Contrast::Variant => against < of && !(0..against).any(alike),
    };
    fits.then_some(found)
}

/// The one thing that two trials differ in, if it is one.
fn contrast(a: &Coordinates, b: &Coordinates) -> Option<Contrast> {
    if a.is_baseline() != b.is_baseline() {
        return Some(Contrast::Baseline);
    }
    if a.bits != b.bits {
        return None;
    }
    if a.method != b.method {
        let one_calibration = a.condition_on.is_none() || b.condition_on.is_none();
        let alike = (one_calibration || a.condition_on == b.condition_on)
            && a.group_size == b.group_size
            && a.variant == b.variant;
        return alike.then_some(Contrast::Method);
    }
    let differing = [
        (a.condition_on != b.condition_on, Contrast::ConditionOn),
        (a.saliency != b.saliency, Contrast::Saliency),
        (a.outlier_ratio != b.outlier_ratio, Contrast::OutlierRatio),
        (a.group_size != b.group_size, Contrast::GroupSize),
        (a.variant != b.variant, Contrast::Variant),
    ];
    let mut differing = differing.into_iter().filter(|(differs, _)| *differs).map(|(_, contrast)| contrast);
    differing.next().filter(|_| differing.next().is_none())
}

fn rank(trial: &Coordinates) -> (usize, &str) {
    let place = METHODS.iter().position(|method| *method == trial.method).unwrap_or(METHODS.len());
    (place, &trial.method)
}

fn seeds<'a>(of: Cell<'a>, against: Cell<'a>) -> Vec<(&'a Row, &'a Row)> {
    let goes_with = |a: &Row, b: &Row| a.seed == b.seed || a.seed.is_none() || b.seed.is_none();
    let both = |a| against.iter().filter(move |b| goes_with(a, b)).map(move |b| (a, b));
    of.iter().flat_map(both).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, seed: Option<u32>) -> Row {
        let mut parts = text.split(' ');
        let mut next = || parts.next().filter(|part| *part != "-").map(str::to_owned);
        let trial = Coordinates {
            condition_on: next(),
            method: next().expect("a method"),
            bits: next().expect("bits").parse().expect("a number"),
            saliency: next(),
            outlier_ratio: next(),
            group_size: next().map(|size| size.parse().expect("a number")),
            variant: next(),
            ..Coordinates::default()
        };
        Row { trial, task: "mmlu".into(), metric: "accuracy".into(), seed, ..Row::default() }
    }

    /// `tacq 0.01 − gptq`, and the seeds compared.
    #[track_caller]
    fn check(trials: &[&str], expected: &[&str]) {
        let mut rows: Vec<Row> = trials.iter().map(|text| row(text, None)).collect();
        rows.sort_by(Row::order);
        let name = |row: &Row| {
            let t = &row.trial;
            let size = t.group_size.map(|size| size.to_string());
            let parts = [&t.condition_on, &t.saliency, &t.outlier_ratio, &size, &t.variant];
            let parts = parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
            format!("{} {} {parts}", t.method, t.bits).trim_end().to_owned()
        };
        let homes = BTreeMap::from([("mmlu".to_owned(), "mmlu".to_owned())]);
        let mut found: Vec<String> = pairs(&rows, &homes)
            .iter()
            .map(|pair| format!("{} / {}", name(pair.seeds[0].0), name(pair.seeds[0].1)))
            .collect();
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn methods_are_compared_at_equal_bits_and_calibration() {
        check(
            &["- none 16", "mmlu gptq 2", "mmlu gptq 3", "mmlu tacq 2 tacq 0.01", "- rtn 2"],
            &[
                "gptq 2 mmlu / none 16",
                "gptq 3 mmlu / none 16",
                "rtn 2 / none 16",
                "tacq 2 mmlu tacq 0.01 / none 16",
                "gptq 2 mmlu / rtn 2",
                "tacq 2 mmlu tacq 0.01 / gptq 2 mmlu",
                "tacq 2 mmlu tacq 0.01 / rtn 2",
            ],
        );
    }

    #[test]
    fn ratios_go_with_their_neighbours_and_ablations_with_tacq() {
        check(
            &[
                "c tacq 2 tacq 0.1",
                "c tacq 2 tacq 0.0035",
                "c tacq 2 tacq 0.01",
                "c tacq 2 weight 0.01",
                "c tacq 2 fisher 0.01",
            ],
            &[
                "tacq 2 c tacq 0.01 / tacq 2 c tacq 0.0035",
                "tacq 2 c tacq 0.1 / tacq 2 c tacq 0.01",
                "tacq 2 c weight 0.01 / tacq 2 c tacq 0.01",
                "tacq 2 c fisher 0.01 / tacq 2 c tacq 0.01",
            ],
        );
    }

    #[test]
    fn calibration_sets_go_with_that_of_the_task_and_variants_with_the_default() {
        check(
            &["c4 gptq 2", "mmlu gptq 2", "spider gptq 2"],
            &["gptq 2 c4 / gptq 2 mmlu", "gptq 2 spider / gptq 2 mmlu"],
        );
        check(
            &["c gptq 2 - - - damp=0.1", "c gptq 2", "c gptq 2 - - - minmax", "c gptq 2 - - 64 minmax"],
            &[
                "gptq 2 c damp=0.1 / gptq 2 c",
                "gptq 2 c minmax / gptq 2 c",
                "gptq 2 c 64 minmax / gptq 2 c minmax",
            ],
        );
        check(&["c gptq 2 - - 64", "d tacq 2 tacq 0.01 64"], &[]);
    }

    #[test]
    fn seeds_go_with_equal_seeds_and_no_seed_with_all() {
        let mut rows = vec![
            row("- none 16", None),
            row("c gptq 2", Some(0)),
            row("c gptq 2", Some(1)),
            row("c tacq 2 tacq 0.01", Some(1)),
            row("c tacq 2 tacq 0.01", Some(2)),
        ];
        rows.sort_by(Row::order);
        let found: Vec<(Contrast, Vec<_>)> = pairs(&rows, &BTreeMap::new())
            .iter()
            .map(|pair| (pair.contrast, pair.seeds.iter().map(|(a, b)| (a.seed, b.seed)).collect()))
            .collect();
        assert_eq!(
            found,
            [
                (Contrast::Baseline, vec![(Some(0), None), (Some(1), None)]),
                (Contrast::Baseline, vec![(Some(1), None), (Some(2), None)]),
                (Contrast::Method, vec![(Some(1), Some(1))]),
            ]
        );
    }

    #[test]
    fn metrics_that_are_no_mean_of_records_are_left_alone() {
        let mut rows = vec![row("- none 16", None), row("c gptq 2", None)];
        for row in &mut rows {
            row.metric = "seconds".into();
        }
        assert_eq!(pairs(&rows, &BTreeMap::new()), []);
    }
}
