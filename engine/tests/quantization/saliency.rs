use crate::bench::{Bench, SIZE, gradient, read, rtn};
use tacq_engine::model::layout::linear_weights;
use tacq_engine::model::{ModelConfig, Weights};
use tacq_engine::quant::checkpoint::Checkpoint;
use tacq_engine::tensorfile::TensorFile;
use tacq_protocol::StageParams;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::{SaliencyParams, Score, SelectParams};
use tacq_protocol::units::Seed;
use tch::{Device, Kind};

fn ranking(score: Score, candidates: &str) -> StageParams {
    let seed = (score == Score::Random).then(|| Seed::new(3).unwrap());
    StageParams::Saliency(SaliencyParams { score, candidates: candidates.parse().unwrap(), seed })
}

fn selection(ratio: &str) -> StageParams {
    StageParams::Select(SelectParams { outlier_ratio: ratio.parse().unwrap() })
}

/// All weights of the model, and those of the checkpoint `uniform`, in global order.
fn all_weights(bench: &Bench) -> (Vec<f32>, Vec<f32>) {
    let config = ModelConfig::read(&bench.at("model")).unwrap();
    let weights = Weights::open(&bench.at("model")).unwrap();
    let checkpoint = Checkpoint::open(&bench.at("uniform/checkpoint.safetensors")).unwrap();
    let (mut original, mut quantized) = (Vec::new(), Vec::new());
    for tensor in linear_weights(&config) {
        let weight = weights.get(&tensor.name, Kind::Float, Device::Cpu).unwrap().reshape([-1]);
        original.extend(Vec::<f32>::try_from(&weight).unwrap());
        quantized.extend(checkpoint.load(&tensor.name).unwrap().dequantize());
    }
    (original, quantized)
}

fn candidates(bench: &Bench, folder: &str) -> (Vec<i64>, Vec<f32>) {
    let file = TensorFile::open(&bench.at(folder).join("candidates.safetensors")).unwrap();
    let scores = file.get("score").unwrap();
    (file.i64s("index").unwrap(), Vec::try_from(&scores).unwrap())
}

#[test]
fn candidates_are_those_of_a_full_sort() {
    let bench = Bench::new();
    bench.write_gradients("gradients", |_, g| g);
    bench.run(StageParams::Quantize(rtn(3)), &[], "uniform").unwrap();
    let (w, q) = all_weights(&bench);
    let inputs = [(role::GRADIENTS, "gradients"), (role::UNIFORM, "uniform")];
    let n = w.len();
    for (score, definition) in [
        (Score::Tacq, (|w, g, d| w * g * d) as fn(f32, f32, f32) -> f32),
        (Score::AbsGrad, |_, g, _| g),
        (Score::Msg, |w, g, _| w * g),
        (Score::Qal, |_, g, d| g * d),
        (Score::Weight, |w, _, _| w),
    ] {
        let output = score.name();
        bench.run(ranking(score, "0.05"), &inputs, output).unwrap();
        let scores: Vec<f32> =
            (0..n).map(|i| definition(w[i].abs(), gradient(i as u64), (w[i] - q[i]).abs())).collect();
        let mut order: Vec<i64> = (0..n as i64).collect();
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        order.truncate(n / 20);
        let (found, values) = candidates(&bench, output);
        assert_eq!(found, order, "{score}");
        assert!(found.iter().zip(values).all(|(&i, value)| scores[i as usize] == value));

        let histograms: serde_json::Value =
            serde_json::from_slice(&read(&bench.at(output).join("histograms.json"))).unwrap();
        let sum = |key: &str| -> u64 {
            let one = |t: &serde_json::Value| match &t[key] {
                serde_json::Value::Array(counts) => counts.iter().map(|c| c.as_u64().unwrap()).sum(),
                count => count.as_u64().unwrap(),
            };
            histograms["tensors"].as_array().unwrap().iter().map(one).sum()
        };
        assert_eq!(sum("counts") + sum("zeros"), n as u64);
        assert_eq!(sum("candidates"), n as u64 / 20);
    }
}

#[test]
fn a_mask_keeps_exactly_k_weights_and_is_a_prefix() {
    let bench = Bench::new();
    bench.run(ranking(Score::Random, "0.05"), &[], "ranked").unwrap();
    let n = SIZE.linear_weights();
    let (order, _) = candidates(&bench, "ranked");
    for (ratio, numerator, denominator) in [("0.0035", 35, 10_000), ("0.01", 1, 100), ("0.05", 1, 20)] {
        bench.run(selection(ratio), &[(role::SALIENCY, "ranked")], ratio).unwrap();
        let file = TensorFile::open(&bench.at(ratio).join("mask.safetensors")).unwrap();
        let mut expected = order[..n * numerator / denominator].to_vec();
        expected.sort_unstable();
        assert_eq!(file.i64s("index").unwrap(), expected, "{ratio}");
    }
    let error = bench.run(selection("0.06"), &[(role::SALIENCY, "ranked")], "x").unwrap_err();
    assert!(error.contains("only the best") && error.contains("raise `candidates`"), "{error}");
    let error = bench.run(selection("0.000001"), &[(role::SALIENCY, "ranked")], "y").unwrap_err();
    assert!(error.contains("less than one weight"), "{error}");
}

#[test]
fn random_rankings_depend_on_the_seed_alone() {
    let bench = Bench::new();
    let random = |seed: u64| {
        let seed = Some(Seed::new(seed).unwrap());
        StageParams::Saliency(SaliencyParams {
            score: Score::Random,
            candidates: "0.1".parse().unwrap(),
            seed,
        })
    };
    for (output, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        bench.run(random(seed), &[], output).unwrap();
    }
    let of = |output| candidates(&bench, output).0;
    assert_eq!(of("a"), of("b"));
    assert_ne!(of("a"), of("c"));
}

#[test]
fn gradients_that_are_not_numbers_are_refused() {
    let bench = Bench::new();
    bench.write_gradients("gradients", |index, g| if index == 4096 + 70 { f32::NAN } else { g });
    let error =
        bench.run(ranking(Score::AbsGrad, "0.05"), &[(role::GRADIENTS, "gradients")], "x").unwrap_err();
    assert!(error.contains("k_proj") && error.contains("NaN"), "{error}");
}

#[test]
fn a_missing_input_is_named() {
    let bench = Bench::new();
    let error = bench.run(ranking(Score::AbsGrad, "0.05"), &[], "x").unwrap_err();
    assert!(error.contains("needs an input `gradients`"), "{error}");
}
