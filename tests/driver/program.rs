//! The program on the command line, with a stand-in engine: what it prints, how it exits, what it leaves behind.

use crate::sandbox::{EXPERIMENT, Finished, STAGES, Sandbox};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tacq_protocol::stage::DownloadParams;

#[test]
fn it_links_no_libtorch() {
    let output = std::process::Command::new("ldd").arg(env!("CARGO_BIN_EXE_tacq-sweep")).output().unwrap();
    let libraries = String::from_utf8_lossy(&output.stdout);
    assert!(libraries.contains("libc.so"), "{libraries}");
    assert!(!libraries.contains("torch") && !libraries.contains("libc10"), "{libraries}");
}

#[test]
fn a_run_ends_with_tables_and_a_second_one_changes_nothing() {
    let sandbox = Sandbox::new();
    let first = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert!(first.stderr.contains(&format!("4 of 4 trials done; stages: {STAGES} computed, 0 reused")));
    assert_eq!(sandbox.asked().len(), STAGES - 3);
    let tables = sandbox.tables();
    assert!(tables.iter().any(|(name, _)| name == "results.csv"), "{tables:?}");
    let runs = || fs::read_dir(sandbox.root.join(".tacq/v1/runs")).unwrap().count();
    assert_eq!(runs(), 1);
    let second = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert!(second.stderr.contains(&format!("0 computed, {STAGES} reused")), "{}", second.stderr);
    assert_eq!(sandbox.asked(), Vec::<String>::new());
    assert_eq!(sandbox.tables(), tables);
    assert_eq!(runs(), 1, "a run without work leaves no folder");
    let locks = fs::read_dir(sandbox.root.join(".tacq/v1/locks")).unwrap().count();
    let staging = fs::read_dir(sandbox.root.join(".tacq/v1/staging")).unwrap().count();
    assert_eq!((locks, staging), (0, 0), "nothing is left lying about");
}

#[test]
fn plan_says_what_is_there_and_exits_with_1_while_work_remains() {
    let sandbox = Sandbox::new();
    let before = sandbox.sweep(&["plan", "exp.yaml"]).expect(1);
    assert!(before.stdout.starts_with("4 trials, 15 stages\n"), "{}", before.stdout);
    assert!(
        before.stdout.contains("gradients           1    0    1        0         0"),
        "{}",
        before.stdout
    );
    assert!(!sandbox.root.join(".tacq/v1/locks").exists(), "planning reserves nothing");
    sandbox.sweep(&["run", "exp.yaml", "--dry-run"]).expect(1);
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let after = sandbox.sweep(&["plan", "exp.yaml"]).expect(0);
    assert!(after.stdout.contains("all                15   15    0        0         0"), "{}", after.stdout);
}

#[test]
fn plans_are_also_json_and_graphs() {
    let sandbox = Sandbox::new();
    let json = sandbox.sweep(&["plan", "exp.yaml", "--json"]).expect(1).stdout;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["stages"].as_array().unwrap().len(), STAGES);
    assert_eq!(plan["trials"][0]["label"], "model/16-bit");
    let mermaid = sandbox.sweep(&["plan", "exp.yaml", "--graph", "mermaid"]).expect(1).stdout;
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("calibrate[model,prose]\"]:::run"));
    let dot = sandbox.sweep(&["plan", "exp.yaml", "--graph", "dot"]).expect(1).stdout;
    assert!(dot.starts_with("digraph plan {") && dot.ends_with("}\n") && dot.contains(" -> "));
    let stages = sandbox.sweep(&["plan", "exp.yaml", "--stages"]).expect(1).stdout;
    assert_eq!(stages.lines().count(), STAGES + 1);
}

#[test]
fn why_names_the_field_that_changed_and_where() {
    let sandbox = Sandbox::new();
    let never = sandbox.sweep(&["why", "exp.yaml", "gradients*"]).expect(0).stdout;
    assert!(never.contains("nothing of its kind"), "{never}");
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let hit = sandbox.sweep(&["why", "exp.yaml", "gradients*"]).expect(0).stdout;
    assert!(hit.contains("HIT"), "{hit}");
    let changed = ["--set", "calibration.n_samples=5"];
    let cause =
        sandbox.sweep(&[&["why", "exp.yaml", "evaluate*gptq*"], &changed[..]].concat()).expect(0).stdout;
    assert!(cause.contains("calibrate[model,prose] params.n_samples: 4 -> 5"), "{cause}");
    assert_eq!(cause.matches("->").count(), 1, "one cause, not its cascade: {cause}");
    let gradients =
        sandbox.sweep(&[&["why", "exp.yaml", "gradients*"], &changed[..]].concat()).expect(0).stdout;
    assert!(gradients.contains("follows: 7 stages"), "{gradients}");
    let trial = sandbox.sweep(&["why", "exp.yaml", "model/prose/gptq/2-bit/seed 0"]).expect(0).stdout;
    assert!(trial.contains("HIT"), "{trial}");
    let json =
        sandbox.sweep(&[&["why", "exp.yaml", "gradients*", "--format", "json"], &changed[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.expect(0).stdout).unwrap();
    assert_eq!(json[0]["explanation"]["causes"][0]["field"], "params.n_samples");
    let all = sandbox.sweep(&[&["why", "exp.yaml"], &changed[..]].concat()).expect(0).stdout;
    let expected = "params.n_samples: 4 -> 5\n  in calibrate[model,prose]\n  follows: 10 stages\n";
    assert_eq!(all, expected, "the cause, where it lies, and its cascade");
    let done = sandbox.sweep(&["why", "exp.yaml"]).expect(0).stdout;
    assert_eq!(done, "everything is in the store: nothing would run\n");
    sandbox.sweep(&["why", "exp.yaml", "nonsense"]).expect(2).says(&["nonsense", "matches no stage"]);
}

#[test]
fn a_changed_source_is_named_by_why() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let text = sandbox.read("train.txt") + "one more sentence";
    sandbox.write("train.txt", &text);
    let why = sandbox.sweep(&["why", "exp.yaml", "gradients*"]).expect(0).stdout;
    assert!(why.contains("download[prose,train] params.files[0].blake3: "), "{why}");
}

#[test]
fn show_tells_parameters_result_and_how_to_reproduce() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let shown = sandbox.sweep(&["show", "exp.yaml", "model/prose/gptq/2-bit/seed 0"]).expect(0).stdout;
    for words in ["perplexity: ", "reproduce: tacq-engine run /", "checkpoint: ", "wall_secs: 1"] {
        assert!(shown.contains(words), "no `{words}` in:\n{shown}");
    }
    let request = shown.lines().find_map(|l| l.strip_prefix("reproduce: tacq-engine run ")).unwrap();
    assert!(fs::read_to_string(request).unwrap().contains("\"evaluate\""));
    let checkpoint = sandbox.sweep(&["show", "exp.yaml", "quantize*"]).expect(0).stdout;
    assert!(checkpoint.contains("avg_bits: 2.5"), "{checkpoint}");
}

#[test]
fn status_counts_trials_and_names_the_last_failure() {
    let sandbox = Sandbox::new();
    let fresh = sandbox.sweep(&["status", "exp.yaml"]).expect(0).stdout;
    assert!(fresh.contains("0 of 4 trials done"), "{fresh}");
    let failed = sandbox.sweep_told(&["run", "exp.yaml"], "gradients=fail:numerics").expect(1).says(&[
        "failed: gradients[model,prose]",
        "told to fail; do not",
        "blocks 7 stages: saliency[",
        "reproduce: tacq-engine run ",
        "2 of 4 trials done",
    ]);
    assert!(failed.stderr.contains("log.jsonl"));
    let status = sandbox.sweep(&["status", "exp.yaml"]).expect(0).stdout;
    assert!(
        status.contains("2 of 4 trials done") && status.contains("failed: gradients[model,prose]"),
        "{status}"
    );
    let json = sandbox.sweep(&["status", "exp.yaml", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["last_run"]["record"]["summary"]["blocked"], 7);
    let dir = sandbox.root.join(json["last_run"]["dir"].as_str().unwrap());
    let log = fs::read_to_string(dir.join("log.jsonl")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    assert!(log.contains("told to fail"), "{log}");
}

#[test]
fn an_engine_that_dies_or_talks_nonsense_fails_its_stage_only() {
    for what in ["exit", "garbage"] {
        let sandbox = Sandbox::new();
        let ended = sandbox.sweep_told(&["run", "exp.yaml"], &format!("gradients={what}")).expect(1);
        ended.says(&["trying gradients[model,prose] again", "the engine died", "2 of 4 trials done"]);
        sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    }
}

#[test]
fn a_source_that_changes_under_a_stage_is_not_committed() {
    let sandbox = Sandbox::new();
    let told = format!("calibrate=touch:{}", sandbox.root.join("train.txt").display());
    let ended = sandbox.sweep_told(&["run", "exp.yaml"], &told).expect(1);
    ended.says(&["train.txt changed while the sweep ran", "run again"]);
}

#[test]
fn an_engine_that_is_not_there_or_not_ours_is_an_environment_error() {
    let sandbox = Sandbox::new();
    sandbox
        .sweep(&["run", "exp.yaml", "--engine", "/nonexistent/engine"])
        .expect(3)
        .says(&["cannot start the engine /nonexistent/engine", "--engine"]);
    sandbox
        .sweep(&["run", "exp.yaml", "--engine", "/bin/true"])
        .expect(3)
        .says(&["ended before it was ready"]);
    let mut run = sandbox.command_fake(&["run", "exp.yaml"], "");
    run.env("FAKE_ENGINE_PROTOCOL", "99");
    Finished::from(run.output().unwrap()).expect(3).says(&["protocol 99", "build both"]);
}

#[test]
fn sources_that_are_missing_are_all_named_before_anything_runs() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.root.join("test.txt")).unwrap();
    fs::remove_file(sandbox.root.join("model/config.json")).unwrap();
    let ended = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(2).says(&[
        "exp.yaml:2:8: model folder model has no config.json",
        "there is no file test.txt for the test split of data set prose (--set datasets.prose.test=FILE)",
    ]);
    assert!(ended.stdout.is_empty() && !sandbox.root.join(".tacq/v1/runs").exists());
    let plan = sandbox.sweep(&["plan", "exp.yaml"]).expect(1);
    assert!(plan.stdout.contains("evaluate            4    0    0        4"), "{}", plan.stdout);
}

#[test]
fn a_model_that_cannot_work_is_refused_at_once() {
    let config = |architecture: &str| format!(r#"{{"architectures": ["{architecture}"]}}"#);
    let cases: [(&str, Vec<u8>, &[&str]); 4] = [
        (
            "config.json",
            config("MambaForCausalLM").into(),
            &["MambaForCausalLM", "LlamaForCausalLM, Qwen2ForCausalLM"],
        ),
        ("config.json", b"{".to_vec(), &["config.json is not valid JSON"]),
        ("model.safetensors", b"short".to_vec(), &["too short to be a safetensors file"]),
        ("model.safetensors", b"\xff\xff\0\0\0\0\0\0{}".to_vec(), &["truncated"]),
    ];
    for (file, contents, words) in cases {
        let sandbox = Sandbox::new();
        fs::write(sandbox.root.join("model").join(file), contents).unwrap();
        sandbox.sweep_fake(&["run", "exp.yaml"]).expect(2).says(words);
    }
    let sandbox = Sandbox::new();
    let weights = sandbox.root.join("model/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 1]).unwrap();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(2).says(&[
        "truncated",
        "its header promises",
        "download it again",
    ]);
}

#[test]
fn a_store_that_cannot_be_written_ends_the_run_with_4() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    sandbox
        .sweep_fake(&["run", "exp.yaml", "--store", "file/store"])
        .expect(4)
        .says(&["store file/store: cannot"]);
    if unsafe { libc::geteuid() } != 0 {
        let locked = sandbox.root.join("locked");
        fs::create_dir(&locked).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
        let ended = sandbox.sweep_fake(&["run", "exp.yaml", "--store", "locked"]).expect(4);
        ended.says(&["locked", "check the permissions"]);
    }
}

#[test]
fn an_experiment_that_is_wrong_exits_with_2_and_says_where() {
    let sandbox = Sandbox::new();
    sandbox.write("exp.yaml", &EXPERIMENT.replace("bits: [2]", "bitz: [2]"));
    for command in ["validate", "plan", "run", "status", "report"] {
        sandbox.sweep(&[command, "exp.yaml"]).expect(2).says(&["exp.yaml:7:3", "bitz", "bits"]);
    }
    sandbox.sweep(&["run", "absent.yaml"]).expect(2).says(&["absent.yaml"]);
    sandbox.sweep(&["frobnicate"]).expect(2);
    sandbox.sweep(&["--version"]).expect(0);
}

#[test]
fn only_runs_what_is_named_and_what_it_needs() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml", "--only", "model/16-bit"]).expect(0);
    assert_eq!(sandbox.asked(), ["evaluate"]);
    assert!(sandbox.read("results/demo/results.csv").lines().count() == 2, "a heading and the 16-bit model");
    sandbox.sweep_fake(&["run", "exp.yaml", "--only", "*nothing*"]).expect(2).says(&["--only"]);
}

#[test]
fn report_rewrites_lost_tables_without_an_engine() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let tables = sandbox.tables();
    fs::remove_dir_all(sandbox.root.join("results")).unwrap();
    sandbox.asked();
    sandbox.sweep_fake(&["report", "exp.yaml"]).expect(0);
    assert_eq!(sandbox.tables(), tables);
    assert!(sandbox.asked().is_empty());
}

#[test]
fn two_programs_started_together_share_the_work_and_the_tables() {
    let sandbox = Sandbox::new();
    let spawn = || {
        let mut run = sandbox.command_fake(&["run", "exp.yaml"], "gradients=wait:300");
        run.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let runs = [spawn(), spawn()];
    for run in runs {
        let ended = Finished::from(run.wait_with_output().unwrap()).expect(0);
        assert!(ended.stderr.contains("4 of 4 trials done"), "{}", ended.stderr);
    }
    assert_eq!(sandbox.asked().len(), STAGES - 3, "every stage but the sources was asked for once");
    let tables = sandbox.tables();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(sandbox.tables(), tables);
}

#[test]
fn a_source_that_changes_before_its_stage_is_not_read_under_the_old_key() {
    let sandbox = Sandbox::new();
    // Calibration comes first; the test text is read by evaluations, later.
    let told = format!("calibrate=touch:{}", sandbox.root.join("test.txt").display());
    let ended = sandbox.sweep_told(&["run", "exp.yaml"], &told).expect(1);
    ended.says(&["failed: evaluate[model,16-bit,on prose]", "test.txt changed while the sweep ran"]);
}

#[test]
fn the_weights_that_the_engine_reads_are_those_in_the_key() {
    let sandbox = Sandbox::new();
    sandbox.write("model/model.safetensors.index.json", r#"{"weight_map": {"a": "absent.safetensors"}}"#);
    let plan = sandbox.plan(EXPERIMENT);
    let tacq_protocol::StageParams::Download(DownloadParams::Local(params)) = &plan.stages[0].params else {
        panic!("the model is first")
    };
    let names: Vec<_> = params.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
}

#[test]
fn an_idle_run_makes_again_what_is_not_as_it_was_left() {
    let sandbox = Sandbox::new();
    let run = |more: &[&str]| {
        let arguments = [&["run", "exp.yaml"], more].concat();
        sandbox.sweep_fake(&arguments).expect(0)
    };
    run(&[]);
    let tables = sandbox.tables();
    let path = |name: &str| sandbox.root.join("results/demo").join(name);
    for (name, _) in &tables {
        fs::write(path(name), "edited").unwrap();
        run(&[]).says(&["0 computed", &format!("results/demo/{name}")]);
        assert!(sandbox.tables() == tables, "{name} was edited");
        fs::remove_file(path(name)).unwrap();
        run(&[]);
        assert!(sandbox.tables() == tables, "{name} was removed");
    }
    let changed = |name: &str| fs::metadata(path(name)).unwrap().modified().unwrap();
    let before = changed("results.csv");
    run(&["--set", "report.templates=[matched.md.j2]"]);
    assert!(path("matched.md").exists());
    run(&["--set", "name=other"]);
    assert!(sandbox.read("results/other/results.csv").contains("other,"));
    run(&["--set", "tasks.prose.n_windows=3"]);
    assert_ne!(changed("results.csv"), before);
    run(&[]).says(&["0 computed"]);
    let back: Vec<_> = sandbox.tables().into_iter().filter(|(name, _)| name != "matched.md").collect();
    assert!(back == tables);
    fs::write(sandbox.root.join(".tacq/v1/rendered.json"), "{").unwrap();
    run(&[]);
}
