//! A batch, its order and its company change no bit.

use super::*;
use crate::error::Error;
use crate::infer::memory::ceiling;
use crate::infer::windows;
use tacq_protocol::FailureKind;

/// Everything that can be computed for the prompts, exact to the last bit.
fn all_results(
    model: &Model,
    prompts: &[Prompt],
    choices: &[Vec<Vec<u32>>],
    options: &Options,
) -> Vec<String> {
    let (greedy, sampled) =
        (texts(model, prompts, &greedy(), options), texts(model, prompts, &sampled(1), options));
    let scores = scores(model, prompts, choices, options);
    let mut losses = vec![0.0; prompts.len()];
    let texts: Vec<Vec<u32>> = prompts.iter().map(|p| [&p.ids[..], &[3]].concat()).collect();
    windows(model, &texts, options, &mut |batch| {
        batch.into_iter().for_each(|(i, loss)| losses[i] = loss);
        Ok(())
    })
    .unwrap();
    let bits = |x: f64| x.to_bits();
    (0..prompts.len())
        .map(|i| {
            let scores: Vec<u64> = scores[i].iter().copied().map(bits).collect();
            format!("{:?} {:?} {scores:?} {}", greedy[i], sampled[i], bits(losses[i]))
        })
        .collect()
}

#[test]
fn a_batch_changes_no_bit() {
    for name in MODELS {
        let (model, prompts) = (model(name), prompts());
        let choices = choices(prompts.len());
        let alone = all_results(&model, &prompts, &choices, &options(1));
        for size in [2, 7, 32] {
            assert_eq!(
                all_results(&model, &prompts, &choices, &options(size)),
                alone,
                "{name}, batch {size}"
            );
        }
    }
}

/// What a resumed stage relies on: it asks for the prompts that are left.
#[test]
fn neither_order_nor_company_changes_a_bit() {
    let (model, prompts) = (model("llama"), prompts());
    let choices = choices(prompts.len());
    let together = all_results(&model, &prompts, &choices, &options(32));
    // In reverse and without a third of the prompts: shared beginnings are others then.
    let some: Vec<usize> = (0..prompts.len()).rev().filter(|i| i % 3 != 1).collect();
    let pick = |i: &usize| (prompts[*i].clone(), choices[*i].clone());
    let (few, few_choices): (Vec<_>, Vec<_>) = some.iter().map(pick).unzip();
    for (i, found) in some.iter().zip(all_results(&model, &few, &few_choices, &options(5))) {
        assert_eq!(found, together[*i]);
    }
    let one = all_results(&model, &prompts[4..5], &choices[4..5], &options(32));
    assert_eq!(one[0], together[4]);
}

#[test]
fn running_out_of_memory_halves_the_batch_and_changes_nothing() {
    let (model, prompts) = (model("llama"), prompts());
    let choices = choices(prompts.len());
    let whole = all_results(&model, &prompts, &choices, &options(32));
    // Room for two or three of the longest prompts with their new tokens.
    let (found, failures) = ceiling::with(180, || all_results(&model, &prompts, &choices, &options(32)));
    assert_eq!(found, whole);
    assert!(failures >= 3, "{failures}");
}

#[test]
fn a_batch_of_one_that_does_not_fit_is_the_error() {
    let (model, prompts) = (model("llama"), prompts());
    let (result, failures) =
        ceiling::with(30, || try_texts(&model, &prompts, &greedy(), &options(32), &|_, _| false));
    let error: Error = result.unwrap_err();
    assert_eq!(error.kind(), FailureKind::OutOfMemory);
    assert!(failures > 1, "{failures}");
}

#[test]
fn caches_stay_within_their_bytes() {
    let (model, prompts) = (model("llama"), prompts());
    let whole = texts(&model, &prompts, &greedy(), &options(32));
    // 2 layers · (k, v) · 2 heads · 16 dimensions · 4 bytes = 512 bytes a token: four rows of 80 tokens.
    let small = Options { batch_size: 32, cache_bytes: Some(4 * 80 * 512) };
    let (found, failures) = ceiling::with(4 * 80, || texts(&model, &prompts, &greedy(), &small));
    assert_eq!((found, failures), (whole, 0));
}

#[test]
fn an_error_of_the_caller_ends_the_work() {
    let (model, prompts) = (model("llama"), prompts());
    let mut calls = 0;
    let error = score(&model, &prompts, &choices(prompts.len()), &options(4), &mut |_| {
        calls += 1;
        Err(std::io::Error::other("disk full"))
            .map_err(|e| crate::fsx::FsError::new("write", "x".as_ref(), e).into())
    });
    assert!(error.unwrap_err().to_string().contains("disk full"));
    assert_eq!(calls, 1);
}
