//! Examples behind the scores, from the stand-in engine's records to what a person reads.

use crate::sandbox::Sandbox;
use serde_json::Value;
use std::fs;

const GPTQ: &str = "model/prose/gptq/2-bit/seed 0";

/// Lines of JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn a_run_compares_methods_and_report_prints_it() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let csv = sandbox.read("results/demo/differences.csv");
    // Three quantized models with the 16-bit one, two ratios with GPTQ, one ratio with the other.
    assert_eq!(csv.lines().count(), 1 + 3 + 2 + 1, "{csv}");
    assert_eq!(csv.matches(",ratio,").count(), 6, "{csv}");
    let results = sandbox.read("results/demo/results.csv");
    assert!(
        results.lines().skip(1).all(|line| line.split(',').nth(14).is_some_and(|low| !low.is_empty())),
        "{results}"
    );
    let table = sandbox.read("results/demo/table.md");
    assert!(table.contains("| tacq 2 % | tacq 1 % | 1 | 4 | × "), "{table}");
    let printed = sandbox.sweep_fake(&["report", "exp.yaml"]).expect(0).stdout;
    assert!(printed.contains("16 bit") && printed.contains("differences.csv"), "{printed}");
    assert_eq!(sandbox.read("results/demo/differences.csv"), csv);
}

#[test]
fn a_report_puts_printed_scores_beside_the_measured() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let header = "place,model,method,saliency,bits,avg_bits,group_size,outlier_ratio,condition_on,n_samples,task,\
                  metric,value,spread,n,note";
    let lines = [
        "table 7,Model,tacq,tacq,2,,,0.01,prose,,prose,perplexity,1.5,0.25,3,as it was",
        "table 7,model,gptq,,2,,,,,4,prose,perplexity,2,,,",
        "table 7,model,gptq,,2,,,,,8,prose,perplexity,3,,,of other samples",
        "table 7,model,gptq,,3,,,,prose,,prose,perplexity,4,,,of other bits",
    ];
    fs::write(sandbox.root.join("printed.csv"), [header, &lines.join("\n")].join("\n")).unwrap();
    let told = sandbox.sweep(&["report", "exp.yaml", "--compare", "printed.csv"]).expect(0).stdout;
    assert!(told.contains("table 7") && told.contains("1.50 ± 0.25") && told.contains("as it was"), "{told}");
    assert!(!told.contains("of other"), "{told}");
    let csv = sandbox.read("results/demo/comparison.csv");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let summary = sandbox.read("results/demo/summary.csv");
    let at = summary.lines().next().unwrap().split(',').position(|name| name == "mean").unwrap();
    let line = summary.lines().find(|line| line.contains(",tacq,tacq,2,,0.01,")).expect("it was run");
    let mean = line.split(',').nth(at).unwrap();
    // What was measured is what the summary says.
    assert!(csv.lines().nth(1).unwrap().contains(&format!(",{mean},")), "{mean}\n{csv}\n{summary}");
    let none = sandbox.sweep(&["report", "exp.yaml", "--compare", "paper"]).expect(0);
    assert!(none.stderr.contains("nothing of what is printed there"), "{}", none.stderr);
    let missing = sandbox.sweep(&["report", "exp.yaml", "--compare", "no.csv"]);
    missing.expect(1).says(&["no.csv"]);
}

#[test]
fn windows_are_shown_worst_first() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let shown =
        sandbox.sweep(&["show", "exp.yaml", GPTQ, "--task", "prose", "--limit", "2"]).expect(0).stdout;
    assert!(
        shown.starts_with("model/prose/gptq/2-bit/seed 0: prose\n4 windows; the first 2 of 4 as asked for"),
        "{shown}"
    );
    assert!(!shown.contains('\x1b'), "no colour where no terminal is: {shown}");
    let losses: Vec<f64> = shown
        .lines()
        .filter_map(|line| line.trim().strip_prefix("loss")?.split_whitespace().next()?.parse().ok())
        .collect();
    assert!(losses.len() == 2 && losses[0] >= losses[1], "{shown}");
    let all = sandbox.sweep(&["show", "exp.yaml", GPTQ, "--wrong", "--format", "json"]).expect(0);
    assert!(all.stderr.contains("prose has no right and wrong"), "{}", all.stderr);
    let all = lines(&all.stdout);
    assert_eq!(all.len(), 4);
    assert_eq!((&all[0]["trial"], &all[0]["task"]), (&Value::from(GPTQ), &Value::from("prose")));
    assert!(all[0]["value"].as_f64() >= all[3]["value"].as_f64());
    assert_eq!(all[0]["stage_key"].as_str().unwrap().len(), 64);
}

#[test]
fn two_trials_are_shown_side_by_side() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let command = ["show", "exp.yaml", GPTQ, "--against", "model/16-bit"];
    let shown = sandbox.sweep(&command).expect(0).stdout;
    assert!(shown.contains("\nagainst model/16-bit\n") && shown.contains("\n  model/16-bit\n"), "{shown}");
    let json = lines(&sandbox.sweep(&[&command[..], &["--format", "json"]].concat()).expect(0).stdout);
    let gap = |line: &Value| line["value"].as_f64().unwrap() - line["against"]["value"].as_f64().unwrap();
    assert!(json.windows(2).all(|pair| gap(&pair[0]) >= gap(&pair[1])), "{json:?}");
    assert_eq!(json[0]["against"]["trial"], "model/16-bit");
    sandbox
        .sweep(&["show", "exp.yaml", GPTQ, "--against", "*tacq*"])
        .expect(2)
        .says(&["names several trials"]);
}

#[test]
fn what_cannot_be_shown_is_a_sentence() {
    let sandbox = Sandbox::new();
    let early = sandbox.sweep(&["show", "exp.yaml", GPTQ, "--wrong"]).expect(1);
    early.says(&["is not evaluated on prose yet; run: tacq-sweep run exp.yaml"]);
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    sandbox.sweep(&["show", "exp.yaml", GPTQ, "--task", "mmlu"]).expect(2).says(&["its tasks: prose"]);
    sandbox.sweep(&["show", "exp.yaml", "gradients*", "--wrong"]).expect(2).says(&["name a trial"]);
    sandbox.sweep(&["show", "exp.yaml", GPTQ, "--wrong", "--right"]).expect(2);
    // An artifact of a time without records: its manifest does not know the file.
    let key =
        &lines(&sandbox.sweep(&["show", "exp.yaml", GPTQ, "--limit", "1", "--format", "json"]).stdout)[0];
    let key = key["stage_key"].as_str().unwrap();
    let dir = sandbox.root.join(".tacq/v1/evaluate").join(&key[..2]).join(key);
    fs::remove_file(dir.join("records.parquet")).unwrap();
    let manifest = dir.join("manifest.json");
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    json["files"].as_array_mut().unwrap().retain(|file| file["path"] != "records.parquet");
    fs::write(&manifest, json.to_string()).unwrap();
    let old = sandbox.sweep(&["show", "exp.yaml", GPTQ, "--wrong"]).expect(1);
    old.says(&["has no records of its examples", "remove .tacq/v1/evaluate/", "run again"]);
    let report = sandbox.sweep(&["report", "exp.yaml"]).expect(0);
    assert!(report.stderr.contains("not compared: 1 of 4 evaluations have no records"), "{}", report.stderr);
}

/// Right and wrong: a quiz of one's own, answered by the stand-in engine.
const QUIZ: &str = "\
name: quiz
model: model
datasets:
  quiz: {train: quiz.jsonl, test: quiz.jsonl, few_shot: quiz.jsonl, prompt: '{{ q }}', completion: ' A'}
sweep:
  condition_on: quiz
  bits: [2]
  methods: [gptq, tacq: {outlier_ratio: 0.01}]
calibration: {n_samples: 4, seq_len: 32}
tasks:
  quiz: {type: multiple_choice, few_shot: 1, choices: [' A', ' B', ' C', ' D']}
";

#[test]
fn wrong_answers_are_shown_with_question_and_gold() {
    let sandbox = Sandbox::new();
    sandbox.write("quiz.yaml", QUIZ);
    sandbox.write("quiz.jsonl", "{\"q\": \"Who?\"}\n");
    sandbox.sweep_fake(&["run", "quiz.yaml"]).expect(0);
    let target = "model/quiz/gptq/2-bit/seed 0";
    let show =
        |more: &[&str]| sandbox.sweep(&[&["show", "quiz.yaml", target][..], more].concat()).expect(0).stdout;
    let text = show(&["--task", "quiz", "--wrong", "--limit", "1"]);
    for words in [
        "  wrong\n",
        "characters that all prompts begin with …]",
        "Question ",
        "  prediction  ",
        "  gold        ",
        "  log-probs   ",
    ] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    assert!(!text.contains("Solved question"), "{text}");
    assert!(show(&["--wrong", "--limit", "1", "--full"]).contains("Solved question 2 about"), "{text}");

    let json = ["--limit", "0", "--format", "json"];
    let wrong = lines(&show(&[&["--wrong"][..], &json].concat()));
    let right = lines(&show(&[&["--right"][..], &json].concat()));
    let law = lines(&show(&[&["--wrong", "--group", "law"][..], &json].concat()));
    assert_eq!(wrong.len() + right.len(), 40);
    assert!(!wrong.is_empty() && !law.is_empty() && law.len() < wrong.len());
    assert!(wrong.iter().all(|line| line["correct"] == false && line["prediction"] != line["gold"]));
    assert!(law.iter().all(|line| line["group"] == "law"));
    let lost = lines(&show(&[&["--wrong", "--against", "model/16-bit"][..], &json].concat()));
    assert!(!lost.is_empty() && lost.len() < wrong.len());
    assert!(lost.iter().all(|line| line["correct"] == false && line["against"]["correct"] == true));

    // What is shown adds up to what the tables say.
    let accuracy = format!(",quiz,accuracy,{:?},", right.len() as f64 / 40.0);
    assert!(sandbox.read("results/quiz/results.csv").contains(&accuracy), "{accuracy}");
    let differences = sandbox.read("results/quiz/differences.csv");
    assert_eq!(differences.matches(",mcnemar,").count(), 3, "{differences}");
    let groups = sandbox.read("results/quiz/groups.csv");
    let of_law = (20 - law.len()) as f64 / 20.0;
    assert!(groups.contains(&format!(",gptq,,2,,,,quiz,accuracy,0,law,20,{of_law:?}\n")), "{groups}");
}
