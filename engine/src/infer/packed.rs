//! Tokens of many sequences, one after the other without padding between them.

use super::ROWS;

/// Consecutive tokens of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The sequence's row in the cache.
    pub row: usize,
    /// Tokens of that row computed before, not counting the shared prefix.
    pub start: usize,
    /// Tokens here, at least one.
    pub len: usize,
}

/// What one pass through the network computes.
#[derive(Debug, Default)]
pub struct Packed {
    /// Token ids of all pieces, then padding.
    pub ids: Vec<i64>,
    /// Each token's position in its whole sequence.
    pub positions: Vec<i64>,
    /// Which tokens are whose, in order.
    pub pieces: Vec<Piece>,
}

impl Packed {
    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Adds tokens of a row that has `start` tokens after a prefix of `prefix`.
    pub fn push(&mut self, row: usize, start: usize, prefix: usize, ids: &[u32]) {
        self.pieces.push(Piece { row, start, len: ids.len() });
        self.ids.extend(ids.iter().map(|&id| i64::from(id)));
        self.positions.extend((0..ids.len()).map(|i| (prefix + start + i) as i64));
    }

    /// Adds a token of a row whose id only the device knows.
    pub fn push_unknown(&mut self, row: usize, start: usize, prefix: usize) {
        self.push(row, start, prefix, &[0]);
    }
}

/// Values of packed tokens with padding up to a multiple of [`ROWS`]; the pieces do not count it.
pub fn padded(values: &[i64]) -> Vec<i64> {
    let mut values = values.to_vec();
    values.resize(values.len().next_multiple_of(ROWS), 0);
    values
}
