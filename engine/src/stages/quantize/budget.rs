//! Meeting a size: what of it is left for a method's free parameter.

use super::super::StageError;
use crate::quant::levels::MixedSpec;
use crate::quant::{Scheme, Shape};
use tacq_protocol::artifact::{WeightLayout, counted::OUTLIER_BITS};
use tacq_protocol::units::AvgBits;

/// How far from its size a checkpoint may be, in bits per weight.
const TOLERANCE: f64 = 0.002;

/// Differences of decimals are off by no more than this in binary.
const ROUNDING: f64 = 1e-9;

/// How many weights may stay in 16 bit, and how many more or fewer do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outliers {
    /// Weights of the whole model.
    pub count: u64,
    /// Weights either way.
    pub tolerance: u64,
}

/// The outliers that a size leaves room for.
pub fn outliers(scheme: Scheme, layout: &WeightLayout, avg_bits: AvgBits) -> Result<Outliers, StageError> {
    let (n, of_levels) = counted(scheme, layout);
    let bits = f64::from(scheme.bits().get());
    let left = avg_bits.to_f64() - bits - of_levels / n;
    if left < -ROUNDING {
        return Err(StageError::NoRoom { avg_bits, least: bits + of_levels / n });
    }
    let of_one = f64::from(OUTLIER_BITS) - bits;
    let [count, tolerance] = [left.max(0.0), TOLERANCE].map(|bits| (bits / of_one * n) as u64);
    Ok(Outliers { count, tolerance })
}

/// How many groups more get a bit more than get one less, by matrix: whatever the matrices before left over or took too
/// much goes to the next.
pub fn more_groups(spec: MixedSpec, layout: &WeightLayout, avg_bits: AvgBits) -> Vec<i64> {
    let (n, of_levels) = counted(Scheme::Mixed(spec), layout);
    let more = avg_bits.to_f64() - f64::from(spec.bits.get()) - of_levels / n;
    let mut left = 0.0;
    let of_matrix = layout.tensors.iter().map(|tensor| {
        let cols = tensor.cols as usize;
        let of_group = (tensor.rows as usize * spec.group_cols(cols)) as f64;
        left += more * (tensor.rows * tensor.cols) as f64;
        // A shorter last group is left alone.
        let groups = (cols / spec.group_cols(cols)) as f64;
        let changed = (left / of_group + ROUNDING).floor().clamp(-groups, groups);
        left -= changed * of_group;
        changed as i64
    });
    of_matrix.collect()
}

/// Linear weights, and the bits that are counted for what their codes stand for.
fn counted(scheme: Scheme, layout: &WeightLayout) -> (f64, f64) {
    let shapes = layout.tensors.iter().map(|t| Shape { rows: t.rows as usize, cols: t.cols as usize });
    shapes.fold((0.0, 0.0), |(n, bits), shape| (n + shape.len() as f64, bits + scheme.counted_bits(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacq_protocol::artifact::TensorShape;
    use tacq_protocol::units::{Bits, GroupSize};

    fn layout(shapes: &[(u64, u64)]) -> WeightLayout {
        let tensor =
            |(nth, &(rows, cols)): (usize, &(u64, u64))| TensorShape { name: nth.to_string(), rows, cols };
        WeightLayout { tensors: shapes.iter().enumerate().map(tensor).collect() }
    }

    /// Whatever is left over of one matrix goes to the next, so that the model as a whole meets its size, in both
    /// directions, however few groups a matrix has.
    #[test]
    fn widths_add_up_over_matrices() {
        let layout = layout(&[(64, 256), (32, 512), (64, 256), (64, 256), (16, 1024), (64, 384)].repeat(5));
        let group_size = GroupSize::new(128).unwrap();
        let n: u64 = layout.tensors.iter().map(|t| t.rows * t.cols).sum();
        for (bits, avg_bits) in [(2, "2.1"), (2, "2.25"), (2, "2.7"), (1, "1.6"), (3, "3.1")] {
            let spec = MixedSpec { bits: Bits::new(bits).unwrap(), group_size };
            let more = more_groups(spec, &layout, avg_bits.parse().unwrap());
            let changed: i64 =
                more.iter().zip(&layout.tensors).map(|(more, tensor)| more * tensor.rows as i64 * 128).sum();
            let found = bits as f64 + 32.0 / 128.0 + changed as f64 / n as f64;
            let wanted: f64 = avg_bits.parse().unwrap();
            // At most one group of the last matrix is missing.
            assert!((wanted - 64.0 * 128.0 / n as f64..=wanted + 1e-9).contains(&found), "{wanted}: {found}");
        }
    }

    #[test]
    fn a_size_below_what_groups_take_is_refused() {
        let spec = crate::quant::levels::TwoLevelSpec {
            bits: Bits::new(2).unwrap(),
            group_size: GroupSize::new(16).unwrap(),
            stats_bits: Bits::new(3).unwrap(),
        };
        let layout = layout(&[(64, 256)]);
        let room = |avg_bits: &str| outliers(Scheme::TwoLevel(spec), &layout, avg_bits.parse().unwrap());
        assert_eq!(room("2.625").unwrap().count, 0);
        // In binary, 2.4 − 2 − 0.4 is less than 0.
        let of_25 = crate::quant::levels::TwoLevelSpec { group_size: GroupSize::new(25).unwrap(), ..spec };
        let layout_of_25 = self::layout(&[(64, 250)]);
        let room_of_25 = outliers(Scheme::TwoLevel(of_25), &layout_of_25, "2.4".parse().unwrap());
        assert_eq!(room_of_25.unwrap().count, 0);
        // 0.3 bits at 30 more for each.
        assert_eq!(room("2.925").unwrap().count, 163);
        let message = room("2.6").unwrap_err().to_string();
        assert!(message.contains("2.6") && message.contains("2.625"), "{message}");
    }
}
