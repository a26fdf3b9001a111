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
