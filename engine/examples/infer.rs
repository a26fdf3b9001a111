//! Times batched inference on prompts given as token ids, and says how results depend on the batch.
//!
//! `infer MODEL_FOLDER PROMPTS.json`, where the file is
//! `{"prompts": [[ids]], "choices": [[ids]], "max_new_tokens": n, "eos": [ids], "batch_size": n, "threads": n}`:
//! scores the choices after every prompt, or continues the prompts greedily if there are none. One JSON line on
//! standard output: seconds, and the scores or continuations in order.

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;
use tacq_engine::infer::{Generation, Options, Prompt, generate, score};
use tacq_engine::model::Model;
use tacq_engine::{device, process};
use tacq_protocol::task::Decoding;
use tch::{Device, Kind};

#[derive(Deserialize)]
struct Work {
    prompts: Vec<Vec<u32>>,
    choices: Vec<Vec<u32>>,
    #[serde(default)]
    max_new_tokens: usize,
    #[serde(default)]
    eos: Vec<u32>,
    batch_size: usize,
    threads: Option<u32>,
    #[serde(default)]
    bf16: bool,
    #[serde(default)]
    cuda: bool,
}

#[derive(Default, Serialize)]
struct Found {
    secs: f64,
    scores: Vec<Vec<f64>>,
    texts: Vec<Vec<u32>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    process::set_up();
    device::make_repeatable();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, work] = arguments.as_slice() else {
        return Err("usage: infer MODEL_FOLDER PROMPTS.json".into());
    };
    let work: Work = serde_json::from_slice(&fs::read(work)?)?;
    device::set_threads(work.threads);
    let device = if work.cuda {
        let _ = tacq_engine::cuda::open_library();
        Device::Cuda(0)
    } else {
        Device::Cpu
    };
    let kind = if work.bf16 { Kind::BFloat16 } else { Kind::Float };
    let model = Model::load(Path::new(folder), kind, device, None)?;
    let prompts: Vec<Prompt> =
        work.prompts.into_iter().enumerate().map(|(i, ids)| Prompt { index: i as u64, ids }).collect();
    let options = Options { batch_size: work.batch_size, ..Options::default() };
    let start = Instant::now();
    let mut found = Found::default();
    if work.choices.is_empty() {
        let generation =
            Generation { decoding: Decoding::Greedy, max_new_tokens: work.max_new_tokens, eos: work.eos };
        found.texts.resize(prompts.len(), Vec::new());
        generate(&model, &prompts, &generation, &options, &|_, _| false, &mut |batch| {
            batch.into_iter().for_each(|(i, text)| found.texts[i] = text.ids);
            Ok(())
        })?;
    } else {
        let choices = vec![work.choices; prompts.len()];
        found.scores.resize(prompts.len(), Vec::new());
        score(&model, &prompts, &choices, &options, &mut |batch| {
            batch.into_iter().for_each(|(i, scores)| found.scores[i] = scores);
            Ok(())
        })?;
    }
    found.secs = start.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}
