//! A folder with a model and a calibration set, and a way to run stages on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tacq_engine::data::Sequences;
use tacq_engine::model::ModelConfig;
use tacq_engine::model::cache::ModelCache;
use tacq_engine::model::layout::linear_weights;
use tacq_engine::stages::{self, Context, Sink};
use tacq_engine::tensorfile::{TensorSpec, TensorWriter};
use tacq_protocol::artifact::role;
use tacq_protocol::stage::{
    Grid, Order, QuantizeParams, RoundingParams, SaliencyParams, Score, SelectParams,
};
use tacq_protocol::units::{Bits, DType, Device, GroupSize};
use tacq_protocol::{DataFile, Event, Request, Run, StageParams};
use tacq_testkit::{Size, random_llama};

/// Three blocks, so that a run can stop before, between and after.
pub const SIZE: Size = Size { layers: 3, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2 };

/// Nobody listens.
struct Silence;

impl Sink for Silence {
    fn send(&self, _: &Event) {}
}

pub struct Bench {
    folder: tempfile::TempDir,
    model: PathBuf,
}

impl Bench {
    /// A model, and 24 sequences of 16 to 40 of its tokens.
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench { model: folder.path().join("model"), folder };
        random_llama(&bench.at("model"), &SIZE, 5).unwrap();
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as i32 % 200
        };
        let lengths = [40, 40, 40, 16, 16, 31];
        let sequences: Vec<Vec<i32>> =
            (0..24).map(|i| (0..lengths[i % lengths.len()]).map(|_| next()).collect()).collect();
        fs::create_dir(bench.at("calibration")).unwrap();
        Sequences::new(sequences.iter().map(Vec::as_slice)).write(&bench.at("calibration")).unwrap();
        bench
    }

    /// Another model, and nothing else.
    pub fn of(model: &Path) -> Bench {
        Bench { model: model.to_owned(), folder: tempfile::tempdir().unwrap() }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a stage into the folder `output`; its progress folder is `output.progress`, kept if there.
    pub fn run(&self, stage: StageParams, inputs: &[(&str, &str)], output: &str) -> Result<bool, String> {
        self.run_on(stage, inputs, &[], output)
    }

    /// [`Self::run`] with data: roles and files.
    pub fn run_on(
        &self,
        stage: StageParams,
        inputs: &[(&str, &str)],
        data: &[(&str, PathBuf)],
        output: &str,
    ) -> Result<bool, String> {
        let data = data.iter().map(|(role, path)| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            ((*role).to_owned(), vec![DataFile { name, path: path.clone() }])
        });
        let folder = |name: String| {
            fs::create_dir_all(self.at(&name)).unwrap();
            self.at(&name)
        };
        let inputs = inputs.iter().map(|(role, name)| ((*role).to_owned(), self.at(name)));
        let request = Request {
            id: 1,
            stage,
            inputs: inputs.chain([(role::MODEL.to_owned(), self.model.clone())]).collect::<BTreeMap<_, _>>(),
            data: data.collect(),
            output: folder(output.to_owned()),
            progress: folder(format!("{output}.progress")),
            run: Run {
                more_devices: Vec::new(),
                device: Device::Cpu,
                threads: Some(1),
                checkpoint_secs: 60,
                batch_size: None,
                device_bytes: None,
            },
        };
        let mut models = ModelCache::default();
        let mut context = Context::new(&request, &Silence, &mut models).unwrap();
        stages::run(&mut context).map_err(|e| format!("{}: {e}", e.kind()))?;
        Ok(context.resumed())
    }

    pub fn quantize(&self, params: QuantizeParams, output: &str) -> Result<bool, String> {
        self.run(StageParams::Quantize(params), &[(role::CALIBRATION, "calibration")], output)
    }

    /// Writes gradients of the model, `change` applied to each by global index.
    pub fn write_gradients(&self, folder: &str, change: impl Fn(u64, f32) -> f32) {
        let config = ModelConfig::read(&self.at("model")).unwrap();
        let specs: Vec<TensorSpec> = linear_weights(&config)
            .iter()
            .map(|w| TensorSpec::new(&w.name, safetensors::Dtype::F32, &[w.rows as u64, w.cols as u64]))
            .collect();
        fs::create_dir(self.at(folder)).unwrap();
        let mut writer =
            TensorWriter::create(&self.at(folder).join("gradients.safetensors"), &specs).unwrap();
        for index in 0..SIZE.linear_weights() as u64 {
            writer.write(&change(index, gradient(index)).to_le_bytes()).unwrap();
        }
        writer.commit().unwrap();
    }

    /// The mask of the best weights by `score`.
    pub fn mask(&self, score: Score, ratio: &str, output: &str) {
        let params = SaliencyParams { score, candidates: "0.5".parse().unwrap(), seed: None };
        self.run(StageParams::Saliency(params), &[], "ranked").unwrap();
        let params = SelectParams { outlier_ratio: ratio.parse().unwrap() };
        self.run(StageParams::Select(params), &[(role::SALIENCY, "ranked")], output).unwrap();
    }
}

/// Made-up gradients: whole numbers, so that many scores are equal.
pub fn gradient(index: u64) -> f32 {
    (index * 2_654_435_761 % 5) as f32
}

pub fn gptq(bits: u64, group: Option<u64>, true_sequential: bool) -> QuantizeParams {
    QuantizeParams {
        bits: Bits::new(bits).unwrap(),
        group_size: group.map(|g| GroupSize::new(g).unwrap()),
        grid: Some(Grid::Mse),
        rounding: RoundingParams::Gptq {
            damp: "0.01".parse().unwrap(),
            block_size: tacq_protocol::units::BlockSize::new(32).unwrap(),
            true_sequential,
            order: Order::Natural,
            static_groups: false,
        },
        dtype: Some(DType::F32),
    }
}

pub fn rtn(bits: u64) -> QuantizeParams {
    QuantizeParams { rounding: RoundingParams::Rtn, dtype: None, ..gptq(bits, None, true) }
}

/// Copies what a progress folder has of the first `n` layers into another one.
pub fn copy_layers(from: &Path, to: &Path, n: usize) {
    for layer in 0..n {
        for suffix in ["safetensors", "weights.json"] {
            let name = format!("layer-{layer:05}.{suffix}");
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// The contents of all files in the output folder of a quantization.
pub fn results(output: &Path) -> [Vec<u8>; 3] {
    ["checkpoint.safetensors", "weights.json", "checkpoint.json"].map(|name| read(&output.join(name)))
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
