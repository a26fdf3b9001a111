//! The two inner products of attention, for a few queries at a time: their sums stay in registers.

use super::LANES;
use super::vector::Vector;

/// Most queries of a tile: twelve sums of eight lanes, with two vectors and a scalar besides, fill AVX2's registers.
pub const TILE: usize = 6;

/// Calls a function with the number of queries as a constant.
macro_rules! with_constant {
    ($m:expr, $function:ident::<$vector:ty>, $arguments:tt) => {
        match $m {
            1 => $function::<$vector, 1> $arguments,
            2 => $function::<$vector, 2> $arguments,
            3 => $function::<$vector, 3> $arguments,
            4 => $function::<$vector, 4> $arguments,
            5 => $function::<$vector, 5> $arguments,
            6 => $function::<$vector, TILE> $arguments,
            m => unreachable!("a tile of {m} queries"),
        }
    };
}

/// Scores of `m` queries (1 to [`TILE`]) against blocks of [`LANES`] keys: `queries` \[m\]\[dim\], `blocks`
/// \[block\]\[dim\]\[LANES\] → `out` \[m\], whose rows are `stride` apart, as many scores in each as there are keys.
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
pub unsafe fn scores<V: Vector>(
    m: usize,
    queries: &[f32],
    dim: usize,
    blocks: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    let n = blocks.len() / (dim * LANES);
    assert!(queries.len() >= m * dim && (n == 0 || out.len() >= (m - 1) * stride + n * LANES));
    let (queries, blocks, out) = (queries.as_ptr(), blocks.as_ptr(), out.as_mut_ptr());
    for block in 0..n {
        // SAFETY: the assertion bounds what is read and written.
        unsafe {
            let (keys, out) = (blocks.add(block * dim * LANES), out.add(block * LANES));
            with_constant!(m, score_block::<V>, (queries, dim, keys, out, stride));
        }
    }
}

#[inline(always)]
unsafe fn score_block<V: Vector, const M: usize>(
    queries: *const f32,
    dim: usize,
    keys: *const f32,
    out: *mut f32,
    stride: usize,
) {
    // SAFETY: `scores` has checked the sizes, and its caller the processor.
    unsafe {
        let mut sums = [V::splat(0.0); M];
        for d in 0..dim {
            let key = V::load(keys.add(d * LANES));
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.madd(V::splat(*queries.add(i * dim + d)), key);
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            sum.store(out.add(i * stride));
        }
    }
}

/// Adds `n` values weighted by `m` rows (1 to [`TILE`]) of weights, `stride` apart, to `sums` \[m\]\[width\]: `values`
/// \[n\]\[width\], width a multiple of [`LANES`].
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
pub unsafe fn add_values<V: Vector>(
    m: usize,
    weights: &[f32],
    stride: usize,
    values: &[f32],
    width: usize,
    sums: &mut [f32],
) {
    let n = values.len() / width;
    assert!(width.is_multiple_of(LANES) && sums.len() >= m * width);
    assert!(n == 0 || weights.len() >= (m - 1) * stride + n);
    let (weights, values, sums) = (weights.as_ptr(), values.as_ptr(), sums.as_mut_ptr());
    for column in (0..width).step_by(LANES) {
        // SAFETY: the assertions bound what is read and written.
        unsafe {
            let (values, sums) = (values.add(column), sums.add(column));
            with_constant!(m, add_columns::<V>, (weights, stride, values, (n, width), sums));
        }
    }
}

#[inline(always)]
unsafe fn add_columns<V: Vector, const M: usize>(
    weights: *const f32,
    stride: usize,
    values: *const f32,
    (n, width): (usize, usize),
    sums: *mut f32,
) {
    // SAFETY: `add_values` has checked the sizes, and its caller the processor.
    unsafe {
        let mut acc = [V::splat(0.0); M];
        for (i, acc) in acc.iter_mut().enumerate() {
            *acc = V::load(sums.add(i * width));
        }
        for j in 0..n {
            let value = V::load(values.add(j * width));
            for (i, acc) in acc.iter_mut().enumerate() {
                *acc = acc.madd(V::splat(*weights.add(i * stride + j)), value);
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            acc.store(sums.add(i * width));
        }
    }
}
