//! Batched inference against the plain network, computed anew for each token of each prompt.

mod batches;
mod device;
mod plan;
mod results;

use super::runner::Runner;
use super::{Generated, Generation, Options, Prompt, generate, score};
use crate::Result;
use crate::model::Model;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tacq_protocol::task::Decoding;
use tch::{Device, Kind, Tensor};

/// Both sides compute in f32, in another order of operations.
const TOLERANCE: f64 = 1e-4;

/// The fixtures' networks: grouped queries with llama3 rope; biases; linear rope with heads of 6 dimensions.
const MODELS: [&str; 3] = ["llama", "qwen2", "llama_linear"];

fn model(name: &str) -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Model::load(&folder, Kind::Float, Device::Cpu, None).unwrap()
}

/// Token ids from a small generator; the fixtures' vocabularies have 264 tokens.
fn ids(n: usize, seed: u32) -> Vec<u32> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ 0x9E37_79B9;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % 264
    };
    (0..n).map(|_| next()).collect()
}

/// 20 prompts of 1 to 60 tokens: eleven after a beginning of 40, five after one of 9, the others alone; two are equal.
fn prompts() -> Vec<Prompt> {
    let (long, short) = (ids(40, 1), ids(9, 2));
    let mut all: Vec<Vec<u32>> = Vec::new();
    for i in 0..20u32 {
        let own = ids(1 + (i as usize * 7) % 20, 100 + i);
        all.push(match i {
            0..=10 => [long.clone(), own].concat(),
            11..=15 => [short.clone(), own].concat(),
            _ => own,
        });
    }
    all[19] = all[3].clone();
    all.into_iter().enumerate().map(|(i, ids)| Prompt { index: 1000 + i as u64, ids }).collect()
}

/// Eleven prompts of 1 to 20 tokens after a beginning that is long enough to be shared, 300 tokens.
fn prompts_with_one_beginning() -> Vec<Prompt> {
    let mut all = prompts();
    all.truncate(11);
    all.iter_mut().for_each(|prompt| prompt.ids.splice(..40, ids(300, 3)).for_each(drop));
    all
}

/// Of keys and values.
fn bytes_per_token(model: &Model) -> usize {
    Runner::new(model, 1).unwrap().space.bytes_per_token()
}

/// Four choices for each prompt: single tokens for some, up to three tokens for others.
fn choices(n: usize) -> Vec<Vec<Vec<u32>>> {
    (0..n as u32)
        .map(|i| {
            (0..4).map(|c| ids(if i % 3 == 0 { 1 + c as usize % 3 } else { 1 }, 500 + 4 * i + c)).collect()
        })
        .collect()
}

fn options(batch_size: usize) -> Options {
    Options { batch_size, ..Options::default() }
}

/// Greedy, 12 tokens; token 7 ends a text.
fn greedy() -> Generation {
    Generation { decoding: Decoding::Greedy, max_new_tokens: 12, eos: vec![7] }
}

fn sampled(seed: u64) -> Generation {
    let decoding = serde_json::json!({
        "choose": "sample", "temperature": "0.8", "top_p": "0.95", "seed": seed,
    });
    Generation { decoding: serde_json::from_value(decoding).unwrap(), ..greedy() }
}

/// Logits [t, vocab] of the plain network.
fn plain_logits(model: &Model, ids: &[u32]) -> Tensor {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    model.logits(&Tensor::from_slice(&ids).unsqueeze(0)).unwrap().squeeze_dim(0)
}

fn scores(model: &Model, prompts: &[Prompt], choices: &[Vec<Vec<u32>>], options: &Options) -> Vec<Vec<f64>> {
    let mut found = BTreeMap::new();
    score(model, prompts, choices, options, &mut |batch| {
        for (i, scores) in batch {
            assert!(found.insert(i, scores).is_none(), "prompt {i} came twice");
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(found.len(), prompts.len());
    found.into_values().collect()
}

fn try_texts(
    model: &Model,
    prompts: &[Prompt],
    generation: &Generation,
    options: &Options,
    stop: &dyn Fn(usize, &[u32]) -> bool,
) -> Result<Vec<Generated>> {
    let mut found = BTreeMap::new();
    generate(model, prompts, generation, options, stop, &mut |batch| {
        for (i, text) in batch {
            assert!(found.insert(i, text).is_none(), "prompt {i} came twice");
        }
        Ok(())
    })?;
    assert_eq!(found.len(), prompts.len());
    Ok(found.into_values().collect())
}

fn texts(model: &Model, prompts: &[Prompt], generation: &Generation, options: &Options) -> Vec<Generated> {
    try_texts(model, prompts, generation, options, &|_, _| false).unwrap()
}
