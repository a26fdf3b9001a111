//! Reordering keys changes nothing but positions.

use tacq_sweep::spec::experiment::ModelSource;
use tacq_sweep::spec::{Experiment, Position, parse_str, trials};

/// The blocks of a file, each a top-level key with its lines, and inside `sweep:` and `datasets:` one per key.
const BLOCKS: [&str; 8] = [
    "name: order",
    "model: [models/a, models/b]",
    "calibration: {n_samples: 4, sampling: random, seq_len: 64}",
    "evaluate: {default: matched, c4: [mine, gsm8k]}",
    "tasks:\n  long: {dataset: c4, seq_len: 128}\n  ptb: {n_windows: 3}\n  mine: {type: exact_match, stop: [a, b]}",
    "run: {dtype: bf16, devices: [cpu, 'cuda:1']}",
    "baseline: true",
    "report: {dir: out}",
];
const DATASETS: [&str; 4] = [
    "  c4: {train: c4.train, test: c4.test}",
    "  ptb: {test: ptb.test, train: ptb.train, format: plain}",
    "  wiki: {path: wiki, format: wikitext}",
    "  mine: {train: a.jsonl, prompt: '{{ a }}', completion: '{{ b }}', test: b.jsonl}",
];
const AXES: [&str; 4] = [
    "  condition_on: [wiki, c4, ptb]",
    "  bits: [4, 2]",
    "  seed: [1, 0]",
    "  methods: [rtn, gptq: {grid: [minmax, mse], damp: [0.1, 0.01]}, tacq: {saliency: [tacq, random], outlier_ratio: 0.01}]",
];

/// A small generator of permutations: xorshift and Fisher-Yates.
fn shuffled<'a>(items: &[&'a str], state: &mut u64) -> Vec<&'a str> {
    let mut items = items.to_vec();
    for i in (1..items.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        items.swap(i, (*state % (i as u64 + 1)) as usize);
    }
    items
}

fn without_positions(mut experiment: Experiment) -> Experiment {
    for ModelSource { position, .. } in &mut experiment.models {
        *position = Position::default();
    }
    for dataset in experiment.datasets.values_mut() {
        dataset.position = Position::default();
        for part in dataset.parts.values_mut() {
            part.position = Position::default();
        }
    }
    experiment
}

fn parse(state: &mut u64) -> (String, Experiment) {
    let datasets = format!("datasets:\n{}", shuffled(&DATASETS, state).join("\n"));
    let sweep = format!("sweep:\n{}", shuffled(&AXES, state).join("\n"));
    let mut blocks = BLOCKS.to_vec();
    blocks.extend([datasets.as_str(), sweep.as_str()]);
    let text = shuffled(&blocks, state).join("\n") + "\n";
    let experiment =
        parse_str("order.yaml".as_ref(), &text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (text, without_positions(experiment))
}

#[test]
fn key_order_changes_neither_experiment_nor_trials() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let (first_text, first) = parse(&mut state);
    let first_trials = trials(&first);
    let mut labels: Vec<&str> = first_trials.iter().map(|trial| trial.label()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), first_trials.len(), "labels are unique");
    let mut other_texts = 0;
    for _ in 0..100 {
        let (text, experiment) = parse(&mut state);
        other_texts += usize::from(text != first_text);
        assert_eq!(experiment, first, "{text}");
        assert_eq!(trials(&experiment), first_trials, "{text}");
    }
    assert!(other_texts > 90);
}
