use super::grids::Finder;
use super::*;
use crate::quant::Hessian;
use crate::quant::testing::Normal;
use tacq_protocol::units::{Bits, GroupSize};
use tch::{Device, Kind};

/// Share of codes that must be those of f64.
const EQUAL: f64 = 0.99;

fn spec(bits: u64, group: u64) -> MixedSpec {
    MixedSpec { bits: Bits::new(bits).unwrap(), group_size: GroupSize::new(group).unwrap() }
}

/// Inputs [tokens, cols] of which some columns are much larger, their factor, and a weight [rows, cols].
fn case(rows: usize, cols: usize, seed: u64) -> (Tensor, Factor, Tensor) {
    let mut normal = Normal::new(seed);
    let tokens = 3 * cols;
    let inputs: Vec<f32> = (0..tokens * cols)
        .map(|at| (normal.draw() * if at % cols / 16 % 3 == 1 { 3.0 } else { 0.3 }) as f32)
        .collect();
    let inputs = Tensor::from_slice(&inputs).view([tokens as i64, cols as i64]);
    let mut hessian = Hessian::new(cols as i64, Device::Cpu).unwrap();
    hessian.add(&inputs.unsqueeze(0)).unwrap();
    let factor = Factor::new("w", hessian.finish().unwrap(), "0.01".parse().unwrap()).unwrap();
    let weight = Tensor::from_slice(&normal.vector(rows * cols, 0.1)).view([rows as i64, cols as i64]);
    (inputs, factor, weight)
}

/// A group rounded to nearest, in f64.
fn rounded(group: &[f64], bits: u8) -> Vec<f64> {
    if bits == 1 {
        let n = group.len() as f64;
        let (mean, step) = (group.iter().sum::<f64>() / n, group.iter().map(|w| w.abs()).sum::<f64>() / n);
        return group.iter().map(|w| mean + step * (w - mean).signum()).collect();
    }
    let most = f64::from((1u32 << bits) - 1);
    let (low, high) = group.iter().fold((0.0f64, 0.0f64), |(low, high), w| (low.min(*w), high.max(*w)));
    let scale = (high - low) / most;
    let zero = (-low / scale).round_ties_even();
    let code = |w: &f64| ((w / scale).round_ties_even() + zero).clamp(0.0, most);
    group.iter().map(|w| scale * (code(w) - zero)).collect()
}

/// The mean divergence of the outputs with these widths, straight from its definition in f64.
fn divergence(inputs: &Tensor, weight: &Tensor, widths: &[u8], group: usize) -> f64 {
    let wide = |t: &Tensor| t.to_kind(Kind::Double);
    let cols = weight.size()[1] as usize;
    let values = Vec::<f64>::try_from(wide(weight).reshape([-1])).unwrap();
    let changed: Vec<f64> = values
        .chunks(cols)
        .flat_map(|row| {
            row.chunks(group).zip(widths).flat_map(|(part, &bits)| rounded(part, bits)).collect::<Vec<_>>()
        })
        .collect();
    let changed = Tensor::from_slice(&changed).view([-1, cols as i64]);
    let log_p = wide(inputs).matmul(&changed.tr()).log_softmax(-1, Kind::Double);
    let log_q = wide(inputs).matmul(&wide(weight).tr()).log_softmax(-1, Kind::Double);
    let of_tokens = (log_p.exp() * (&log_p - log_q)).sum_dim_intlist([-1].as_slice(), false, Kind::Double);
    of_tokens.mean(Kind::Double).double_value(&[])
}

#[test]
fn allocations_are_balanced_and_never_worse_than_uniform_widths() {
    for (bits, cols) in [(2, 128), (3, 150), (1, 64), (8, 64), (7, 128), (2, 16)] {
        let (inputs, factor, weight) = case(24, cols, bits);
        let mut allocation = allocate(&weight, &factor, spec(bits, 16), 0, Kind::Float).unwrap();
        for batch in [inputs.narrow(0, 0, 20), inputs.narrow(0, 20, inputs.size()[0] - 20)] {
            allocation.add(&batch.unsqueeze(0)).unwrap();
        }
        let (widths, objective) = (allocation.widths(), allocation.objective());
        let count = |width: u64| widths.iter().filter(|w| u64::from(**w) == width).count();
        let (less, more) = (count(bits - 1), count(bits + 1));
        assert_eq!(less, more);
        assert_eq!(less + more + count(bits), cols.div_ceil(16));
        assert!(widths.iter().all(|width| (1..=8).contains(width)));
        // The objective is what its definition says, of uniform widths and of those that were found.
        let uniform = divergence(&inputs, &weight, &vec![bits as u8; widths.len()], 16);
        let found = divergence(&inputs, &weight, &widths, 16);
        for (ours, theirs) in [(objective[0], uniform), (objective[more], found)] {
            assert!((ours - theirs).abs() <= 1e-4 * theirs + 1e-7, "{bits} bits, {cols}: {ours} {theirs}");
        }
        assert!(objective[more] <= objective[0] && objective.iter().all(|o| objective[more] <= *o));
    }
    // Where columns differ so much, some groups are worth more.
    let (inputs, factor, weight) = case(24, 144, 2);
    let mut allocation = allocate(&weight, &factor, spec(2, 16), 0, Kind::Float).unwrap();
    allocation.add(&inputs).unwrap();
    assert!(allocation.widths().contains(&3), "{:?}", allocation.objective());
}

/// Beside those in balance, the most salient groups get a bit more or the least salient one less, as a size asks for.
#[test]
fn allocations_have_as_many_more_groups_as_is_asked_for() {
    for (bits, more, cols) in [
        (2, 2, 144),
        (2, -3, 144),
        (1, 3, 144),
        (3, 9, 144),
        (3, -9, 144),
        (8, -2, 144),
        (8, 2, 144),
        (1, -1, 144),
        (2, -8, 136),
        (3, 3, 130),
    ] {
        let (inputs, factor, weight) = case(24, cols, bits);
        let mut allocation = allocate(&weight, &factor, spec(bits, 16), more, Kind::Float).unwrap();
        allocation.add(&inputs).unwrap();
        let (widths, objective) = (allocation.widths(), allocation.objective());
        let changed: i64 = widths.iter().map(|&width| i64::from(width) - bits as i64).sum();
        // One bit cannot be less, eight cannot be more.
        let possible = if (bits == 8 && more > 0) || (bits == 1 && more < 0) { 0 } else { more };
        assert_eq!(changed, possible, "{bits} bits");
        assert!(widths.iter().all(|width| (1..=8).contains(width) && u64::from(*width).abs_diff(bits) <= 1));
        let found = divergence(&inputs, &weight, &widths, 16);
        let least = objective.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((least - found).abs() <= 1e-4 * found + 1e-7, "{bits} bits, {more}: {objective:?} {found}");
    }
}

#[test]
fn ranges_are_those_of_least_error_with_salient_weights_counted() {
    let mut normal = Normal::new(3);
    let (rows, len) = (20, 160);
    let mut weights = normal.vector(rows * len, 0.05);
    (0..rows * len).step_by(45).for_each(|at| weights[at] *= 6.0);
    let diagonal: Vec<f32> = (0..len).map(|i| 0.5 + i as f32 / 20.0).collect();
    let salience: Vec<f64> = (0..rows * len)
        .map(|at| f64::from(weights[at] * weights[at]) / f64::from(diagonal[at % len]).powi(2))
        .collect();
    let mean = salience.iter().sum::<f64>() / salience.len() as f64;
    let variance = salience.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (salience.len() - 1) as f64;
    let is_salient = |at: usize| salience[at] - mean > 2.0 * variance.sqrt();
    assert!((0..rows * len).any(is_salient));
    let segment =
        Segment { columns: 0..len, window: len, weights: weights.clone(), upper: Vec::new(), diagonal };
    for (width, more) in [(2u8, 1.0), (3, 1.0), (2, 10.0), (4, 0.0), (3, 0.5)] {
        let finder = Finder::new(width, more, &segment);
        let most = f64::from((1u32 << width) - 1);
        for row in 0..rows {
            let part = &weights[row * len..][..len];
            let error = |scale: f64, zero: f64| -> f64 {
                let one = |(i, w): (usize, &f32)| {
                    let w = f64::from(*w);
                    let code = ((w / scale).round_ties_even() + zero).clamp(0.0, most);
                    let times = if is_salient(row * len + i) { more } else { 1.0 };
                    times * (scale * (code - zero) - w).abs().powf(2.4)
                };
                part.iter().enumerate().map(one).sum()
            };
            let (low, high) =
                part.iter().fold((0.0f64, 0.0f64), |(a, b), w| (a.min(f64::from(*w)), b.max(f64::from(*w))));
            let best = (0..=100)
                .map(|n| 0.9 + 0.002 * f64::from(n))
                .map(|stretch| {
                    let scale = stretch * (high - low) / most;
                    error(scale, (-stretch * low / scale).round_ties_even())
                })
                .fold(f64::INFINITY, f64::min);
            let grid = finder.find(part, &mut Scratch::default());
            let found = error(f64::from(grid.scale), f64::from(grid.zero));
            // Scales are rounded to 11 bits.
            assert!(found <= best * 1.02, "{width} {more} {row}: {found} {best}");
        }
    }
}

#[test]
fn one_bit_is_the_mean_and_a_step() {
    let weights = [0.5f32, 0.25, -0.25, 1.5];
    let segment = Segment {
        columns: 0..4,
        window: 4,
        weights: weights.to_vec(),
        upper: Vec::new(),
        diagonal: vec![1.0; 4],
    };
    let grid = Finder::new(1, 1.0, &segment).find(&weights, &mut Scratch::default());
    // Mean 0.5, mean magnitude 0.625.
    let values = [0, 1].map(|code| crate::quant::levels::mixed_value(grid.scale, grid.zero, code));
    assert!((values[0] + 0.125).abs() < 1e-3 && (values[1] - 1.125).abs() < 1e-3, "{values:?}");
}

#[test]
fn codes_are_those_of_plain_f64() {
    for (rows, cols, widths) in [(40, 96, vec![1, 3, 2, 2, 1, 3]), (17, 50, vec![2, 3, 4, 3])] {
        let (_, factor, weight) = case(rows, cols, rows as u64);
        let settings = SlimSettings { spec: spec(2, 16), salience_weight: 1.0 };
        let (result, stands_for) = quantize("w", &weight, &factor, settings, widths.clone()).unwrap();
        let found = result.dequantize();
        assert_eq!(Vec::<f32>::try_from(stands_for.reshape([-1])).unwrap(), found);
        let Levels::Mixed(levels) = &result.levels else { unreachable!() };
        assert_eq!(levels.widths, widths);

        // The column loop in f64 on the grids that were found.
        let wide = |t: &Tensor| Vec::<f64>::try_from(t.to_kind(Kind::Double).reshape([-1])).unwrap();
        let (mut weights, upper) = (wide(&weight), wide(&factor.upper));
        let mut same = 0;
        for row in 0..rows {
            let weights = &mut weights[row * cols..][..cols];
            for col in 0..cols {
                let at = row * widths.len() + col / 16;
                let (scale, zero) = (levels.scales[at].to_f64(), levels.zeros[at].to_f64());
                let most = f64::from((1u32 << widths[col / 16]) - 1);
                let code = (weights[col] / scale + zero).round_ties_even().clamp(0.0, most);
                same += usize::from(f64::from(result.codes[row * cols + col]) == code);
                let error = (weights[col] - scale * (code - zero)) / upper[col * cols + col];
                for later in col + 1..cols {
                    weights[later] -= error * upper[col * cols + later];
                }
            }
        }
        assert!(same as f64 >= EQUAL * (rows * cols) as f64, "{same} of {}", rows * cols);
    }
}
