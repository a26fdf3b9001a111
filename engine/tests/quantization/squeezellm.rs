use crate::bench::{Bench, SIZE, read, rtn};
use std::fs;
use tacq_engine::model::layout::linear_weights;
use tacq_engine::model::{ModelConfig, Weights};
use tacq_engine::quant::checkpoint::Checkpoint;
use tacq_engine::quant::squeezellm;
use tacq_engine::tensorfile::TensorFile;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::{CheckpointSummary, role};
use tacq_protocol::stage::{QuantizeParams, RoundingParams};
use tch::{Device, Kind, Tensor};

fn params(magnitude: &str, fisher: &str) -> StageParams {
    let rounding = RoundingParams::Squeezellm {
        magnitude_ratio: magnitude.parse().unwrap(),
        fisher_ratio: fisher.parse().unwrap(),
    };
    StageParams::Quantize(QuantizeParams { rounding, grid: None, ..rtn(3) })
}

fn elements(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).unwrap()
}

#[test]
fn the_checkpoint_has_each_matrixs_clusters_and_the_sparse_part() {
    let bench = Bench::new();
    // Spread, so that no two are equal.
    bench.write_gradients("gradients", |index, g| g + index as f32 * 1e-6);
    bench.run(params("0.0045", "0.002"), &[(role::GRADIENTS, "gradients")], "out").unwrap();
    let checkpoint = Checkpoint::open(&bench.at("out/checkpoint.safetensors")).unwrap();
    let weights = Weights::open(&bench.at("model")).unwrap();
    let gradients = TensorFile::open(&bench.at("gradients/gradients.safetensors")).unwrap();
    let config = ModelConfig::read(&bench.at("model")).unwrap();
    let mut sensitive = 0;
    for tensor in linear_weights(&config) {
        let found = checkpoint.load(&tensor.name).unwrap();
        let weights = elements(&weights.get(&tensor.name, Kind::Float, Device::Cpu).unwrap());
        let fisher = elements(&gradients.get(&tensor.name).unwrap());
        let mask = found.mask.clone();
        let bits = rtn(3).bits;
        let expected = squeezellm::quantize("w", &weights, &fisher, found.shape, bits, mask).unwrap();
        assert_eq!(found, expected);
        let wanted = (found.shape.len() as f64 * 0.002) as usize;
        for at in squeezellm::outliers::sensitive(&fisher, wanted) {
            assert!(found.mask.positions(found.shape.cols).any(|kept| kept == at));
        }
        sensitive += wanted;
    }
    let large = (SIZE.linear_weights() as f64 * 0.0045) as usize;
    let n = checkpoint.n_outliers() as usize;
    // Some are both.
    assert!(n <= large + sensitive && n > (large + sensitive) * 9 / 10, "{n} {large} {sensitive}");
    let summary: CheckpointSummary = serde_json::from_slice(&read(&bench.at("out/checkpoint.json"))).unwrap();
    let ratio = n as f64 / SIZE.linear_weights() as f64;
    assert!((summary.avg_bits - (3.0 - 3.0 * ratio + 32.0 * ratio)).abs() < 1e-9);
    assert_eq!(summary.bytes, fs::metadata(bench.at("out/checkpoint.safetensors")).unwrap().len());
}

#[test]
fn without_a_sparse_part_all_is_in_the_tables() {
    let bench = Bench::new();
    bench.write_gradients("gradients", |_, g| g);
    bench.run(params("0", "0"), &[(role::GRADIENTS, "gradients")], "out").unwrap();
    let checkpoint = Checkpoint::open(&bench.at("out/checkpoint.safetensors")).unwrap();
    assert_eq!(checkpoint.n_outliers(), 0);
    let error = bench.run(params("0", "0"), &[], "b").unwrap_err();
    assert_eq!(
        error,
        "invalid input: the quantize stage needs an input `gradients`, which the request does not name"
    );
}
