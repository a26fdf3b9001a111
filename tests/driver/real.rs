//! Both programs together on a tiny model: the numbers are libtorch's.

use crate::sandbox::{EXPERIMENT, STAGES, Sandbox, beside};

#[test]
fn a_sweep_on_libtorch_ends_with_its_table() {
    beside("tacq-engine");
    let sandbox = Sandbox::new();
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    let csv = sandbox.read("results/demo/results.csv");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    let tables = sandbox.tables();
    let again = sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    assert!(again.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", again.stderr);
    assert_eq!(sandbox.tables(), tables);
}

#[test]
fn every_method_and_saliency_runs() {
    let sandbox = Sandbox::new();
    let methods = "    - rtn: {group_size: [16], grid: [minmax, mse]}
    - gptq: {group_size: 16, true_sequential: [true, false]}
    - tacq: {outlier_ratio: 0.02, saliency: [tacq, weight, fisher, signed, abs_grad, msg, qal, random]}
    - tacq: {outlier_ratio: 0.02, quantizer: rtn}
";
    let start = EXPERIMENT.find("    - gptq").unwrap();
    let end = EXPERIMENT.find("calibration:").unwrap();
    sandbox.write("exp.yaml", &format!("{}{methods}{}", &EXPERIMENT[..start], &EXPERIMENT[end..]));
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    let csv = sandbox.read("results/demo/results.csv");
    assert_eq!(csv.lines().count(), 1 + 1 + 2 + 2 + 8 + 1, "{csv}");
    assert!(!csv.to_lowercase().contains("nan"), "{csv}");
}

#[test]
fn a_calibration_text_that_is_too_short_says_how_long_it_must_be() {
    let sandbox = Sandbox::new();
    sandbox.write("train.txt", "Too short.");
    sandbox.sweep(&["run", "exp.yaml"]).expect(1).says(&["calibrate[model,prose]", "tokens"]);
}

#[test]
fn weights_that_are_not_numbers_fail_what_reads_them_and_leave_nothing() {
    let sandbox = Sandbox::new();
    let path = sandbox.root.join("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    // All ones is not a number in every floating-point format.
    bytes[end - 4..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    sandbox.sweep(&["run", "exp.yaml"]).expect(1).says(&["model.safetensors", "0 of 4 trials done"]);
    assert!(!sandbox.root.join("results").exists(), "no result, no table");
    // The last weights are those of the final norm, which quantization does not read.
    for kind in ["evaluate", "gradients"] {
        assert!(!sandbox.root.join(".tacq/v1").join(kind).exists(), "no {kind} was committed");
    }
}

#[test]
fn a_tokenizer_of_another_model_is_told() {
    let sandbox = Sandbox::new();
    let tokenizer = sandbox.read("model/tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_str(&tokenizer).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().expect("a vocabulary");
    for id in vocabulary.values_mut() {
        *id = serde_json::json!(id.as_u64().unwrap() + 1000);
    }
    sandbox.write("model/tokenizer.json", &tokenizer.to_string());
    sandbox.sweep(&["run", "exp.yaml"]).expect(1).says(&[
        "tokenizer",
        "vocabulary",
        "calibrate[model,prose]",
    ]);
}

#[test]
fn a_device_that_is_not_there_is_an_environment_error() {
    let sandbox = Sandbox::new();
    sandbox.sweep(&["run", "exp.yaml", "--set", "run.devices=[cuda:99]"]).expect(3).says(&["cuda:99"]);
}

#[test]
fn the_command_that_reproduces_a_stage_does() {
    let sandbox = Sandbox::new();
    sandbox.sweep(&["run", "exp.yaml"]).expect(0);
    let shown = sandbox.sweep(&["show", "exp.yaml", "gradients*"]).expect(0).stdout;
    let value = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let request = value("reproduce: tacq-engine run ");
    let output = std::process::Command::new(beside("tacq-engine")).args(["run", request]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let alone = request.trim_end_matches(".json").to_owned() + "/output/gradients.safetensors";
    let stored = sandbox.root.join(value("artifact: ")).join("gradients.safetensors");
    assert_eq!(std::fs::read(alone).unwrap(), std::fs::read(stored).unwrap());
}
