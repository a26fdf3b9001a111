//! What comes out is what the plain network gives.

use super::*;
use crate::infer::memory::ceiling;
use crate::infer::{End, InferError, sampling, windows};
use crate::{Error, infer};

fn plain_score(model: &Model, prompt: &[u32], choice: &[u32]) -> f64 {
    let all = [prompt, choice].concat();
    let log_p = plain_logits(model, &all).to_kind(Kind::Double).log_softmax(-1, Kind::Double);
    let log_p_of =
        |(i, token): (usize, &u32)| log_p.double_value(&[(prompt.len() + i) as i64 - 1, i64::from(*token)]);
    choice.iter().enumerate().map(log_p_of).sum()
}

/// Greedy continuation with the whole sequence computed anew for each token.
fn plain_greedy(model: &Model, prompt: &[u32], generation: &Generation) -> Generated {
    let mut all = prompt.to_vec();
    loop {
        let token = plain_logits(model, &all).get(-1).argmax(-1, false).int64_value(&[]) as u32;
        let new = || all[prompt.len()..].to_vec();
        if generation.eos.contains(&token) {
            return Generated { ids: new(), end: End::Eos };
        }
        if new().len() + 1 == generation.max_new_tokens {
            return Generated { ids: [new(), vec![token]].concat(), end: End::Length };
        }
        all.push(token);
    }
}

#[test]
fn scores_are_those_of_the_plain_network() {
    for name in MODELS {
        let (model, prompts) = (model(name), prompts());
        let choices = choices(prompts.len());
        let found = scores(&model, &prompts, &choices, &options(7));
        for ((prompt, choices), found) in prompts.iter().zip(&choices).zip(&found) {
            for (choice, found) in choices.iter().zip(found) {
                let want = plain_score(&model, &prompt.ids, choice);
                assert!((found - want).abs() < TOLERANCE, "{name}: {found}, expected {want}");
            }
        }
    }
}

#[test]
fn texts_are_those_of_the_plain_network() {
    let mut ends = Vec::new();
    for name in MODELS {
        let (model, prompts) = (model(name), prompts());
        // Any token of a first text, so that some texts end early.
        let eos = plain_greedy(&model, &prompts[0].ids, &greedy()).ids[2];
        let generation = Generation { eos: vec![7, eos], ..greedy() };
        let found = texts(&model, &prompts, &generation, &options(7));
        for (prompt, found) in prompts.iter().zip(&found) {
            assert_eq!(*found, plain_greedy(&model, &prompt.ids, &generation), "{name}");
            ends.push(found.end);
        }
    }
    assert!(ends.contains(&End::Eos) && ends.contains(&End::Length));
}

#[test]
fn losses_are_those_of_the_plain_network() {
    for name in MODELS {
        let model = model(name);
        let texts: Vec<Vec<u32>> = (0..5).map(|i| ids(30 + 9 * i, i as u32)).collect();
        let mut found = Vec::new();
        windows(&model, &texts, &options(2), &mut |batch| {
            found.extend(batch);
            Ok(())
        })
        .unwrap();
        for (i, text) in texts.iter().enumerate() {
            let want = -plain_score(&model, &text[..1], &text[1..]) / (text.len() - 1) as f64;
            assert_eq!(found[i].0, i);
            assert!((found[i].1 - want).abs() < TOLERANCE, "{name}: {}, expected {want}", found[i].1);
        }
    }
}

#[test]
fn a_stop_ends_a_text_where_it_is_asked() {
    let (model, prompts) = (model("llama"), prompts());
    let whole = texts(&model, &prompts, &greedy(), &options(32));
    let stop = |prompt: usize, ids: &[u32]| prompt.is_multiple_of(2) && ids.len() == 1 + prompt / 2;
    let found = try_texts(&model, &prompts, &greedy(), &options(3), &stop).unwrap();
    for (i, (found, whole)) in found.iter().zip(&whole).enumerate() {
        if i.is_multiple_of(2) && i / 2 < whole.ids.len() {
            assert_eq!(found.ids, whole.ids[..1 + i / 2]);
            assert_eq!(found.end, End::Stopped);
        } else {
            assert_eq!(found, whole);
        }
    }
    assert!(found.iter().any(|f| f.end == End::Stopped));
}

#[test]
fn samples_are_drawn_from_the_plain_networks_distribution() {
    let (model, prompts) = (model("qwen2"), prompts());
    let generation = sampled(3);
    for (prompt, found) in prompts.iter().zip(texts(&model, &prompts, &generation, &options(7))) {
        let mut all = prompt.ids.clone();
        for (position, id) in found.ids.iter().enumerate() {
            let logits: Vec<f32> = plain_logits(&model, &all).get(-1).try_into().unwrap();
            let u = sampling::uniform(3, prompt.index, position as u64);
            assert_eq!(sampling::nucleus(&logits, 0.8, 0.95, u), Some(*id));
            all.push(*id);
        }
    }
    let other = texts(&model, &prompts, &sampled(4), &options(7));
    assert_ne!(texts(&model, &prompts, &generation, &options(7)), other);
}

#[test]
fn bf16_stays_near_f32() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama");
    let low = Model::load(&folder, Kind::BFloat16, Device::Cpu, None).unwrap();
    let prompts = prompts();
    let choices = choices(prompts.len());
    let exact = scores(&model("llama"), &prompts, &choices, &options(32));
    let near = scores(&low, &prompts, &choices, &options(5));
    let difference = |(a, b): (&f64, &f64)| (a - b).abs();
    let mean = exact.concat().iter().zip(&near.concat()).map(difference).sum::<f64>() / (4.0 * 20.0);
    // bf16 keeps 8 bits: logits of standard deviation 1 to 2 move by a few hundredths.
    assert!(mean < 0.1 && mean > 1e-4, "{mean}");
    assert_eq!(texts(&low, &prompts, &greedy(), &options(5)).len(), prompts.len());
}

/// libtorch's attention, which serves CUDA and bf16, in f32.
#[test]
fn libtorchs_attention_gives_the_same_texts() {
    for name in MODELS {
        let (model, prompts) = (model(name), prompts());
        let ours = texts(&model, &prompts, &greedy(), &options(7));
        let theirs = infer::cache::with_torch(|| texts(&model, &prompts, &greedy(), &options(7)));
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn libtorchs_rows_share_a_beginning_where_copies_have_no_room() {
    for name in MODELS {
        let (model, prompts) = (model(name), prompts_with_one_beginning());
        let ours = texts(&model, &prompts, &greedy(), &options(7));
        let bytes = bytes_per_token(&model);
        // The beginning and no whole row: nine rows of up to 20 + 12 tokens of their own, of which seven are wanted.
        for tokens in [300, 320] {
            let small = Options { batch_size: 7, cache_bytes: Some(tokens * bytes) };
            let shared = || infer::cache::with_torch(|| texts(&model, &prompts, &greedy(), &small));
            assert_eq!(ceiling::with(tokens, shared), (ours.clone(), 0), "{name} {tokens}");
        }
    }
}

#[test]
fn wrong_input_is_a_sentence() {
    let model = model("llama");
    let prompt = |ids: &[u32]| vec![Prompt { index: 0, ids: ids.to_vec() }];
    let fails = |prompts: &[Prompt], choice: &[u32]| {
        let choices = vec![vec![choice.to_vec()]; prompts.len()];
        score(&model, prompts, &choices, &options(1), &mut |_| Ok(())).unwrap_err()
    };
    assert!(matches!(fails(&prompt(&[]), &[1]), Error::Infer(InferError::EmptyPrompt { prompt: 0 })));
    assert!(matches!(fails(&prompt(&[1]), &[]), Error::Infer(InferError::EmptyChoice { choice: 0, .. })));
    assert!(fails(&prompt(&[264]), &[1]).to_string().contains("token id 264"));
    assert!(fails(&prompt(&[1]), &[264]).to_string().contains("token id 264"));
    assert!(try_texts(&model, &prompt(&[264]), &greedy(), &options(1), &|_, _| false).is_err());
}

#[test]
fn weights_that_are_no_numbers_are_a_sentence() {
    let mut model = model("llama");
    model.blocks[1].mlp_norm_weight = model.blocks[1].mlp_norm_weight.full_like(f64::NAN);
    let error = try_texts(&model, &prompts(), &greedy(), &options(4), &|_, _| false).unwrap_err();
    assert!(matches!(error, Error::Infer(InferError::NotFinite { .. })), "{error}");
    let choices = vec![vec![vec![1]]; 20];
    let error = score(&model, &prompts(), &choices, &options(4), &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, Error::Infer(InferError::NotFinite { .. })), "{error}");
}
