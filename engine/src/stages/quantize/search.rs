//! The search for a threshold at which so many weights stay in 16 bit.
//!
//! Outliers depend on all that was quantized before them, so that only a pass through the model tells how many a threshold
//! leaves. Each pass keeps its finished layers in a folder of its own: an interrupted search goes on where it was, and
//! the pass that came nearest is the result.

use super::budget::Outliers;
use super::parts::Parts;
use crate::stages::Context;
use crate::{Result, fsx};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tacq_protocol::LogLevel;
use tacq_protocol::units::Threshold;

/// What was tried, in the progress folder.
const FILE: &str = "search.json";

/// More passes through the model are not worth what they bring.
const MOST_TRIES: usize = 8;

/// Outliers fall about as fast as the threshold grows where nothing else is known.
const SLOPE: f64 = -1.0;

/// What one step may multiply or divide a threshold by.
const LONGEST_STEP: f64 = 10.0;

/// A pass through the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Try {
    threshold: Threshold,
    n_outliers: u64,
}

/// Quantizes the model with one threshold after another, beginning with `first`, until so many weights stay in 16 bit; the
/// parts of the pass that came nearest.
pub fn search<'a>(
    first: Threshold,
    wanted: Outliers,
    parts: &Parts<'a>,
    context: &mut Context<'_>,
    quantize: impl Fn(Threshold, &Parts<'a>, &mut Context<'_>) -> Result<()>,
) -> Result<Parts<'a>> {
    let of = |threshold: Threshold| parts.inside(&format!("threshold-{threshold}"));
    let path = context.progress_to_write()?.join(FILE);
    let mut tries = read(&path, context)?;
    while let Some(threshold) = next(first, wanted, &tries) {
        context.begin_pass(tries.len() + 1);
        let trying = of(threshold);
        trying.create()?;
        quantize(threshold, &trying, context)?;
        tries.push(Try { threshold, n_outliers: trying.n_outliers()? });
        fsx::write_json(&path, &tries)?;
        let best = nearest(wanted, &tries).threshold;
        for tried in tries.iter().filter(|tried| tried.threshold != best) {
            of(tried.threshold).remove()?;
        }
    }
    let best = nearest(wanted, &tries);
    let Try { threshold, n_outliers } = best;
    let level = if is_met(wanted, best) { LogLevel::Info } else { LogLevel::Warn };
    let message = format!(
        "threshold {threshold} keeps {n_outliers} weights in 16 bit; the size leaves room for {} ({} passes through the model)",
        wanted.count,
        tries.len()
    );
    context.log(level, message);
    let found = of(best.threshold);
    if !found.are_complete(context) {
        found.create()?;
        quantize(best.threshold, &found, context)?;
    }
    Ok(found)
}

/// What an interrupted search has tried.
fn read(path: &Path, context: &mut Context<'_>) -> Result<Vec<Try>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    match serde_json::from_slice(&fsx::read(path)?) {
        Ok(tries) => {
            context.mark_resumed();
            Ok(tries)
        }
        Err(error) => {
            let message = format!("{} is not usable, the search begins again: {error}", path.display());
            context.log(LogLevel::Warn, message);
            Ok(Vec::new())
        }
    }
}

/// The nearest try; of equal ones the first.
///
/// # Panics
/// Without one.
fn nearest(wanted: Outliers, tries: &[Try]) -> Try {
    *tries.iter().min_by_key(|tried| tried.n_outliers.abs_diff(wanted.count)).expect("there is a first try")
}

fn is_met(wanted: Outliers, tried: Try) -> bool {
    tried.n_outliers.abs_diff(wanted.count) <= wanted.tolerance
}

/// The next threshold to try; none if one is near enough, or all that is likely to help was tried.
fn next(first: Threshold, wanted: Outliers, tries: &[Try]) -> Option<Threshold> {
    // Zero stands for no outlier at all.
    let zero: Threshold = "0".parse().expect("in range");
    if tries.is_empty() {
        let first = if first == zero { "1".parse().expect("in range") } else { first };
        return Some(if wanted.count == 0 { zero } else { first });
    }
    if tries.len() == MOST_TRIES || wanted.count == 0 || is_met(wanted, nearest(wanted, tries)) {
        return None;
    }
    // Where nothing is left the logarithm needs something.
    let log = |count: u64| (count as f64).max(0.5).ln();
    let point = |tried: &Try| (tried.threshold.to_f64().ln(), log(tried.n_outliers));
    let mut near: Vec<(f64, f64)> = tries.iter().map(point).collect();
    let target = log(wanted.count);
    let (last, before) = near.split_last().expect("there is a first try");
    let off = |point: &(f64, f64)| (point.1 - target).abs();
    let has_helped = before.iter().all(|earlier| off(last) < off(earlier) / 2.0);
    near.sort_by(|a, b| off(a).total_cmp(&off(b)));
    let (x, y) = near[0];
    // A straight line through the two nearest; where that leaves the bracket between both sides, or the last step brought
    // little, the middle.
    let other = near.iter().copied().find(|other| other.0 != x);
    let slope = other.map(|(x2, y2)| (y2 - y) / (x2 - x)).filter(|slope| *slope < 0.0).unwrap_or(SLOPE);
    let longest = LONGEST_STEP.ln();
    let mut step = ((target - y) / slope).clamp(-longest, longest);
    if let Some((x2, _)) = near.iter().find(|other| (other.1 - target) * (y - target) < 0.0) {
        let width = x2 - x;
        if !(has_helped && (0.0..0.75).contains(&(step / width))) {
            step = width / 2.0;
        }
    }
    // Four digits: more would tell nothing apart.
    let threshold: Threshold = format!("{:.3e}", (x + step).exp()).parse().ok()?;
    let is_new = threshold != zero && tries.iter().all(|tried| tried.threshold != threshold);
    is_new.then_some(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many passes it takes until the curve is met, and how far it is then.
    fn passes(first: &str, count: u64, curve: impl Fn(f64) -> u64) -> (usize, u64) {
        let wanted = Outliers { count, tolerance: count / 100 };
        let mut tries = Vec::new();
        while let Some(threshold) = next(first.parse().unwrap(), wanted, &tries) {
            let n_outliers = if threshold.to_f64() == 0.0 { 0 } else { curve(threshold.to_f64()) };
            tries.push(Try { threshold, n_outliers });
        }
        (tries.len(), nearest(wanted, &tries).n_outliers.abs_diff(count))
    }

    #[test]
    fn curves_are_met_in_a_few_passes() {
        let n = 106_000_000.0;
        let power = |t: f64| (n * 0.01 * t.powf(-0.7)) as u64;
        // Steeper and steeper, as the tail of a normal distribution.
        let tail = |t: f64| (n * (-2.0 * t.sqrt()).exp()) as u64;
        // A step between two plateaus.
        let bent = |t: f64| (n * 0.02 / (1.0 + (t / 3.0).powi(4))) as u64 + 1000;
        for first in ["0.2", "5", "0"] {
            for share in [0.0005, 0.003, 0.015] {
                let count = (n * share) as u64;
                for (name, (passes, off)) in [
                    ("power", passes(first, count, power)),
                    ("tail", passes(first, count, tail)),
                    ("bent", passes(first, count, bent)),
                ] {
                    assert!(
                        off <= count / 100 && passes <= MOST_TRIES,
                        "{name} {first} {share}: {off} after {passes}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_room_takes_one_pass_without_outliers() {
        assert_eq!(passes("0.2", 0, |_| 1000), (1, 0));
    }

    #[test]
    fn what_cannot_be_met_ends() {
        let (passes, _) = passes("0.2", 1000, |t| if t < 1.0 { 2000 } else { 0 });
        assert!(passes <= MOST_TRIES);
    }
}
