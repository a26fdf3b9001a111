//! The keys of a stage of each kind, as text. A difference here means that artifacts of users are computed again:
//! raise the kind's version if results change, or restore what changed by accident. `UPDATE_KEYS=1 cargo test --test
//! driver keys` rewrites what is on record.

use crate::sandbox::{EXPERIMENT, Sandbox};
use std::collections::BTreeMap;
use std::path::Path;
use tacq_protocol::StageParams;
use tacq_sweep::digest::{Digest, canonical_json};
use tacq_sweep::stage_key::{KeyPayload, StageKey};

/// Requests' `stage` of every kind, with the roles of its inputs.
const STAGES: &str = r#"[
  [{"kind":"download","params":{"files":[{"path":"text","bytes":3,"blake3":"ab"}]}}, []],
  [{"kind":"download","params":{"repo_type":"dataset","repo":"cais/mmlu","commit":"c30699e8",
    "files":["all/test-00000-of-00001.parquet"]}}, []],
  [{"kind":"download","params":{"sha256":"ab","name":"few_shot"}}, []],
  [{"kind":"calibrate","params":{"data":{"from":"text","format":"plain"},"n_samples":128,"seq_len":2048,
    "draw":{"sampling":"random","seed":0}}}, ["model","dataset"]],
  [{"kind":"calibrate","params":{"data":{"from":"text","format":"wikitext"},"n_samples":128,"seq_len":2048,
    "draw":{"sampling":"first"}}}, ["model","dataset"]],
  [{"kind":"calibrate","params":{"data":{"from":"examples","examples":{"kind":"mmlu","split":"stem","few_shot":5}},
    "n_samples":128,"seq_len":2048,"draw":{"sampling":"random","seed":1}}}, ["model","dataset","few_shot"]],
  [{"kind":"quantize","params":{"bits":3,"grid":"minmax","group_size":128,
    "rounding":{"method":"rtn"}}}, ["model"]],
  [{"kind":"quantize","params":{"bits":2,"grid":"mse","dtype":"bf16",
    "rounding":{"method":"gptq","damp":"0.01","block_size":128,"true_sequential":true}}}, ["model","calibration"]],
  [{"kind":"quantize","params":{"bits":2,"group_size":16,"dtype":"bf16","rounding":{"method":"spqr","damp":"1",
    "block_size":128,"true_sequential":true,"order":"activity","stats_bits":3,"outlier_threshold":"0.2"}}},
    ["model","calibration"]],
  [{"kind":"quantize","params":{"bits":3,"group_size":128,"dtype":"bf16","rounding":{"method":"slim_llm",
    "damp":"0.01","true_sequential":false,"salience_weight":"1"}}}, ["model","calibration"]],
  [{"kind":"quantize","params":{"bits":3,"grid":"minmax","group_size":128,"dtype":"bf16",
    "rounding":{"method":"awq","clip":true}}}, ["model","calibration"]],
  [{"kind":"quantize","params":{"bits":3,
    "rounding":{"method":"squeezellm","magnitude_ratio":"0.0045","fisher_ratio":"0.0005"}}}, ["model","gradients"]],
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
    "task":{"protocol":"perplexity","format":"plain","seq_len":512,"n_windows":24}}}, ["model","dataset","checkpoint"]],
  [{"kind":"evaluate","params":{"dtype":"bf16","batch_size":32,
    "task":{"protocol":"multiple_choice","examples":{"kind":"mmlu","split":"all","few_shot":5}}}},
    ["model","dataset","few_shot"]],
  [{"kind":"evaluate","params":{"dtype":"f32","task":{"protocol":"generate",
    "examples":{"kind":"gsm8k","few_shot":8},"max_new_tokens":256,"limit":100,
    "decoding":{"choose":"sample","temperature":"0.8","top_p":"0.95","seed":0}}}},
    ["model","dataset","few_shot","checkpoint"]],
  [{"kind":"evaluate","params":{"dtype":"f32","task":{"protocol":"generate","examples":{"kind":"custom",
    "prompt":"{{ question }}","completion":" {{ answer }}","few_shot":0,"separator":"\n\n","chat":false},
    "max_new_tokens":16,"decoding":{"choose":"greedy"},"answer":{"ignore_case":true}}}}, ["model","dataset"]],
  [{"kind":"command","params":{"command":["sh","-euc","x"],"env":{"A":"1"},"pass":["TOKEN"],"image":"sha256:ab",
    "outputs":["a","b/c"],"metrics":"m.json","weights":"f32"}}, ["model","checkpoint","files","other"]],
  [{"kind":"command","params":{"command":["x"],"outputs":["a"]}}, ["model"]]
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

/// Plans take a short way to keys; it must lead to those of the whole payload.
#[test]
fn keys_of_plans_are_those_of_their_payloads() {
    let sandbox = Sandbox::new();
    let methods = "    - rtn: {group_size: [16, row]}\n    - tacq: {outlier_ratio: [0.01, 0.02], saliency: [tacq, fisher, random]}\n";
    let start = EXPERIMENT.find("    - gptq").expect("it has methods");
    let end = EXPERIMENT.find("calibration:").expect("and more");
    let stages = "stages:\n  score: {command: 'quotes \"and\" \\ ü', env: {A: 'b\"'}, outputs: x}\n  of-it: {command: y, needs: [score], outputs: x}\n";
    let plan = sandbox.plan(&format!("{}{methods}{}{stages}", &EXPERIMENT[..start], &EXPERIMENT[end..]));
    assert!(plan.stages.len() > 40, "{}", plan.stages.len());
    for (id, stage) in plan.stages.iter().enumerate() {
        assert_eq!(
            plan.payload(id).expect("all sources are there").key(),
            *stage.key().unwrap(),
            "{}",
            stage.label
        );
    }
}
