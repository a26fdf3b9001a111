//! The same on a GPU, where attention goes through other kernels. Skipped where there is none.

use super::*;
use crate::infer::windows;

/// f32 on both sides, in other orders; and 8 bits of fraction through a few layers.
const TOLERANCES: [(Kind, f64); 2] = [(Kind::Float, 1e-3), (Kind::BFloat16, 0.3)];

/// Models whose heads are as wide as kernels want them, on a GPU and, in f32, on the host.
fn models(kind: Kind) -> Vec<[Model; 2]> {
    let Some(device) = crate::cuda::test_device() else { return Vec::new() };
    let load = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        [Model::load(&folder, kind, device, None).unwrap(), model(name)]
    };
    let models = MODELS.map(load);
    models.into_iter().filter(|[_, host]| host.config.head_dim % 8 == 0).collect()
}

#[test]
fn scores_are_those_of_the_host() {
    for (kind, tolerance) in TOLERANCES {
        for [device, host] in models(kind) {
            let (prompts, choices) = (prompts(), choices(20));
            let expected = scores(&host, &prompts, &choices, &options(7));
            for batch in [1, 7, 32] {
                let found = scores(&device, &prompts, &choices, &options(batch));
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    assert!(
                        (found - expected).abs() < tolerance,
                        "{kind:?}: {found}, on the host {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn texts_in_f32_are_those_of_the_host() {
    for [device, host] in models(Kind::Float) {
        let prompts = prompts();
        let generation = Generation { max_new_tokens: 80, ..greedy() };
        let expected = texts(&host, &prompts, &generation, &options(7));
        for batch in [1, 7, 32] {
            assert_eq!(texts(&device, &prompts, &generation, &options(batch)), expected, "{batch}");
        }
    }
}

/// In 16 bit the kernel for single tokens must see what the one for prompts sees: a text is what the model, asked for
/// each of its tokens anew, thinks likely.
#[test]
fn tokens_in_bf16_are_likely_ones() {
    for [device, host] in models(Kind::BFloat16) {
        let generation = Generation { max_new_tokens: 80, ..greedy() };
        let shared = Options { batch_size: 11, cache_bytes: Some(1000 * bytes_per_token(&device)) };
        for (prompts, options) in
            [(prompts(), options(3)), (prompts(), options(32)), (prompts_with_one_beginning(), shared)]
        {
            let found = texts(&device, &prompts, &generation, &options);
            let mut gaps = Vec::new();
            for (prompt, text) in prompts.iter().zip(&found) {
                let logits = plain_logits(&host, &[prompt.ids.as_slice(), &text.ids].concat());
                for (i, &token) in text.ids.iter().enumerate() {
                    let row = logits.get((prompt.ids.len() + i) as i64 - 1);
                    gaps.push(row.max().double_value(&[]) - row.double_value(&[i64::from(token)]));
                }
            }
            let worst = gaps.iter().copied().fold(0.0, f64::max);
            assert!(worst < TOLERANCES[1].1, "{worst}");
        }
    }
}

#[test]
fn losses_of_windows_are_those_of_the_host() {
    let losses = |model: &Model| {
        let texts: Vec<Vec<u32>> = (0..9).map(|i| ids(70, 40 + i)).collect();
        let mut found = BTreeMap::new();
        windows(model, &texts, &options(4), &mut |batch| {
            found.extend(batch);
            Ok(())
        })
        .unwrap();
        found.into_values().collect::<Vec<f64>>()
    };
    for (kind, tolerance) in TOLERANCES {
        for [device, host] in models(kind) {
            for (found, expected) in losses(&device).iter().zip(losses(&host)) {
                assert!((found - expected).abs() < tolerance, "{kind:?}: {found}, on the host {expected}");
            }
        }
    }
}
