//! Both programs on the trained model that comes with the repository: every kind of stage, every kind of task, and scores
//! that mean something.

use crate::sandbox::beside;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// `tacq-sweep run experiments/quickstart.yaml` with these values, from the repository's folder. Returns the scores by
/// method and task.
fn scores(folder: &Path, sets: &[&str]) -> BTreeMap<(String, String), f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let results = folder.join("results");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacq-sweep"));
    command
        .current_dir(root)
        .args(["run", "experiments/quickstart.yaml", "--store"])
        .arg(folder.join("store"));
    command.arg("--set").arg(format!("report.dir={}", results.display()));
    command.args(sets.iter().flat_map(|set| ["--set", set]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let csv = std::fs::read_to_string(results.join("results.csv")).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|n| *n == name).unwrap();
    let (method, task, value) = (column("method"), column("task"), column("value"));
    lines.map(|row| ((row[method].to_owned(), row[task].to_owned()), row[value].parse().unwrap())).collect()
}

#[test]
fn a_trained_model_is_hurt_by_two_bits_and_healed_by_its_circuit() {
    beside("tacq-engine");
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "sweep.condition_on=prose",
        "sweep.bits=2",
        "sweep.methods=[gptq, tacq: {outlier_ratio: 0.01}]",
        "calibration.n_samples=8",
        "evaluate=[mmlu, gsm8k, spider, prose]",
        "tasks.mmlu.limit=60",
        "tasks.gsm8k.limit=40",
        "tasks.spider.limit=40",
        "tasks.prose.n_windows=12",
    ];
    let scores = scores(folder.path(), &sets);
    let score = |method: &str, task: &str| scores[&(method.to_owned(), task.to_owned())];
    assert_eq!(scores.len(), 12, "{scores:?}");
    assert!(score("none", "mmlu") >= 0.85, "{scores:?}");
    assert!(score("none", "gsm8k") >= 0.80, "{scores:?}");
    assert!(score("none", "spider") >= 0.80, "{scores:?}");
    assert!(score("none", "prose") < 2.5, "{scores:?}");
    // Far apart: about 5 and 2.6.
    assert!(score("gptq", "prose") > 1.5 * score("none", "prose"), "{scores:?}");
    assert!(score("tacq", "prose") < 0.75 * score("gptq", "prose"), "{scores:?}");
}
