//! The keys of a stage of each kind, as text. A difference here means that artifacts of users are computed again:
//! raise the kind's version if results change, or restore what changed by accident. `UPDATE_KEYS=1 cargo test --test
//! driver keys` rewrites what is on record.

use std::collections::BTreeMap;
use std::path::Path;
use tacq_protocol::StageParams;
use tacq_sweep::digest::{Digest, canonical_json};
use tacq_sweep::stage_key::{KeyPayload, StageKey};

/// Requests' `stage` of every kind, with the roles of its inputs.
const STAGES: &str = r#"[
  [{"kind":"download","params":{"files":[{"path":"text","bytes":3,"blake3":"ab"}]}}, []],
  [{"kind":"calibrate","params":{"format":"plain","n_samples":128,"seq_len":2048,
    "draw":{"sampling":"random","seed":0}}}, ["model","dataset"]],
  [{"kind":"calibrate","params":{"format":"wikitext","n_samples":128,"seq_len":2048,
    "draw":{"sampling":"first"}}}, ["model","dataset"]],
  [{"kind":"quantize","params":{"bits":3,"grid":"minmax","group_size":128,
    "rounding":{"method":"rtn"}}}, ["model"]],
  [{"kind":"quantize","params":{"bits":2,"grid":"mse","dtype":"bf16",
    "rounding":{"method":"gptq","damp":"0.01","block_size":128,"true_sequential":true}}}, ["model","calibration"]],
  [{"kind":"gradients","params":{"reduction":"abs","dtype":"f32"}}, ["model","calibration"]],
  [{"kind":"saliency","params":{"score":"tacq","candidates":"0.05"}}, ["model","gradients","uniform"]],
  [{"kind":"saliency","params":{"score":"random","candidates":"0.05","seed":1}}, ["model"]],
  [{"kind":"select","params":{"outlier_ratio":"0.0035"}}, ["saliency"]],
  [{"kind":"mixed_quantize","params":{"bits":2,"grid":"mse","dtype":"f32",
    "rounding":{"method":"gptq","damp":"0.01","block_size":128,"true_sequential":true}}},
    ["model","calibration","mask"]],
  [{"kind":"evaluate","params":{"dtype":"f32","task":{"protocol":"perplexity","format":"plain","seq_len":2048}}},
    ["model","dataset"]],
  [{"kind":"evaluate","params":{"dtype":"f32",
    "task":{"protocol":"perplexity","format":"plain","seq_len":512,"n_windows":24}}}, ["model","dataset","checkpoint"]]
]"#;

#[test]
fn keys_are_those_on_record() {
    let stages: Vec<(StageParams, Vec<String>)> = serde_json::from_str(STAGES).unwrap();
    let input = |role: &String| -> StageKey { Digest::of(role.as_bytes()).to_string().parse().unwrap() };
    let mut found = String::new();
    for (params, roles) in &stages {
        let inputs: BTreeMap<_, _> = roles.iter().map(|role| (role.clone(), input(role))).collect();
        let payload = KeyPayload::new(params, inputs);
        found += &format!("{}\n{}\n\n", payload.key(), canonical_json(&payload));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/keys.txt");
    if std::env::var_os("UPDATE_KEYS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs", path.display());
}
