//! Positions of outliers as 16-bit gaps.
//!
//! Row-major positions in the matrix, ascending, starting before the first weight: a gap g in 1 ..= 65535 goes forward by
//! g, and there is an outlier; 0 goes forward by 65535 without one. So an outlier costs 16 bits of position and 16 of
//! value wherever they lie closer than that on average, whatever the size of the matrix.

const LONGEST: u64 = u16::MAX as u64;

/// Encodes strictly ascending positions.
pub fn encode(positions: impl Iterator<Item = u64>) -> Vec<u16> {
    let mut gaps = Vec::new();
    let mut next = 0; // one past the previous position
    for position in positions {
        let mut gap = position + 1 - next;
        while gap > LONGEST {
            gaps.push(0);
            gap -= LONGEST;
        }
        gaps.push(gap as u16); // 1 ..= 65535
        next = position + 1;
    }
    gaps
}

/// Decodes gaps; each outlier's position, strictly ascending. Nothing here bounds the positions: the reader does.
pub fn decode(gaps: impl Iterator<Item = u16>) -> impl Iterator<Item = u64> {
    let mut next = 0u64;
    gaps.filter_map(move |gap| {
        next += if gap == 0 { LONGEST } else { u64::from(gap) };
        (gap != 0).then(|| next - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_near_and_far_round_trip() {
        let positions = [
            0,
            1,
            2,
            65_534,
            65_536 + 65_534,
            65_536 + 65_535,
            200_000,
            1_000_000,
            3_000_000_000,
            3_000_000_001,
        ];
        let gaps = encode(positions.into_iter());
        assert_eq!(decode(gaps.into_iter()).collect::<Vec<_>>(), positions);
        assert_eq!(encode([65_534].into_iter()), [65_535]);
        assert_eq!(encode([65_535].into_iter()), [0, 1]);
    }
}
