//! Counting the weights of one matrix before and after quantization.

use rayon::prelude::*;
use tacq_protocol::artifact::{WeightCounts, WeightHistogram};
use tch::{Device, Kind, TchError, Tensor};

/// Bins between −r and r.
const BINS: usize = WeightHistogram::BINS;
/// These, and what lies below and above.
const SLOTS: usize = BINS + 2;
/// Weights of a parallel step. Sums depend on it.
const CHUNK: usize = 1 << 16;
/// Sums that are taken side by side, so that one need not wait for the other. Sums depend on it.
const LANES: usize = 8;
/// Counts that are taken side by side: neighbouring weights are often of one bin.
const TABLES: usize = 4;
/// Weights of which a device finds the bins at a time: what that takes beside the matrix is 12 bytes each.
const DEVICE_CHUNK: i64 = 1 << 23;

/// Counts the weights of a matrix, called `tensor`, and what they are quantized to: in its order, as many, all finite.
///
/// # Panics
/// If there are not as many.
pub fn weight_histogram(tensor: &str, original: &[f32], quantized: &[f32]) -> WeightHistogram {
    assert_eq!(original.len(), quantized.len(), "both are of one matrix");
    // Collected in order, so that sums do not depend on threads.
    let squares: Vec<f64> = original.par_chunks(CHUNK).map(sum_of_squares).collect();
    let square = squares.into_iter().sum();
    let range = range(square, original.len());
    let scale = scale(range);
    let of_chunk = |(original, quantized)| {
        (counts(original, scale), counts(quantized, scale), sum_of_errors(original, quantized))
    };
    let chunks: Vec<_> = original.par_chunks(CHUNK).zip(quantized.par_chunks(CHUNK)).map(of_chunk).collect();
    let (mut before, mut after, mut error) = ([0; SLOTS], [0; SLOTS], 0.0);
    for (more_before, more_after, more_error) in chunks {
        before.iter_mut().zip(more_before).for_each(|(count, more)| *count += u64::from(more));
        after.iter_mut().zip(more_after).for_each(|(count, more)| *count += u64::from(more));
        error += more_error;
    }
    finished(tensor, range, [before, after], error, square)
}

/// [`weight_histogram`] of tensors [rows, cols]: `original` in any floating type, on any device, `quantized` in f32 on the
/// device where it is computed. On a GPU, r and the error may differ in their last digits, and with r the bins of weights
/// at an edge.
pub fn weight_histogram_of(
    tensor: &str,
    original: &Tensor,
    quantized: &Tensor,
) -> Result<WeightHistogram, TchError> {
    let original = original.f_to_device(quantized.device())?.f_to_kind(Kind::Float)?.f_reshape([-1])?;
    let quantized = quantized.f_reshape([-1])?;
    if quantized.device() == Device::Cpu {
        let [original, quantized] = [Vec::<f32>::try_from(&original)?, Vec::<f32>::try_from(&quantized)?];
        return Ok(weight_histogram(tensor, &original, &quantized));
    }
    by_device(tensor, &original, &quantized)
}

/// In libtorch's operations, on whatever device.
fn by_device(tensor: &str, original: &Tensor, quantized: &Tensor) -> Result<WeightHistogram, TchError> {
    let square = |values: &Tensor| -> Result<f64, TchError> {
        let norm = values.f_norm_scalaropt_dtype(2.0, Kind::Double)?;
        Ok(norm.f_double_value(&[])?.powi(2))
    };
    let sum = square(original)?;
    let range = range(sum, original.numel());
    let scale = scale(range);
    let counts = |values: &Tensor| -> Result<[u64; SLOTS], TchError> {
        let mut sum = Tensor::f_zeros([SLOTS as i64], (Kind::Int64, values.device()))?;
        for values in values.f_split(DEVICE_CHUNK, 0)? {
            let mut slots = values.f_to_kind(Kind::Double)?;
            let _ = slots.f_mul_scalar_(scale)?.f_add_scalar_(ABOVE_ZERO)?.f_clamp_(0, SLOTS as i64 - 1)?;
            let more = slots.f_to_kind(Kind::Int)?.f_bincount::<Tensor>(None, SLOTS as i64)?;
            sum = sum.f_add(&more)?;
        }
        let counts = Vec::<i64>::try_from(&sum.f_to_device(Device::Cpu)?)?;
        let counts: Vec<u64> = counts.into_iter().map(i64::unsigned_abs).collect();
        Ok(counts.try_into().expect("one for each slot"))
    };
    let error = square(&original.f_sub(quantized)?)?;
    Ok(finished(tensor, range, [counts(original)?, counts(quantized)?], error, sum))
}

/// r of `len` weights whose squares add up to this.
fn range(square: f64, len: usize) -> f32 {
    (WeightHistogram::RANGE * (square / len.max(1) as f64).sqrt()) as f32
}

/// What weights are multiplied by, so that bins are 1 wide; 0 where all weights are.
fn scale(range: f32) -> f64 {
    if range > 0.0 { (BINS / 2) as f64 / f64::from(range) } else { 0.0 }
}

/// The slot of the bin whose lower edge is 0. Added to a scaled weight in f64, it makes all that is not below positive, so
/// that cutting off decimals rounds down; what is nearer to an edge than 2^-48 of a bin counts as the edge.
const ABOVE_ZERO: f64 = (BINS / 2 + 1) as f64;

/// Weights in each slot: below, the bins, above.
fn counts(weights: &[f32], scale: f64) -> [u32; SLOTS] {
    let mut tables = [[0; SLOTS]; TABLES];
    for weights in weights.chunks(TABLES) {
        for (counts, &weight) in tables.iter_mut().zip(weights) {
            let slot = (f64::from(weight) * scale + ABOVE_ZERO) as i32;
            counts[slot.clamp(0, SLOTS as i32 - 1) as usize] += 1;
        }
    }
    std::array::from_fn(|slot| tables.iter().map(|counts| counts[slot]).sum())
}

fn sum_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for values in values.chunks(LANES) {
        for (sum, &value) in lanes.iter_mut().zip(values) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    lanes.into_iter().sum()
}

fn sum_of_errors(original: &[f32], quantized: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (original, quantized) in original.chunks(LANES).zip(quantized.chunks(LANES)) {
        for ((sum, &w), &q) in lanes.iter_mut().zip(original).zip(quantized) {
            let error = f64::from(w) - f64::from(q);
            *sum += error * error;
        }
    }
    lanes.into_iter().sum()
}

fn finished(tensor: &str, range: f32, counts: [[u64; SLOTS]; 2], error: f64, square: f64) -> WeightHistogram {
    let [original, quantized] = counts.map(|counts| WeightCounts {
        below: counts[0],
        counts: counts[1..=BINS].to_vec(),
        above: counts[SLOTS - 1],
    });
    let relative_error = if square > 0.0 { error / square } else { 0.0 };
    WeightHistogram { tensor: tensor.to_owned(), range, original, quantized, relative_error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    /// Ones and minus ones, whose root mean square is 1: r is 4 and a bin is 1/8 wide.
    fn of_ones(n: usize) -> Vec<f32> {
        (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect()
    }

    #[test]
    fn weights_are_counted_where_they_lie() {
        let before_32 = f32::from_bits(4.0f32.to_bits() - 1);
        let tiny = 1e-12;
        let quantized =
            [-4.1, -4.0, -3.9, -0.125, -tiny, 0.0, -0.0, tiny, 0.124, 0.125, before_32, 4.0, 1e30, -1e30];
        let found = weight_histogram("w", &of_ones(quantized.len()), &quantized);
        assert_eq!((found.range, &found.tensor[..]), (4.0, "w"));
        let mut original = vec![0; BINS];
        (original[24], original[40]) = (7, 7);
        assert_eq!(found.original, WeightCounts { below: 0, counts: original, above: 0 });
        let mut counts = vec![0; BINS];
        // An edge belongs to the bin above it.
        (counts[0], counts[31], counts[32], counts[33], counts[63]) = (2, 2, 4, 1, 1);
        assert_eq!(found.quantized, WeightCounts { below: 2, counts, above: 2 });
        assert_eq!(found.quantized.total(), 14);
    }

    #[test]
    fn errors_are_relative_to_the_weights() {
        let found = weight_histogram("w", &[3.0, -4.0, 0.0], &[2.0, -4.0, 2.0]);
        assert_eq!(found.relative_error, 5.0 / 25.0);
        assert_eq!(found.range, (4.0 * (25.0f64 / 3.0).sqrt()) as f32);
    }

    #[test]
    fn a_matrix_of_zeros_lies_in_the_middle() {
        let found = weight_histogram("w", &[0.0; 5], &[0.0, 0.5, 0.0, -0.0, 0.0]);
        assert_eq!((found.range, found.relative_error), (0.0, 0.0));
        assert_eq!((found.original.counts[BINS / 2], found.quantized.counts[BINS / 2]), (5, 5));
        let empty = weight_histogram("w", &[], &[]);
        assert_eq!((empty.original.total(), empty.relative_error), (0, 0.0));
    }

    /// Several chunks, of which the last is not whole.
    fn matrices() -> (Vec<f32>, Vec<f32>) {
        let mut normal = Normal::new(9);
        let original = normal.vector(3 * CHUNK + 77, 0.02);
        let quantized = original.iter().map(|w| (w * 40.0).round() / 40.0).collect();
        (original, quantized)
    }

    #[test]
    fn threads_change_no_bit() {
        let (original, quantized) = matrices();
        let found = [1, 2, 3, 7].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| weight_histogram("w", &original, &quantized))
        });
        assert!(found.iter().all(|other| *other == found[0]));
        assert_eq!(found[0].original.total(), original.len() as u64);
        assert!(
            found[0].original.below > 0 && found[0].original.above > 0,
            "some are beyond four deviations"
        );
        let error: f64 = original.iter().zip(&quantized).map(|(w, q)| f64::from(w - q).powi(2)).sum();
        let square: f64 = original.iter().map(|w| f64::from(*w).powi(2)).sum();
        assert!((found[0].relative_error / (error / square) - 1.0).abs() < 1e-6);
    }

    /// Roundings of sums in another order.
    const SUMS: f64 = 1e-5;

    #[test]
    fn a_device_counts_what_the_host_counts() {
        let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
        let (mut original, quantized) = matrices();
        original.extend([0.0; 3]);
        let quantized = [&quantized[..], &[0.0, 1e30, -1e30]].concat();
        let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
        for (original, quantized) in [(&original, &quantized), (&vec![0.0; 9], &vec![0.0; 9])] {
            let host = weight_histogram("w", original, quantized);
            let found = by_device("w", &place(original), &place(quantized)).unwrap();
            assert_eq!(found.range, host.range, "these weights' r is no rounding away from another");
            assert_eq!((&found.original, &found.quantized), (&host.original, &host.quantized));
            assert!((found.relative_error - host.relative_error).abs() <= SUMS * host.relative_error);
            assert_eq!(
                weight_histogram_of("w", &Tensor::from_slice(original), &Tensor::from_slice(quantized))
                    .unwrap(),
                host
            );
        }
    }
}
