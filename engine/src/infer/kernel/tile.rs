//! The two inner products of attention, for a few queries at a time: their sums stay in registers.

use super::{LANES, madd};

/// Most queries of a tile: twelve sums of eight lanes, with two vectors and a scalar besides, fill AVX2's registers.
pub const TILE: usize = 6;

/// Scores of `m` ≤ [`TILE`] queries against one block of [`LANES`] keys: `queries` \[dim\]\[m\], `block`
/// \[dim\]\[LANES\] → `out`, whose rows are `stride` apart.
#[inline(always)]
pub fn scores<const FUSED: bool>(m: usize, queries: &[f32], block: &[f32], out: &mut [f32], stride: usize) {
    match m {
        1 => scores_of::<1, FUSED>(queries, block, out, stride),
        2 => scores_of::<2, FUSED>(queries, block, out, stride),
        3 => scores_of::<3, FUSED>(queries, block, out, stride),
        4 => scores_of::<4, FUSED>(queries, block, out, stride),
        5 => scores_of::<5, FUSED>(queries, block, out, stride),
        _ => scores_of::<6, FUSED>(queries, block, out, stride),
    }
}

#[inline(always)]
fn scores_of<const M: usize, const FUSED: bool>(
    queries: &[f32],
    block: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    let mut sums = [[0f32; LANES]; M];
    for (q, k) in queries.chunks_exact(M).zip(block.chunks_exact(LANES)) {
        for (m, sum) in sums.iter_mut().enumerate() {
            for (lane, s) in sum.iter_mut().enumerate() {
                *s = madd::<FUSED>(q[m], k[lane], *s);
            }
        }
    }
    for (m, sum) in sums.iter().enumerate() {
        out[m * stride..][..LANES].copy_from_slice(sum);
    }
}

/// Adds values weighted by `m` ≤ [`TILE`] rows of weights (`stride` apart) to `sums` (rows `width` apart): as many
/// values as `values` has rows of `width`, and the [`LANES`] columns from `column` on.
#[inline(always)]
pub fn add_values<const FUSED: bool>(
    m: usize,
    weights: &[f32],
    stride: usize,
    values: &[f32],
    (width, column): (usize, usize),
    sums: &mut [f32],
) {
    match m {
        1 => add_values_of::<1, FUSED>(weights, stride, values, (width, column), sums),
        2 => add_values_of::<2, FUSED>(weights, stride, values, (width, column), sums),
        3 => add_values_of::<3, FUSED>(weights, stride, values, (width, column), sums),
        4 => add_values_of::<4, FUSED>(weights, stride, values, (width, column), sums),
        5 => add_values_of::<5, FUSED>(weights, stride, values, (width, column), sums),
        _ => add_values_of::<6, FUSED>(weights, stride, values, (width, column), sums),
    }
}

#[inline(always)]
fn add_values_of<const M: usize, const FUSED: bool>(
    weights: &[f32],
    stride: usize,
    values: &[f32],
    (width, column): (usize, usize),
    sums: &mut [f32],
) {
    let n = values.len() / width;
    let weights: [&[f32]; M] = std::array::from_fn(|m| &weights[m * stride..][..n]);
    let mut acc: [[f32; LANES]; M] =
        std::array::from_fn(|m| std::array::from_fn(|lane| sums[m * width + column + lane]));
    for (j, row) in values.chunks_exact(width).enumerate() {
        let row: &[f32; LANES] = row[column..column + LANES].try_into().expect("LANES columns");
        for (acc, weights) in acc.iter_mut().zip(&weights) {
            let weight = weights[j];
            for (s, v) in acc.iter_mut().zip(row) {
                *s = madd::<FUSED>(weight, *v, *s);
            }
        }
    }
    for (m, acc) in acc.iter().enumerate() {
        sums[m * width + column..][..LANES].copy_from_slice(acc);
    }
}
