//! Trains the quickstart's model on the engine's own Llama.
//!
//! `train_model MODEL WORK [--device cuda:0] [--steps N] [--rows N] [--micro N] [--limit SECONDS]`
//!
//! MODEL is a folder with the tokenizer that `write_data` makes; at the end the model is written into it, in bfloat16.
//! WORK keeps the state of training, which goes on where it stopped, and `loss.csv`. A step learns from `--rows` rows of
//! 1024 tokens, `--micro` at a time. With `--limit` training stops after so many seconds, to be taken up again.
//!
//! Documents depend on the step alone. Sums on a GPU have no fixed order, so that no two trainings are equal to the last
//! bit.

mod adamw;
mod batches;
mod curve;
mod network;
mod state;

use adamw::{AdamW, learning_rate};
use batches::Batches;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tacq_engine::model::Model;
use tch::{Device, Kind, Tensor};

/// Tokens of a row.
const LENGTH: usize = 1024;

/// Time between two savings of the state.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Steps whose losses are averaged in a line of `loss.csv`.
const LOG_EVERY: u64 = 50;

/// Whatever went wrong, in whichever thread.
type Failure = Box<dyn Error + Send + Sync>;

struct Options {
    model: PathBuf,
    work: PathBuf,
    device: Device,
    steps: u64,
    rows: usize,
    micro: usize,
    limit: Option<Duration>,
}

impl Options {
    fn read() -> Result<Self, Failure> {
        let mut arguments = std::env::args().skip(1);
        let mut folders = Vec::new();
        let mut options = Self {
            model: PathBuf::new(),
            work: PathBuf::new(),
            device: Device::Cpu,
            steps: 12_000,
            rows: 64,
            micro: 64,
            limit: None,
        };
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") {
                folders.push(PathBuf::from(argument));
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--device" if value == "cpu" => options.device = Device::Cpu,
                "--device" => {
                    let index = value.strip_prefix("cuda:").ok_or("a device is `cpu` or `cuda:N`")?;
                    options.device = Device::Cuda(index.parse()?);
                }
                "--steps" => options.steps = value.parse()?,
                "--rows" => options.rows = value.parse()?,
                "--micro" => options.micro = value.parse()?,
                "--limit" => options.limit = Some(Duration::from_secs(value.parse()?)),
                _ => return Err(format!("unknown option {argument}").into()),
            }
        }
        let [model, work] = folders.try_into().map_err(|_| "usage: train_model MODEL WORK [OPTIONS]")?;
        if options.micro == 0 || !options.rows.is_multiple_of(options.micro) {
            return Err("--rows must be a multiple of --micro".into());
        }
        Ok(Self { model, work, ..options })
    }
}

/// Opens the file of losses behind its lines up to `step`: what a stopped run did after its last saving is done again.
fn log_from(path: &Path, step: u64) -> Result<File, Failure> {
    let old = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    let is_kept =
        |line: &&str| line.split(',').next().and_then(|n| n.parse().ok()).is_some_and(|n: u64| n <= step);
    let kept: String = old.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
    fs::write(path, kept)?;
    Ok(OpenOptions::new().append(true).open(path)?)
}

fn main() -> Result<(), Failure> {
    tacq_engine::process::set_up();
    let options = Options::read()?;
    if options.device.is_cuda()
        && let Some(problem) = tacq_engine::cuda::open_library()
    {
        return Err(problem.into());
    }
    tacq_engine::device::set_threads(None);
    fs::create_dir_all(&options.work)?;
    let network = options.work.join("network");
    if !network.join("model.safetensors").exists() {
        network::write_random(&network)?;
    }
    let model = Model::load(&network, Kind::Float, options.device, None)?;
    let parameters = network::parameters(&model);
    let mut optimizer = AdamW::new(&parameters);
    let saved = options.work.join("training.safetensors");
    let mut step = if saved.exists() { state::load(&saved, &parameters, &mut optimizer)? } else { 0 };
    let batches = Batches::start(&options.model, step, options.steps, options.rows, LENGTH)?;
    let losses = options.work.join("loss.csv");
    let mut log = log_from(&losses, step)?;
    let rope = model.rope(LENGTH as i64)?;

    let start = Instant::now();
    let (mut last_save, mut sum, mut n) =
        (Instant::now(), Tensor::zeros([], (Kind::Float, options.device)), 0);
    for batch in &batches {
        let batch = batch?;
        let (ids, weights) = batch.tensors(options.device);
        let total = weights.sum(Kind::Float);
        for at in (0..options.rows).step_by(options.micro) {
            let part = |tensor: &Tensor| tensor.narrow(0, at as i64, options.micro as i64);
            let loss = network::loss(&model, &rope, &part(&ids), &part(&weights))? / &total;
            loss.backward();
            sum += loss.detach();
        }
        optimizer.step(&parameters, learning_rate(step, options.steps));
        step += 1;
        n += 1;
        if step.is_multiple_of(LOG_EVERY) || step == options.steps {
            let loss = sum.double_value(&[]) / f64::from(n);
            let seconds = start.elapsed().as_secs_f64();
            writeln!(log, "{step},{loss:.4}")?;
            println!("step {step} of {}: loss {loss:.4}, {seconds:.0} s", options.steps);
            (sum, n) = (Tensor::zeros([], (Kind::Float, options.device)), 0);
        }
        let is_over = options.limit.is_some_and(|limit| start.elapsed() > limit);
        if last_save.elapsed() > SAVE_EVERY || step == options.steps || is_over {
            state::save(&saved, step, &parameters, &optimizer)?;
            last_save = Instant::now();
        }
        if is_over {
            println!("stopped at step {step}; the same command goes on");
            return Ok(());
        }
    }
    network::export(&options.model, &parameters)?;
    curve::draw(&losses, &options.work.join("loss.svg"))?;
    println!("wrote {}", options.model.display());
    Ok(())
}
