//! Sums over sequences, added so that their bits do not depend on how many devices share the sequences.

use crate::Result;
use std::ops::Range;
use tch::Tensor;

/// Runs of consecutive sequences, each summed one after the other on one device; and so the most devices.
pub const LEAVES: usize = 8;

/// The sequences of a leaf, of `sequences` in all.
pub fn leaf(nth: usize, sequences: usize) -> Range<usize> {
    nth * sequences / LEAVES..(nth + 1) * sequences / LEAVES
}

/// Sums of a block's matrices over leaves of a binary tree: two neighbours of one level are added as soon as both are
/// there, so that no more than one of each level is kept. Whoever computes 1, 2, 4 or all of eight leaves has added the
/// same pairs.
#[derive(Debug, Default)]
pub struct Tree {
    /// Level, 0 for a leaf, and sums, on one device; none where there were no sequences.
    parts: Vec<(u32, Option<Vec<Tensor>>)>,
}

impl Tree {
    /// Adds the next leaf.
    pub fn push_leaf(&mut self, sums: Option<Vec<Tensor>>) -> Result<()> {
        self.push(0, sums)
    }

    /// Adds all parts of the tree of the sequences after these, perhaps on another device.
    pub fn append(&mut self, next: Tree) -> Result<()> {
        next.parts.into_iter().try_for_each(|(level, sums)| self.push(level, sums))
    }

    fn push(&mut self, mut level: u32, mut sums: Option<Vec<Tensor>>) -> Result<()> {
        while let Some((_, before)) = self.parts.pop_if(|(of, _)| *of == level) {
            sums = match (before, sums) {
                (Some(before), Some(next)) => {
                    for (sum, next) in before.iter().zip(&next) {
                        let _ = sum.shallow_clone().f_add_(&next.f_to_device(sum.device())?)?;
                    }
                    Some(before)
                }
                (before, next) => before.or(next),
            };
            level += 1;
        }
        self.parts.push((level, sums));
        Ok(())
    }

    /// The sums over all leaves, of which there were [`LEAVES`]; none if there were no sequences at all.
    pub fn finish(mut self) -> Option<Vec<Tensor>> {
        assert!(self.parts.len() == 1 && 1 << self.parts[0].0 == LEAVES, "all leaves were added");
        self.parts.pop().and_then(|(_, sums)| sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn every_sequence_is_in_one_leaf() {
        for sequences in [1, 3, 8, 21, 128] {
            let all: Vec<usize> = (0..LEAVES).flat_map(|nth| leaf(nth, sequences)).collect();
            assert_eq!(all, (0..sequences).collect::<Vec<_>>());
        }
    }

    #[test]
    fn bits_do_not_depend_on_how_leaves_are_shared() {
        tch::manual_seed(6);
        let values = Tensor::randn([LEAVES as i64, 1000], (Kind::Float, Device::Cpu)).exp() * 1e3;
        // A leaf may be empty.
        let of = |nth: usize| (nth != 5).then(|| vec![values.get(nth as i64).copy()]);
        let shared = |shares: usize| {
            let mut total = Tree::default();
            for share in 0..shares {
                let mut tree = Tree::default();
                for nth in share * LEAVES / shares..(share + 1) * LEAVES / shares {
                    tree.push_leaf(of(nth)).unwrap();
                }
                total.append(tree).unwrap();
            }
            total.finish().unwrap().pop().unwrap()
        };
        let expected = shared(1);
        let exact = (values.sum_dim_intlist(0, false, Kind::Double) - values.get(5)).to_kind(Kind::Float);
        assert!(expected.allclose(&exact, 1e-6, 0.0, false));
        for shares in [2, 4, 8] {
            assert!(shared(shares).equal(&expected), "{shares}");
        }
    }
}
