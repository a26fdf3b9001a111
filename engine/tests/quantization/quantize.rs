use crate::bench::{Bench, SIZE, gptq, read, results, rtn};
use crate::naive;
use half::bf16;
use std::fs;
use tacq_engine::model::layout::{linear_weights, weight_layout};
use tacq_engine::model::{Model, ModelConfig, Weights};
use tacq_engine::quant::checkpoint::Checkpoint;
use tacq_engine::quant::{MatrixMask, MatrixSpec, Shape, round_to_nearest};
use tacq_engine::saliency::Mask;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::{CheckpointSummary, role};
use tacq_protocol::stage::{QuantizeParams, Score};
use tch::{Device, Kind, Tensor};

/// Share of codes equal to the naive run's: only weights at a boundary between two codes may differ, by the order in
/// which f32 sums are taken.
const EQUAL_CODES: f64 = 0.999;

fn spec(params: &QuantizeParams) -> MatrixSpec {
    MatrixSpec { bits: params.bits, group_size: params.group_size, grid: params.grid.unwrap() }
}

fn open(bench: &Bench, output: &str) -> Checkpoint {
    Checkpoint::open(&bench.at(output).join("checkpoint.safetensors")).unwrap()
}

#[track_caller]
fn matches_naive(group: Option<u64>, true_sequential: bool) {
    let bench = Bench::new();
    let params = gptq(3, group, true_sequential);
    bench.quantize(params.clone(), "out").unwrap();
    let checkpoint = open(&bench, "out");
    let naive = naive::quantize(&bench.at("model"), &bench.at("calibration"), &checkpoint, true_sequential);
    assert_eq!(naive.len(), 7 * SIZE.layers);
    let (mut equal, mut all) = (0, 0);
    for (name, expected) in naive {
        let found = checkpoint.load(&name).unwrap();
        equal += found.codes.iter().zip(&expected.codes).filter(|(a, b)| a == b).count();
        all += expected.codes.len();
    }
    assert!(equal as f64 >= EQUAL_CODES * all as f64, "{equal} of {all}");
}

#[test]
fn one_pass_equals_a_run_of_the_block_for_each_group() {
    matches_naive(None, true);
}

#[test]
fn statistics_of_the_unquantized_block_are_those_of_the_reference() {
    matches_naive(Some(32), false);
}

#[test]
fn damaged_progress_is_done_again() {
    let bench = Bench::new();
    bench.quantize(gptq(3, None, true), "out").unwrap();
    let whole = results(&bench.at("out"));
    for damaged in ["layer-00001.safetensors", "layer-00001.weights.json"] {
        let part = bench.at("out.progress").join(damaged);
        fs::write(&part, &read(&part)[..100]).unwrap();
        fs::remove_dir_all(bench.at("out")).unwrap();
        bench.quantize(gptq(3, None, true), "out").unwrap();
        assert!(results(&bench.at("out")) == whole, "{damaged}");
    }
}

/// What an earlier engine left has no histograms.
#[test]
fn progress_without_histograms_is_done_again() {
    let bench = Bench::new();
    for (name, params) in [("gptq", gptq(3, None, true)), ("rtn", rtn(3))] {
        bench.quantize(params.clone(), name).unwrap();
        let whole = results(&bench.at(name));
        for layer in 0..SIZE.layers {
            fs::remove_file(bench.at(&format!("{name}.progress/layer-{layer:05}.weights.json"))).unwrap();
        }
        fs::remove_dir_all(bench.at(name)).unwrap();
        assert!(!bench.quantize(params, name).unwrap(), "{name}: nothing is gone on with");
        assert!(results(&bench.at(name)) == whole, "{name}");
    }
}

#[test]
fn rounding_needs_no_calibration_and_is_that_of_each_matrix() {
    let bench = Bench::new();
    bench.run(StageParams::Quantize(rtn(4)), &[], "out").unwrap();
    let checkpoint = open(&bench, "out");
    let config = ModelConfig::read(&bench.at("model")).unwrap();
    let weights = Weights::open(&bench.at("model")).unwrap();
    for tensor in linear_weights(&config) {
        let weight = weights.get(&tensor.name, Kind::Float, Device::Cpu).unwrap().reshape([-1]);
        let shape = Shape { rows: tensor.rows as usize, cols: tensor.cols as usize };
        let mask = MatrixMask::empty(shape.rows);
        let weight = Vec::<f32>::try_from(&weight).unwrap();
        let expected = round_to_nearest("w", &weight, shape, spec(&rtn(4)), mask).unwrap();
        assert_eq!(checkpoint.load(&tensor.name).unwrap(), expected);
    }
    let size = fs::metadata(bench.at("out/checkpoint.safetensors")).unwrap().len();
    let summary: CheckpointSummary = serde_json::from_slice(&read(&bench.at("out/checkpoint.json"))).unwrap();
    assert_eq!((summary.bytes, summary.n_weights), (size, SIZE.linear_weights() as u64));
    assert_eq!((summary.avg_bits, summary.n_outliers), (4.0, 0));
}

#[test]
fn mixed_precision_keeps_exactly_the_masked_weights() {
    let bench = Bench::new();
    bench.mask(Score::Weight, "0.01", "mask");
    let config = ModelConfig::read(&bench.at("model")).unwrap();
    let mask = Mask::open(&bench.at("mask"), &weight_layout(&config)).unwrap();
    let wanted = (SIZE.linear_weights() as f64 * 0.01) as u64;
    for (output, params) in [("rtn", rtn(3)), ("gptq", gptq(3, None, true))] {
        let inputs = [(role::MASK, "mask"), (role::CALIBRATION, "calibration")];
        bench.run(StageParams::MixedQuantize(params), &inputs, output).unwrap();
        let checkpoint = open(&bench, output);
        assert_eq!(checkpoint.n_outliers(), wanted);
        for (nth, tensor) in linear_weights(&config).into_iter().enumerate() {
            assert_eq!(checkpoint.load(&tensor.name).unwrap().mask, mask.matrix(nth).unwrap());
        }
    }
    // Rounding to nearest keeps the weights as they are, in bf16.
    let weights = Weights::open(&bench.at("model")).unwrap();
    for tensor in linear_weights(&config) {
        let matrix = open(&bench, "rtn").load(&tensor.name).unwrap();
        let weight = weights.get(&tensor.name, Kind::Float, Device::Cpu).unwrap().reshape([-1]);
        let weight = Vec::<f32>::try_from(&weight).unwrap();
        for (position, value) in matrix.mask.positions(matrix.shape.cols).zip(&matrix.outliers) {
            assert_eq!(*value, bf16::from_f32(weight[position as usize]));
        }
    }
}

#[test]
fn kept_weights_bring_the_model_closer_to_the_original() {
    let bench = Bench::new();
    bench.mask(Score::Weight, "0.05", "mask");
    bench.quantize(gptq(2, None, true), "uniform").unwrap();
    let inputs = [(role::MASK, "mask"), (role::CALIBRATION, "calibration")];
    bench.run(StageParams::MixedQuantize(gptq(2, None, true)), &inputs, "mixed").unwrap();
    let ids = Tensor::arange(40, (Kind::Int64, Device::Cpu)).unsqueeze(0);
    let logits = |source: Option<&Checkpoint>| {
        let source = source.map(|s| s as &dyn tacq_engine::model::LinearSource);
        Model::load(&bench.at("model"), Kind::Float, Device::Cpu, source).unwrap().logits(&ids).unwrap()
    };
    let original = logits(None);
    let distance = |name: &str| (logits(Some(&open(&bench, name))) - &original).norm().double_value(&[]);
    let (uniform, mixed) = (distance("uniform"), distance("mixed"));
    assert!(mixed < 0.9 * uniform, "{mixed} {uniform}");
}

#[test]
fn what_is_missing_is_said() {
    let bench = Bench::new();
    let without_dtype = QuantizeParams { dtype: None, ..gptq(3, None, true) };
    assert_eq!(
        bench.quantize(without_dtype, "a").unwrap_err(),
        "invalid input: the quantize stage needs the parameter `dtype` here, which the request does not give"
    );
    assert_eq!(
        bench.run(StageParams::MixedQuantize(rtn(3)), &[], "b").unwrap_err(),
        "invalid input: the mixed_quantize stage needs an input `mask`, which the request does not name"
    );
}
