//! Python's `random` module: the same seed gives the same picks as the reference implementation.
//!
//! CPython's `Random` (Modules/_randommodule.c, Lib/random.py) is MT19937 seeded by `init_by_array` with the
//! absolute value of the seed in 32-bit words; `randint` draws `k` random bits until they are below the range.

use rand_mt::Mt;

/// `random.Random(seed)` for seeds below 2³².
#[derive(Debug)]
pub struct PythonRandom(Mt);

impl PythonRandom {
    /// `random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        Self(Mt::new_with_key([seed]))
    }

    /// `random.getrandbits(bits)` for 1 to 64 bits.
    fn bits(&mut self, bits: u32) -> u64 {
        // One word per 32 bits, least significant first; of the last, the high bits.
        if bits <= 32 {
            return u64::from(self.0.next_u32() >> (32 - bits));
        }
        let low = u64::from(self.0.next_u32());
        low | u64::from(self.0.next_u32() >> (64 - bits)) << 32
    }

    /// `random.shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }

    /// `random.randrange(n)`: uniform in 0 … n − 1.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "an empty range has no element");
        let bits = u64::BITS - n.leading_zeros();
        loop {
            let value = self.bits(bits);
            if value < n {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `random.seed(seed); [random.randint(0, high) for _ in …]` of CPython 3.
    #[track_caller]
    fn check(seed: u32, high: u64, expected: &[u64]) {
        let mut random = PythonRandom::new(seed);
        let got: Vec<_> = expected.iter().map(|_| random.below(high + 1)).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn randint_matches_cpython() {
        check(0, 1_000_000, &[885_440, 403_958, 794_772, 933_488, 441_001, 42_450]);
        check(1, 1_000_000, &[140_891, 596_853, 888_598, 841_235, 800_875, 66_172]);
        check(2, 1_000_000, &[905_035, 993_869, 890_298, 59_298, 96_033, 88_994]);
        check(u32::MAX, 1_000_000, &[666_220, 649_664, 213_070, 225_803, 636_870, 547_773]);
    }

    #[test]
    fn ranges_beyond_32_bits_match_cpython() {
        check(0, 999_999_999_999, &WIDE);
    }

    /// `random.seed(0); [random.randint(0, 999_999_999_999) for _ in range(4)]`
    const WIDE: [u64; 4] = [424_533_559_245, 978_212_965_548, 44_756_014_165, 534_771_852_898];
}
