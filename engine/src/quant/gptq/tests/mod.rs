//! GPTQ against a straightforward f64 implementation of the same definition.

mod reference;

use super::*;
use crate::quant::testing::{Normal, spec};
use crate::quant::{Hessian, MatrixMask};
use reference::Reference;
use tacq_protocol::units::Damp;

/// Share of codes that must equal the f64 ones: f32 roundings flip only weights that lie at a boundary.
const EQUAL_CODES: f64 = 0.999;
/// Relative difference of ‖XW − XŴ‖ from the f64 result.
const OUTPUT_ERROR: f64 = 1e-3;
/// Relative difference of an outlier's compensated value: f32 sums, then bf16's 2^-9.
const OUTLIER_ERROR: f64 = 5e-3;

struct Case {
    rows: usize,
    cols: usize,
    bits: u64,
    group: Option<u64>,
    block: usize,
    masked: bool,
    dead: &'static [usize],
    static_groups: bool,
}

const PLAIN: Case = Case {
    rows: 96,
    cols: 300,
    bits: 3,
    group: None,
    block: 128,
    masked: false,
    dead: &[],
    static_groups: false,
};

fn settings(bits: u64, group: Option<u64>, block_size: usize) -> GptqSettings {
    GptqSettings { spec: spec(bits, group), block_size, static_groups: false }
}

/// Correlated inputs [tokens, cols] with features of very different size, as activations have.
fn inputs(case: &Case, normal: &mut Normal) -> Vec<f32> {
    let tokens = 4 * case.cols;
    let mut x = Vec::with_capacity(tokens * case.cols);
    for _ in 0..tokens {
        let common = normal.draw();
        for col in 0..case.cols {
            let size = 0.2 + (col % 7) as f64 / 3.0;
            let value = if case.dead.contains(&col) { 0.0 } else { size * (normal.draw() + 0.7 * common) };
            x.push(value as f32);
        }
    }
    x
}

#[track_caller]
fn check(case: &Case) {
    let mut normal = Normal::new(17);
    let (rows, cols) = (case.rows, case.cols);
    let x = inputs(case, &mut normal);
    let mut weights = normal.vector(rows * cols, 0.05);
    let positions: Vec<u64> = if case.masked {
        (0..(rows * cols) as u64).filter(|p| p * 2_654_435_761 % 97 == 0).collect()
    } else {
        vec![]
    };
    for &position in &positions {
        weights[position as usize] *= 6.0;
    }
    let tokens = x.len() / cols;
    let batch = Tensor::from_slice(&x).reshape([1, tokens as i64, cols as i64]);
    let mut hessian = Hessian::new(cols as i64, Device::Cpu).unwrap();
    hessian.add(&batch).unwrap();
    let damp: Damp = "0.01".parse().unwrap();
    let factor = Factor::new("w", hessian.finish().unwrap(), damp).unwrap();
    let settings =
        GptqSettings { static_groups: case.static_groups, ..settings(case.bits, case.group, case.block) };
    let mask = MatrixMask::from_sorted(rows, cols, positions.iter().copied());
    let weight = Tensor::from_slice(&weights).reshape([rows as i64, cols as i64]);
    let (result, weights_of_it) = quantize("w", &weight, &factor, settings, mask).unwrap();

    let reference = Reference::new(&x, &weights, &positions, case).quantize();
    let equal = result.codes.iter().zip(&reference.codes).filter(|(a, b)| a == b).count();
    let share = equal as f64 / result.codes.len() as f64;
    assert!(share >= EQUAL_CODES, "only {share} of the codes are equal");
    let ours = result.dequantize();
    assert_eq!(Vec::<f32>::try_from(weights_of_it.reshape([-1])).unwrap(), ours);
    let ours: Vec<f64> = ours.into_iter().map(f64::from).collect();
    let (ours, theirs) = (
        reference.output_error(&x, &weights, &ours),
        reference.output_error(&x, &weights, &reference.values),
    );
    assert!((ours / theirs - 1.0).abs() < OUTPUT_ERROR, "output error {ours}, expected {theirs}");
    for (&position, value) in positions.iter().zip(&result.outliers) {
        let expected = reference.values[position as usize];
        let difference = (f64::from(value.to_f32()) - expected).abs();
        assert!(difference < OUTLIER_ERROR * expected.abs().max(0.05), "{position}: {value} {expected}");
    }
}

#[test]
fn per_row_matches_f64() {
    check(&PLAIN);
    check(&Case { bits: 2, rows: 33, cols: 128, ..PLAIN });
    check(&Case { bits: 4, rows: 7, block: 17, ..PLAIN });
}

#[test]
fn with_a_mask_matches_f64() {
    check(&Case { masked: true, ..PLAIN });
}

#[test]
fn grouped_matches_f64() {
    check(&Case { group: Some(32), cols: 288, ..PLAIN });
    check(&Case { group: Some(48), masked: true, ..PLAIN });
    check(&Case { group: Some(192), ..PLAIN });
}

#[test]
fn static_groups_match_f64() {
    check(&Case { group: Some(32), cols: 288, static_groups: true, ..PLAIN });
    check(&Case { group: Some(48), masked: true, static_groups: true, dead: &[5, 50, 299], ..PLAIN });
    check(&Case { group: Some(192), static_groups: true, ..PLAIN });
}

#[test]
fn dead_features_match_f64() {
    check(&Case { dead: &[0, 5, 130, 299], ..PLAIN });
    check(&Case { dead: &[3, 64], masked: true, group: Some(64), ..PLAIN });
}

#[test]
fn compensating_errors_beats_rounding_to_nearest() {
    let mut normal = Normal::new(2);
    let x = inputs(&PLAIN, &mut normal);
    let weights = normal.vector(PLAIN.rows * PLAIN.cols, 0.05);
    let shape = Shape { rows: PLAIN.rows, cols: PLAIN.cols };
    let nearest =
        rtn::round_to_nearest("w", &weights, shape, spec(3, None), MatrixMask::empty(PLAIN.rows)).unwrap();
    let nearest: Vec<f64> = nearest.dequantize().into_iter().map(f64::from).collect();
    let reference = Reference::new(&x, &weights, &[], &PLAIN).quantize();
    let (gptq, nearest) = (
        reference.output_error(&x, &weights, &reference.values),
        reference.output_error(&x, &weights, &nearest),
    );
    assert!(gptq < 0.8 * nearest, "{gptq} {nearest}");
}

#[test]
fn the_order_of_activity_is_another_way_to_the_same_form_and_a_better_one() {
    let mut normal = Normal::new(12);
    let (rows, cols) = (64, 192);
    let case = Case { rows, cols, ..PLAIN };
    let x = inputs(&case, &mut normal);
    let weights = normal.vector(rows * cols, 0.05);
    let batch = Tensor::from_slice(&x).reshape([1, (x.len() / cols) as i64, cols as i64]);
    let mut hessian = Hessian::new(cols as i64, Device::Cpu).unwrap();
    hessian.add(&batch).unwrap();
    let hessian = hessian.finish().unwrap();
    let damp: Damp = "0.01".parse().unwrap();
    let weight = Tensor::from_slice(&weights).reshape([rows as i64, cols as i64]);
    let positions = (0..(rows * cols) as u64).filter(|at| at % 89 == 5);
    for group in [None, Some(48)] {
        let with = |factor: &Factor, mask: MatrixMask| {
            quantize("w", &weight, factor, settings(2, group, 128), mask).unwrap()
        };
        let natural = Factor::new("w", hessian.copy(), damp).unwrap();
        let sorted = Factor::by_activity("w", hessian.copy(), damp).unwrap();
        let mask = MatrixMask::from_sorted(rows, cols, positions.clone());
        let (masked, weights_of_it) = with(&sorted, mask.clone());
        assert_eq!(masked.mask, mask);
        assert_eq!(masked.levels.group_of().is_some(), group.is_some());
        assert_eq!(Vec::<f32>::try_from(weights_of_it.reshape([-1])).unwrap(), masked.dequantize());
        let reference = Reference::new(&x, &weights, &[], &case).quantize();
        let error = |factor: &Factor| {
            let result = with(factor, MatrixMask::empty(rows)).0.dequantize();
            reference.output_error(&x, &weights, &result.into_iter().map(f64::from).collect::<Vec<_>>())
        };
        let (natural, sorted) = (error(&natural), error(&sorted));
        assert!(sorted < natural, "{group:?}: {sorted} {natural}");
    }
}

/// In another order, static groups stay those of neighbours in the weight: as the definition has it, and in the
/// form of a checkpoint that knows no order.
#[test]
fn static_groups_by_activity_match_f64() {
    for (masked, group) in [(false, 32), (true, 48)] {
        let case = Case { group: Some(group), static_groups: true, masked, cols: 200, rows: 40, ..PLAIN };
        let mut normal = Normal::new(23);
        let (rows, cols) = (case.rows, case.cols);
        let x = inputs(&case, &mut normal);
        let weights = normal.vector(rows * cols, 0.05);
        let batch = Tensor::from_slice(&x).reshape([1, (x.len() / cols) as i64, cols as i64]);
        let mut hessian = Hessian::new(cols as i64, Device::Cpu).unwrap();
        hessian.add(&batch).unwrap();
        let factor = Factor::by_activity("w", hessian.finish().unwrap(), "0.01".parse().unwrap()).unwrap();
        let order: Vec<usize> = factor.order.as_ref().unwrap().columns().collect();
        let weight = Tensor::from_slice(&weights).reshape([rows as i64, cols as i64]);
        let is_masked = |position: u64| masked && (position * 2_654_435_761).is_multiple_of(97);
        let mask = MatrixMask::from_sorted(rows, cols, (0..(rows * cols) as u64).filter(|p| is_masked(*p)));
        let settings = GptqSettings { static_groups: true, ..settings(3, Some(group), 64) };
        let (result, stands_for) = quantize("w", &weight, &factor, settings, mask.clone()).unwrap();
        assert_eq!(result.levels.group_of(), None);
        assert_eq!(result.mask, mask);
        assert_eq!(Vec::<f32>::try_from(stands_for.reshape([-1])).unwrap(), result.dequantize());

        let sorted = |values: &[f32]| -> Vec<f32> {
            values
                .chunks(cols)
                .flat_map(|row| order.iter().map(|&col| row[col]).collect::<Vec<_>>())
                .collect()
        };
        let place = |position: usize| (position / cols * cols + order[position % cols]) as u64;
        let positions: Vec<u64> =
            (0..rows * cols).filter(|&at| is_masked(place(at))).map(|at| at as u64).collect();
        let (x, weights) = (sorted(&x), sorted(&weights));
        let mut reference = Reference::new(&x, &weights, &positions, &case);
        reference.natural.clone_from(&order);
        let codes = reference.quantize().codes;
        let equal = (0..rows * cols).filter(|&at| result.codes[place(at) as usize] == codes[at]).count();
        assert!(
            equal as f64 >= EQUAL_CODES * codes.len() as f64,
            "only {equal} codes of {} are equal",
            codes.len()
        );
    }
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    let weight = Tensor::from_slice(&[1.0f32, f32::INFINITY]).reshape([1, 2]);
    let upper = Tensor::eye(2, (Kind::Float, Device::Cpu));
    let factor = Factor { upper, dead: vec![false; 2], order: None };
    let error = quantize("w", &weight, &factor, settings(3, None, 128), MatrixMask::empty(1)).unwrap_err();
    assert!(matches!(error, QuantError::WeightNotFinite { row: 0, col: 1, .. }), "{error}");
}
