//! Scores, histograms and candidates on a CUDA device; the same scores and candidates as on the host, bit by bit.

use super::Ranked;
use super::histogram::from_counts;
use crate::{Result, device};
use tacq_protocol::artifact::ScoreHistogram;
use tacq_protocol::stage::Score;
use tch::{Device, Kind, Tensor};

/// Room above the wanted number, as its share, before the worst are thrown out.
const SLACK: i64 = 4;
/// Exponents of an f32.
const EXPONENTS: i64 = 256;

/// What a score may need of one matrix, f32 of one size each; what a score does not need may be absent.
#[derive(Debug)]
pub struct DeviceInputs {
    /// Weights.
    pub weights: Option<Tensor>,
    /// Weights after uniform quantization.
    pub quantized: Option<Tensor>,
    /// The score's gradient statistic.
    pub gradients: Option<Tensor>,
}

/// The scores of one matrix, f32 \[n\], row by row, in the operations of [`scores`](super::scores()). Not for
/// [`Score::Random`], which is made on the host.
pub fn scores_on_device(score: Score, inputs: &DeviceInputs) -> Result<Tensor> {
    let of = |input: &Option<Tensor>| input.as_ref().expect("the score's inputs are there").shallow_clone();
    let change = || of(&inputs.weights).f_sub(&of(&inputs.quantized))?.f_abs();
    let (weights, gradients) = (|| of(&inputs.weights).f_abs(), || of(&inputs.gradients).f_abs());
    let scores = match score {
        Score::Tacq | Score::Signed => weights()?.f_mul_(&gradients()?)?.f_mul_(&change()?)?,
        Score::Weight => weights()?,
        Score::Fisher | Score::SignedGrad | Score::AbsGrad => gradients()?,
        Score::Msg => weights()?.f_mul_(&gradients()?)?,
        Score::Qal => gradients()?.f_mul_(&change()?)?,
        Score::Random => unreachable!("random scores are made on the host"),
    };
    Ok(scores.f_reshape([-1])?)
}

/// [`histogram`](super::histogram()), but for roundings of the sum.
pub fn histogram_on_device(tensor: &str, scores: &Tensor) -> Result<ScoreHistogram> {
    let exponents = scores.f_view_dtype(Kind::Int)?.f_bitwise_right_shift_tensor_scalar(23)?;
    let counts =
        Vec::<i64>::try_from(exponents.f_bincount::<Tensor>(None, EXPONENTS)?.f_to_device(Device::Cpu)?)?;
    let zeros = scores.f_eq(0.0)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
    let (max, sum) = (scores.f_max()?.f_double_value(&[])?, scores.f_sum(Kind::Double)?.f_double_value(&[])?);
    let counts = counts.into_iter().map(i64::unsigned_abs).collect::<Vec<_>>();
    Ok(from_counts(tensor, counts, zeros.unsigned_abs(), max as f32, sum))
}

/// [`TopCandidates`](super::TopCandidates) of scores on a device.
#[derive(Debug)]
pub struct DeviceCandidates {
    wanted: i64,
    /// Global indices, i64, ascending, and scores, f32, of those that may be among the best, in parts.
    parts: Vec<(Tensor, Tensor)>,
    held: i64,
    /// Score of the worst that still counts, once `wanted` are there.
    threshold: Option<f64>,
}

/// Most elements that libtorch sorts or indexes at a time.
const MOST: usize = i32::MAX as usize;
/// Bytes that a candidate takes while the best are sorted: index, score, order, and what the sort needs besides.
const BYTES_EACH: usize = 48;
/// Bytes that a weight takes while its scores are computed.
const BYTES_OF_WEIGHT: usize = 24;

impl DeviceCandidates {
    /// Whether so many can be kept on this device, beside a matrix of `largest` weights.
    pub fn fit(wanted: usize, largest: usize, device: Device) -> bool {
        let Device::Cuda(index) = device else { return false };
        let held = wanted + wanted / SLACK as usize + largest;
        held <= MOST && held * BYTES_EACH + largest * BYTES_OF_WEIGHT <= device::budget_bytes(index)
    }

    /// Keeps the best `wanted`.
    pub fn new(wanted: usize) -> Self {
        Self { wanted: wanted as i64, parts: Vec::new(), held: 0, threshold: None }
    }

    /// Adds the scores \[n\] of the weights from global index `first` on, none of them NaN. Indices must ascend from call
    /// to call.
    pub fn push(&mut self, first: u64, scores: &Tensor) -> Result<()> {
        if self.wanted == 0 {
            return Ok(());
        }
        let (indices, scores) = match self.threshold {
            None => {
                let all = Tensor::f_arange(scores.size()[0], (Kind::Int64, scores.device()))?;
                (all, scores.shallow_clone())
            }
            Some(threshold) => {
                let better = scores.f_gt(threshold)?.f_nonzero()?.f_squeeze_dim(1)?;
                let scores = scores.f_index_select(0, &better)?;
                (better, scores)
            }
        };
        self.held += indices.size()[0];
        self.parts.push((indices.f_add_scalar(first as i64)?, scores));
        if self.held > self.wanted + self.wanted / SLACK {
            self.shrink()?;
        }
        Ok(())
    }

    /// Throws out all but the best `wanted`; of equal scores the lower indices stay.
    fn shrink(&mut self) -> Result<()> {
        let (indices, scores) = self.joined()?;
        let count = indices.size()[0];
        if count <= self.wanted {
            self.parts = vec![(indices, scores)];
            return Ok(());
        }
        let worst = f64::from(nth_largest(&scores, self.wanted)?);
        let mut keep = scores.f_gt(worst)?;
        let room = self.wanted - keep.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        let equal = scores.f_eq(worst)?.f_nonzero()?.f_squeeze_dim(1)?.f_narrow(0, 0, room)?;
        let _ = keep.f_index_fill_(0, &equal, 1)?;
        let kept = keep.f_nonzero()?.f_squeeze_dim(1)?;
        self.parts = vec![(indices.f_index_select(0, &kept)?, scores.f_index_select(0, &kept)?)];
        self.held = self.wanted;
        self.threshold = Some(worst);
        Ok(())
    }

    fn joined(&mut self) -> Result<(Tensor, Tensor)> {
        let (indices, scores): (Vec<_>, Vec<_>) = std::mem::take(&mut self.parts).into_iter().unzip();
        Ok((Tensor::f_cat(&indices, 0)?, Tensor::f_cat(&scores, 0)?))
    }

    /// The best, best first.
    pub fn into_ranked(mut self) -> Result<Ranked> {
        if self.held == 0 {
            return Ok(Ranked::Host(Vec::new()));
        }
        self.shrink()?;
        let (indices, scores) = self.joined()?;
        // Equal scores stay in the order of their indices.
        let (scores, order) = scores.f_sort_stable(true, 0, true)?;
        Ok(Ranked::Device { indices: indices.f_index_select(0, &order)?, scores })
    }
}

/// Bits of a half of an f32.
const HALF_BITS: i64 = 16;

/// The `nth` largest of `scores`, f32 \[n\], none of them negative or NaN: their bits have their order. First by the upper
/// half of the bits, then by the lower half of those that share the upper one; libtorch's `kthvalue` takes a single
/// vector with a single block.
fn nth_largest(scores: &Tensor, nth: i64) -> Result<f32> {
    // The half that holds the nth largest, and which one of those that share it.
    let find = |halves: &Tensor, nth: i64| -> Result<(i64, i64)> {
        let counts = halves.f_bincount::<Tensor>(None, 1 << HALF_BITS)?.f_to_device(Device::Cpu)?;
        let mut left = nth;
        for (half, count) in Vec::<i64>::try_from(counts)?.into_iter().enumerate().rev() {
            if left <= count {
                return Ok((half as i64, left));
            }
            left -= count;
        }
        unreachable!("there are at least {nth} scores")
    };
    let bits = scores.f_view_dtype(Kind::Int)?;
    let halves = bits.f_bitwise_right_shift_tensor_scalar(HALF_BITS)?;
    let (upper, nth) = find(&halves, nth)?;
    let lower = bits.f_masked_select(&halves.f_eq(upper)?)?.f_bitwise_and((1 << HALF_BITS) - 1)?;
    let (lower, _) = find(&lower, nth)?;
    Ok(f32::from_bits((upper << HALF_BITS | lower) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saliency::{ScoreInputs, TopCandidates, histogram, scores, uniform};
    use tacq_protocol::artifact::file;

    /// On the GPU if there is one: what is tested holds on any device.
    fn device() -> Device {
        crate::cuda::test_device().unwrap_or(Device::Cpu)
    }

    #[test]
    fn candidates_are_those_of_the_host_whatever_the_ties() {
        for (levels, wanted) in
            [(1.0f32, 10), (3.0, 100), (50.0, 499), (1e6, 500), (1e6, 1), (7.0, 2000), (7.0, 0)]
        {
            let scores: Vec<f32> = (0..2000).map(|i| (uniform(1, i) * levels).floor()).collect();
            let (mut host, mut found) = (TopCandidates::new(wanted), DeviceCandidates::new(wanted));
            for (i, chunk) in scores.chunks(77).enumerate() {
                host.push(77 * i as u64, chunk);
                found.push(77 * i as u64, &Tensor::from_slice(chunk).to_device(device())).unwrap();
            }
            let (host, found) = (Ranked::Host(host.into_sorted()), found.into_ranked().unwrap());
            let written = |ranked: &Ranked| {
                let folder = tempfile::tempdir().unwrap();
                ranked.write(folder.path()).unwrap();
                std::fs::read(folder.path().join(file::CANDIDATES)).unwrap()
            };
            assert!(written(&found) == written(&host), "{levels} levels, {wanted} wanted");
            let starts = [0, 5, 700, 1999];
            assert_eq!(found.count_by_tensor(&starts).unwrap(), host.count_by_tensor(&starts).unwrap());
        }
    }

    #[test]
    fn scores_and_histograms_are_those_of_the_host() {
        let numbers = |seed| (0..3000).map(|i| uniform(seed, i) - 0.5).collect::<Vec<f32>>();
        let (weights, quantized, gradients) = (numbers(1), numbers(2), numbers(3));
        let place = |values: &[f32]| Some(Tensor::from_slice(values).to_device(device()));
        let on_device = DeviceInputs {
            weights: place(&weights),
            quantized: place(&quantized),
            gradients: place(&gradients),
        };
        let inputs = ScoreInputs {
            weights: &weights,
            quantized: &quantized,
            gradients: &gradients,
            len: 3000,
            cols: 100,
            ..ScoreInputs::default()
        };
        for score in Score::ALL.into_iter().filter(|score| *score != Score::Random) {
            let expected = scores(score, "w", &inputs).unwrap();
            let found = scores_on_device(score, &on_device).unwrap();
            assert_eq!(Vec::<f32>::try_from(found.to_device(Device::Cpu)).unwrap(), expected, "{score}");
            let (expected, mut found) =
                (histogram("w", &expected), histogram_on_device("w", &found).unwrap());
            assert!((found.sum / expected.sum - 1.0).abs() < 1e-12, "{score}");
            found.sum = expected.sum;
            assert_eq!(found, expected, "{score}");
        }
    }
}
