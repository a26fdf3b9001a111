//! Tasks with answers: what a batch may not change, and what a kill may not lose.

use super::*;
use std::fmt::Write as _;

/// Questions of a subject; the last quarter of them is what is evaluated.
const QUESTIONS: usize = 24;

impl Sandbox {
    /// Two subjects in MMLU's published layout: folders `dev` and `test`.
    fn mmlu(&self) -> [PathBuf; 2] {
        ["dev", "test"].map(|split| {
            let folder = self.path(split);
            fs::create_dir_all(&folder).unwrap();
            for subject in ["animals", "numbers"] {
                let mut text = String::new();
                for i in 0..if split == "dev" { 5 } else { QUESTIONS } {
                    let letter = ["A", "B", "C", "D"][(i * 7 + subject.len()) % 4];
                    let more = "and so on, ".repeat(i % 5);
                    writeln!(text, "\"{subject} {i}, {more}which?\",red,green,blue {i},\"a, b\",{letter}")
                        .unwrap();
                }
                fs::write(folder.join(format!("{subject}_{split}.csv")), text).unwrap();
            }
            folder
        })
    }

    fn questions(&self, batch_size: u32) -> Value {
        let [dev, test] = self.mmlu();
        let params = json!({"dtype": "f32", "task": {"protocol": "multiple_choice",
            "examples": {"kind": "mmlu", "split": "all", "few_shot": 5}}});
        let inputs = [("model", fixture("llama")), ("dataset", test), ("few_shot", dev)];
        self.batched("evaluate", params, &inputs, batch_size)
    }

    /// Word problems answered by sampling.
    fn problems(&self, n: usize, batch_size: u32) -> Value {
        let shots = self.path("shots.jsonl");
        let shot = json!({"question": "One and two?", "chain": "1 + 2 = 3.", "answer": "3"});
        fs::write(&shots, format!("{shot}\n").repeat(8)).unwrap();
        let problems = self.path("problems.jsonl");
        let problem = |i: usize| {
            let question = format!("How many is {i}{}?", " and one more".repeat(i % 4));
            json!({"question": question, "answer": format!("It is {i}.\n#### {i}")}).to_string() + "\n"
        };
        fs::write(&problems, (0..n).map(problem).collect::<String>()).unwrap();
        let params = json!({"dtype": "f32", "task": {"protocol": "generate",
            "examples": {"kind": "gsm8k", "few_shot": 8}, "max_new_tokens": 24,
            "decoding": {"choose": "sample", "temperature": "0.8", "top_p": "0.95", "seed": 3}}});
        let inputs = [("model", fixture("qwen2")), ("dataset", problems), ("few_shot", shots)];
        self.batched("evaluate", params, &inputs, batch_size)
    }

    fn batched(&self, kind: &str, params: Value, inputs: &[(&str, PathBuf)], batch_size: u32) -> Value {
        let inputs: Vec<_> = inputs.iter().map(|(role, path)| (*role, path.as_path())).collect();
        let mut request = self.request(kind, params, &inputs);
        request["run"]["batch_size"] = json!(batch_size);
        request
    }

    fn results(&self) -> [Vec<u8>; 2] {
        ["records.parquet", "metrics.json"].map(|name| self.output(name))
    }

    fn metrics(&self) -> Value {
        serde_json::from_slice(&self.output("metrics.json")).unwrap()
    }

    /// Lines of the log of finished records.
    fn finished_records(&self) -> usize {
        let path = self.path("progress").join("records.jsonl");
        fs::read_to_string(path).unwrap_or_default().lines().count()
    }
}

#[test]
fn a_batch_changes_no_choice() {
    let [one, many] = [1, 32].map(|batch_size| {
        let sandbox = Sandbox::new();
        sandbox.run(&sandbox.questions(batch_size)).done();
        sandbox
    });
    let metrics = one.metrics();
    assert_eq!(metrics["n_examples"], 2 * QUESTIONS / 4);
    let score = metrics["metrics"]["accuracy"].as_f64().unwrap();
    let ends = &metrics["intervals"]["accuracy"];
    assert!(ends[0].as_f64().unwrap() <= score && score <= ends[1].as_f64().unwrap(), "{metrics}");
    assert_eq!(metrics, many.metrics());
    // Log-probabilities may differ in their last digits; what is predicted may not.
    let predictions = |sandbox: &Sandbox| -> Vec<(String, String)> {
        let records = tacq_tasks::records::read(sandbox.output("records.parquet")).unwrap();
        records.into_iter().map(|record| (record.id, record.prediction)).collect()
    };
    assert_eq!(predictions(&one), predictions(&many));
}

#[test]
fn a_batch_changes_no_sampled_text() {
    let [one, many] = [1, 32].map(|batch_size| {
        let sandbox = Sandbox::new();
        sandbox.run(&sandbox.problems(40, batch_size)).done();
        sandbox
    });
    assert_eq!(one.results(), many.results());
    let records = tacq_tasks::records::read(one.output("records.parquet")).unwrap();
    assert!(records.iter().all(|record| record.n_tokens > 0 && record.correct.is_some()));
    let outputs: std::collections::BTreeSet<_> = records.iter().map(|record| &record.output).collect();
    assert!(outputs.len() > 30, "every example draws for itself");
}

#[test]
fn a_kill_loses_at_most_one_batch() {
    const BATCH: usize = 4;
    let whole = Sandbox::new();
    whole.run(&whole.problems(400, BATCH as u32)).done();
    let killed = Sandbox::new();
    let request = killed.problems(400, BATCH as u32);
    let mut child = killed.start(&request);
    let told = wait_for_progress(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = killed.finished_records();
    assert!(kept as u64 >= told && kept < 400, "{told} told, {kept} kept");
    let again = killed.run(&request);
    assert!(again.done().resumed);
    let first = again.events.iter().find_map(|e| match e {
        Event::Progress { done, .. } => Some(*done),
        _ => None,
    });
    assert_eq!(first, Some(kept as u64));
    assert_eq!(killed.results(), whole.results());
}
