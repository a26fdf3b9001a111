use super::grids::{clip, round, rounded};
use super::search::scales;
use super::*;
use crate::quant::testing::Normal;
use tacq_protocol::stage::Grid;
use tacq_protocol::units::{Bits, GroupSize};
use tch::Device;

fn spec(bits: u64, group: Option<u64>) -> MatrixSpec {
    MatrixSpec {
        bits: Bits::new(bits).unwrap(),
        group_size: group.map(|group| GroupSize::new(group).unwrap()),
        grid: Grid::Minmax,
    }
}

fn tensor(values: &[f32], rows: i64) -> Tensor {
    Tensor::from_slice(values).view([rows, -1])
}

fn elements(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).unwrap()
}

#[test]
fn rounding_is_that_of_its_definition() {
    for (bits, group) in [(2, Some(16)), (4, Some(7)), (3, None)] {
        let (rows, cols) = (9usize, 40usize);
        let weights = Normal::new(bits).vector(rows * cols, 0.05);
        let weight = tensor(&weights, rows as i64);
        let spec = spec(bits, group);
        let found = round(&weight, spec).unwrap();
        let codes = tensor_bytes(&found.codes).unwrap();
        let (scales, zeros) = (elements(&found.scales), elements(&found.zeros));
        let values = elements(&rounded(&weight, spec).unwrap());
        let most = f64::from((1u32 << bits) - 1);
        let group_cols = spec.group_cols(cols);
        for row in 0..rows {
            for (nth, group) in weights[row * cols..][..cols].chunks(group_cols).enumerate() {
                let (low, high) = group.iter().fold((0.0f32, 0.0f32), |(a, b), w| (a.min(*w), b.max(*w)));
                let at = row * spec.groups(cols) + nth;
                let (scale, zero) = (f64::from(scales[at]), f64::from(zeros[at]));
                let exact = f64::from(high - low) / most;
                assert!((scale - exact).abs() <= exact * 2f64.powi(-10), "{scale} {exact}");
                assert_eq!(zero, (-(f64::from(low) / scale).round_ties_even()).clamp(0.0, most));
                for (i, &weight) in group.iter().enumerate() {
                    let position = row * cols + nth * group_cols + i;
                    // f32 may round a quotient in the middle the other way.
                    let code = (f64::from(weight) / scale).round_ties_even() + zero;
                    assert!((f64::from(codes[position]) - code.clamp(0.0, most)).abs() <= 1.0);
                    let value = (scale * (f64::from(codes[position]) - zero)) as f32;
                    assert!((values[position] - value).abs() <= 1e-6);
                }
            }
        }
    }
}

#[test]
fn groups_are_cut_off_where_outputs_change_least() {
    let (rows, cols, tokens, group) = (6usize, 32usize, 50usize, 16usize);
    let mut normal = Normal::new(5);
    let mut weights = normal.vector(rows * cols, 0.05);
    (0..rows * cols).step_by(23).for_each(|at| weights[at] *= 5.0);
    let inputs = normal.vector(tokens * cols, 1.0);
    let spec = spec(3, Some(group as u64));
    let weight = tensor(&weights, rows as i64);
    let found = elements(&clip(&weight, &tensor(&inputs, tokens as i64), spec).unwrap());
    let mut cut = 0;
    for row in 0..rows {
        for nth in 0..cols / group {
            let columns = nth * group..(nth + 1) * group;
            let part = |all: &[f32]| all[row * cols..][columns.clone()].to_vec();
            let (original, found) = (part(&weights), part(&found));
            let error = |limit: f32| -> f64 {
                let limited: Vec<f32> = original.iter().map(|w| w.clamp(-limit, limit)).collect();
                let values = elements(&rounded(&tensor(&limited, 1), spec).unwrap());
                let token = |t: usize| -> f64 {
                    let x = &inputs[t * cols..][columns.clone()];
                    let change = values.iter().zip(&original).zip(x);
                    change.map(|((v, w), x)| f64::from(v - w) * f64::from(*x)).sum::<f64>().powi(2)
                };
                (0..tokens).map(token).sum()
            };
            let largest = original.iter().map(|w| w.abs()).fold(0.0, f32::max);
            let limits: Vec<f32> = (0..10).map(|step| largest * (1.0 - step as f32 / 20.0)).collect();
            let least = limits.iter().map(|limit| error(*limit)).fold(f64::INFINITY, f64::min);
            let limit = found.iter().map(|w| w.abs()).fold(0.0, f32::max);
            assert!(error(limit) <= least * 1.001 + 1e-9, "{row} {nth}");
            cut += usize::from(limit < largest);
        }
    }
    assert!(cut > 0, "large weights are cut off somewhere");
}

#[test]
fn scales_are_powers_in_balance() {
    let mean = Tensor::from_slice(&[0.25f32, 1.0, 4.0, 0.0]);
    assert_eq!(elements(&scales(&mean, 0.0).unwrap()), [1.0; 4]);
    let found = elements(&scales(&mean, 0.5).unwrap());
    // 0.5, 1, 2 and the least that is allowed, 10⁻⁴, over √(2 · 10⁻⁴).
    let norm = (2.0f32 * 1e-4).sqrt();
    for (found, expected) in found.iter().zip([0.5, 1.0, 2.0, 1e-4]) {
        assert!((found * norm / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }
    assert_eq!(mean.device(), Device::Cpu);
}
