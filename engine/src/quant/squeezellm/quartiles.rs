//! Quartiles of many numbers, exactly: digits of 16 bits are counted, the high ones first.

use rayon::prelude::*;

const DIGITS: usize = 1 << 16;

/// The first and third quartile, interpolated between neighbours as NumPy does. `values` are finite and not empty.
pub fn quartiles(values: &[f32]) -> [f32; 2] {
    let last = (values.len() - 1) as f64;
    let positions = [0.25 * last, 0.75 * last];
    let ranks = positions.map(|at| [at.floor() as usize, at.ceil() as usize]);
    let found = nth(values, ranks.as_flattened());
    let between = |nth: usize| {
        let (low, high) = (f64::from(found[2 * nth]), f64::from(found[2 * nth + 1]));
        (low + (high - low) * positions[nth].fract()) as f32
    };
    [between(0), between(1)]
}

/// The numbers that would be at these places if `values` were sorted.
fn nth(values: &[f32], ranks: &[usize]) -> Vec<f32> {
    let high = count(values, |key| Some(key >> 16));
    ranks
        .iter()
        .map(|&rank| {
            let (digit, rest) = place(&high, rank);
            let low = count(values, |key| (key >> 16 == digit).then_some(key & 0xffff));
            from_key(digit << 16 | place(&low, rest).0)
        })
        .collect()
}

/// How many values have each digit.
fn count(values: &[f32], digit: impl Fn(u32) -> Option<u32> + Sync) -> Vec<u64> {
    let none = || vec![0u64; DIGITS];
    let counted = values.par_chunks(1 << 20).fold(none, |mut counts, chunk| {
        chunk.iter().filter_map(|v| digit(key(*v))).for_each(|digit| counts[digit as usize] += 1);
        counts
    });
    counted.reduce(none, |mut a, b| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    })
}

/// The digit of the value at `rank`, and its rank among those of that digit.
fn place(counts: &[u64], rank: usize) -> (u32, usize) {
    let mut before = 0;
    for (digit, &count) in counts.iter().enumerate() {
        if before + count as usize > rank {
            return (digit as u32, rank - before);
        }
        before += count as usize;
    }
    unreachable!("a rank is below the number of values")
}

/// Bits that are ordered as the numbers are.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    #[test]
    fn quartiles_are_those_of_a_sort() {
        for n in [1usize, 2, 3, 4, 101, 5000] {
            let values = Normal::new(n as u64).vector(n, 0.02);
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let expected = [0.25, 0.75].map(|q| {
                let at = q * (n - 1) as f64;
                let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
                (f64::from(low) + (f64::from(high) - f64::from(low)) * at.fract()) as f32
            });
            assert_eq!(quartiles(&values), expected, "{n}");
        }
    }
}
