//! `weights.json`: what a checkpoint's weights were, and what they are now.

use crate::bench::{Bench, gptq, read, rtn};
use crate::methods::{INPUTS, methods, stage};
use tacq_engine::model::{ModelConfig, Weights, layout::weight_layout};
use tacq_engine::quant::checkpoint::Checkpoint;
use tacq_engine::quant::weight_histogram;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::{WeightHistogram, WeightHistograms, role};
use tacq_protocol::stage::Score;
use tch::{Device, Kind};

/// Roundings of sums in another order.
const SUMS: f64 = 1e-9;

/// The histograms of a checkpoint, which are those of the model and of what is on disk; what of Ŵ differs from W.
#[track_caller]
fn checked(bench: &Bench, output: &str) -> Vec<WeightHistogram> {
    let WeightHistograms { tensors } =
        serde_json::from_slice(&read(&bench.at(output).join("weights.json"))).unwrap();
    let weights = Weights::open(&bench.at("model")).unwrap();
    let layout = weight_layout(&ModelConfig::read(&bench.at("model")).unwrap());
    let checkpoint = Checkpoint::open(&bench.at(output).join("checkpoint.safetensors")).unwrap();
    assert_eq!(tensors.len(), layout.tensors.len(), "{output}");
    for (found, tensor) in tensors.iter().zip(&layout.tensors) {
        let original = weights.get(&tensor.name, Kind::Float, Device::Cpu).unwrap().reshape([-1]);
        let original = Vec::<f32>::try_from(&original).unwrap();
        let quantized = checkpoint.load(&tensor.name).unwrap().dequantize();
        assert_eq!(*found, weight_histogram(&tensor.name, &original, &quantized), "{output}");
        let n = tensor.rows * tensor.cols;
        assert_eq!((found.original.total(), found.quantized.total()), (n, n), "{output}");
        let square =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
        let all = square(&mut original.iter().copied());
        let range = 4.0 * (all / n as f64).sqrt();
        assert!((f64::from(found.range) / range - 1.0).abs() < f64::from(f32::EPSILON), "{output}");
        let error = original.iter().zip(&quantized).map(|(w, q)| (f64::from(*w) - f64::from(*q)).powi(2));
        let relative = error.sum::<f64>() / all;
        assert!((found.relative_error - relative).abs() <= SUMS * relative, "{output}");
        let beyond = original.iter().filter(|w| f64::from(w.abs()) > range * (1.0 + SUMS)).count() as u64;
        assert_eq!(found.original.below + found.original.above, beyond, "{output}");
    }
    tensors
}

fn mean_error(tensors: &[WeightHistogram]) -> f64 {
    tensors.iter().map(|tensor| tensor.relative_error).sum::<f64>() / tensors.len() as f64
}

#[test]
fn histograms_are_those_of_the_checkpoint() {
    let bench = Bench::new();
    bench.write_gradients("gradients", |_, g| g);
    for (name, params) in methods() {
        let errors = [3, 6].map(|bits| {
            let output = format!("{name}{bits}");
            bench.run(stage(&params, bits), &INPUTS, &output).unwrap();
            mean_error(&checked(&bench, &output))
        });
        assert!(0.0 < errors[1] && errors[1] < errors[0] / 4.0 && errors[0] < 1.0, "{name}: {errors:?}");
    }
}

/// Kept weights are counted as what they are, not as the zero of their code.
#[test]
fn histograms_have_the_outliers() {
    let bench = Bench::new();
    bench.mask(Score::Weight, "0.05", "mask");
    let inputs = [(role::MASK, "mask"), (role::CALIBRATION, "calibration")];
    for (name, params) in [("rtn", rtn(2)), ("gptq", gptq(2, None, true))] {
        bench.run(StageParams::MixedQuantize(params.clone()), &inputs, &format!("{name} mixed")).unwrap();
        bench.quantize(params, name).unwrap();
        let (mixed, uniform) = (checked(&bench, &format!("{name} mixed")), checked(&bench, name));
        assert!(mean_error(&mixed) < mean_error(&uniform), "{name}");
    }
}
