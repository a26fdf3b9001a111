//! Agreement with independent Python code on a real model. Needs three variables, and says so when it skips:
//!
//! - `TACQ_SMOLLM2`: a folder with SmolLM2-135M-Instruct as Hugging Face publishes models;
//! - `TACQ_WIKITEXT2`: a folder with `wiki.test.raw` and `wiki.train.first1MB.txt`;
//! - `TACQ_REFERENCE`: a JSON file with what the Python code found: `perplexity_base`,
//!   `logits_after_The_capital_of_France_is` (ids, top, logsumexp), and by tensor
//!   `gradient_sums_first_layer`. Protocol: windows of 512 tokens from the start of the text; 24 of the test split
//!   for perplexity, 32 of the training split for Σ abs(dL/dW) and GPTQ; float32 on CPU.

mod tasks;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tacq_engine::model::Model;
use tacq_protocol::artifact::{Metrics, file, role};
use tacq_protocol::stage::{GradientsParams, Grid, Order, QuantizeParams, Reduction, RoundingParams};
use tacq_protocol::task::{
    CalibrateParams, CalibrationData, EvaluateParams, Sampling, TaskParams, TextFormat,
};
use tacq_protocol::units::{BatchSize, Bits, BlockSize, DType, Device, NSamples, NWindows, SeqLen};
use tacq_protocol::{DataFile, Request, Run, StageParams};
use tch::Tensor;
use tempfile::TempDir;

/// Sums over the same numbers in another order, by other kernels.
const PERPLEXITY_TOLERANCE: f64 = 1e-3;
/// As above, through a backward pass.
const GRADIENT_TOLERANCE: f64 = 5e-3;
/// Rounding decides by thousandths, so equivalent runs of one implementation scatter this much.
const GPTQ_PERPLEXITY: std::ops::RangeInclusive<f64> = 140.0..=185.0;

struct Setting {
    model: PathBuf,
    texts: PathBuf,
    expected: Value,
    /// Output folders of the stages.
    work: TempDir,
    /// Examples side by side; the engine's choice when absent.
    batch_size: Option<BatchSize>,
}

impl Setting {
    /// `None`, said on standard error, where the variables are not set.
    fn new() -> Option<Self> {
        let variable = |name: &str| {
            let value = std::env::var_os(name).map(PathBuf::from);
            if value.is_none() {
                eprintln!("skipped: {name} is not set");
            }
            value
        };
        let (model, texts) = (variable("TACQ_SMOLLM2")?, variable("TACQ_WIKITEXT2")?);
        let expected = serde_json::from_slice(&fs::read(variable("TACQ_REFERENCE")?).unwrap()).unwrap();
        Some(Self { model, texts, expected, work: tempfile::tempdir().unwrap(), batch_size: None })
    }

    /// Runs one stage in an engine process and returns its output folder.
    fn run(&self, name: &str, stage: StageParams, inputs: &[(&str, &Path)]) -> PathBuf {
        let folder = self.work.path().join(name);
        let request = Request {
            id: 1,
            stage,
            inputs: inputs
                .iter()
                .filter(|(role, _)| !role::DATA.contains(role))
                .map(|(role, path)| ((*role).to_owned(), path.to_path_buf()))
                .collect(),
            data: inputs
                .iter()
                .filter(|(role, _)| role::DATA.contains(role))
                .map(|(role, path)| ((*role).to_owned(), data_files(path)))
                .collect(),
            output: folder.join("output"),
            progress: folder.join("progress"),
            run: Run {
                more_devices: Vec::new(),
                device: Device::Cpu,
                threads: None,
                checkpoint_secs: 600,
                batch_size: self.batch_size,
                device_bytes: None,
            },
        };
        for created in [&request.output, &request.progress] {
            fs::create_dir_all(created).unwrap();
        }
        let path = folder.join("request.json");
        fs::write(&path, serde_json::to_vec(&request).unwrap()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tacq-engine")).arg("run").arg(path).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        request.output
    }

    fn calibrate(&self) -> PathBuf {
        let params = CalibrateParams {
            data: CalibrationData::Text { format: TextFormat::Plain },
            n_samples: NSamples::new(32).unwrap(),
            seq_len: SeqLen::new(512).unwrap(),
            draw: Sampling::First,
        };
        let text = self.texts.join("wiki.train.first1MB.txt");
        let inputs = [(role::MODEL, self.model.as_path()), (role::DATASET, &text)];
        self.run("calibrate", StageParams::Calibrate(params), &inputs)
    }

    fn perplexity(&self, checkpoint: Option<&Path>) -> f64 {
        let task = TaskParams::Perplexity {
            format: TextFormat::Wikitext,
            seq_len: SeqLen::new(512).unwrap(),
            n_windows: Some(NWindows::new(24).unwrap()),
        };
        let text = self.texts.join("wiki.test.raw");
        let mut inputs = vec![(role::MODEL, self.model.as_path()), (role::DATASET, &text)];
        inputs.extend(checkpoint.map(|folder| (role::CHECKPOINT, folder)));
        let params = EvaluateParams { task, dtype: DType::F32, batch_size: None };
        let output = self.run("evaluate", StageParams::Evaluate(params), &inputs);
        let metrics: Metrics =
            serde_json::from_slice(&fs::read(output.join(file::METRICS)).unwrap()).unwrap();
        assert_eq!(metrics.n_examples, 24);
        metrics.metrics["perplexity"]
    }
}

/// A file, or the files below a folder, under their base names.
fn data_files(path: &Path) -> Vec<DataFile> {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    if path.is_file() {
        return vec![DataFile { name, path: path.to_owned() }];
    }
    let mut below: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    below.sort();
    below.iter().flat_map(|path| data_files(path)).collect()
}

#[track_caller]
fn assert_near(name: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found / expected - 1.0).abs();
    assert!(error <= tolerance, "{name}: found {found}, expected {expected}, off by {error:.2e}");
    eprintln!("{name}: {found:.4}, reference {expected:.4}, off by {error:.1e}");
}

#[test]
fn perplexity_of_the_model_is_the_references() {
    let Some(setting) = Setting::new() else { return };
    let expected = setting.expected["perplexity_base"].as_f64().unwrap();
    assert_near("perplexity", setting.perplexity(None), expected, PERPLEXITY_TOLERANCE);
}

#[test]
fn gradient_sums_of_the_first_layer_are_the_references() {
    let Some(setting) = Setting::new() else { return };
    let calibration = setting.calibrate();
    let params = GradientsParams { reduction: Reduction::Abs, dtype: DType::F32 };
    let inputs = [(role::MODEL, setting.model.as_path()), (role::CALIBRATION, &calibration)];
    let output = setting.run("gradients", StageParams::Gradients(params), &inputs);

    let bytes = fs::read(output.join(file::GRADIENTS)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let sums = setting.expected["gradient_sums_first_layer"].as_object().unwrap();
    assert!(!sums.is_empty());
    for (name, expected) in sums {
        let tensor = tensors.tensor(name).unwrap();
        let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        let sum: f64 = values.map(f64::from).sum();
        assert_near(name, sum, expected.as_f64().unwrap(), GRADIENT_TOLERANCE);
    }
}

#[test]
fn three_bit_gptq_costs_what_it_costs_the_reference() {
    let Some(setting) = Setting::new() else { return };
    let calibration = setting.calibrate();
    let params = QuantizeParams {
        bits: Bits::new(3).unwrap(),
        group_size: None,
        grid: Some(Grid::Mse),
        rounding: RoundingParams::Gptq {
            damp: "0.01".parse().unwrap(),
            block_size: BlockSize::new(128).unwrap(),
            true_sequential: true,
            order: Order::Natural,
            static_groups: false,
        },
        dtype: Some(DType::F32),
    };
    let inputs = [(role::MODEL, setting.model.as_path()), (role::CALIBRATION, &calibration)];
    let checkpoint = setting.run("quantize", StageParams::Quantize(params), &inputs);
    let perplexity = setting.perplexity(Some(&checkpoint));
    assert!(GPTQ_PERPLEXITY.contains(&perplexity), "perplexity {perplexity} is not in {GPTQ_PERPLEXITY:?}");
}

#[test]
fn logits_agree() {
    /// Between two f32 implementations of a 30-block model.
    const LOGIT_TOLERANCE: f64 = 1e-3;
    let Some(setting) = Setting::new() else { return };
    let expected = &setting.expected["logits_after_The_capital_of_France_is"];
    let ids: Vec<i64> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let top: Vec<(i64, f64)> = serde_json::from_value(expected["top"].clone()).unwrap();
    let model = Model::load(&setting.model, tch::Kind::Float, tch::Device::Cpu, None).unwrap();
    let logits = model.logits(&Tensor::from_slice(&ids).unsqueeze(0)).unwrap().select(1, -1).squeeze();
    let (_, order) = logits.topk(top.len() as i64, 0, true, true);
    for (rank, (id, logit)) in top.iter().enumerate() {
        assert_eq!(order.int64_value(&[rank as i64]), *id, "token of rank {rank}");
        let difference = (logits.double_value(&[*id]) - logit).abs();
        assert!(difference < LOGIT_TOLERANCE, "logit of token {id} differs by {difference}");
    }
    let difference = logits.logsumexp(0, false).double_value(&[]) - expected["logsumexp"].as_f64().unwrap();
    assert!(difference.abs() < LOGIT_TOLERANCE, "logsumexp differs by {difference}");
}
