//! Random scores that depend only on seed and index, so that they can be computed in any order.

/// A uniform number in [0, 1) for the weight at `index`, from a counter-based generator: two rounds of SplitMix64's
/// mixing function (Steele, Lea and Flood 2014), one for the seed and one for the counter.
pub fn uniform(seed: u32, index: u64) -> f32 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let key = mix(u64::from(seed).wrapping_add(GOLDEN));
    let bits = mix(key ^ index.wrapping_mul(GOLDEN));
    // The 24 bits that an f32 below 1 holds exactly.
    (bits >> 40) as f32 / (1u32 << 24) as f32
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::uniform;

    #[test]
    fn numbers_are_even_and_differ_by_seed_and_index() {
        let n = 100_000;
        let mean: f64 = (0..n).map(|i| f64::from(uniform(7, i))).sum::<f64>() / n as f64;
        // The standard deviation of this mean is 0.0009.
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
        let mut tenths = [0u32; 10];
        for i in 0..n {
            tenths[(uniform(7, i) * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| (9_500..10_500).contains(&count)), "{tenths:?}");
        assert_ne!(uniform(7, 0), uniform(8, 0));
        assert_eq!(uniform(7, 123), uniform(7, 123));
    }
}
