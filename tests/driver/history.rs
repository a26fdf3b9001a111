//! What runs leave behind, and what is told from it: estimates, runs of the past, runs of this moment.

use crate::sandbox::{STAGES, Sandbox};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_plan_has_its_price_from_earlier_runs() {
    let sandbox = Sandbox::new();
    let fresh = sandbox.sweep(&["plan", "exp.yaml"]).expect(1).stdout;
    assert!(fresh.contains("to run: 15 stages; nothing like them has run yet"), "{fresh}");
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    // Another bit width: quantize, saliency, 2 select, 2 mixed_quantize, 3 evaluate, each a second so far.
    let changed = ["plan", "exp.yaml", "--set", "sweep.bits=[2,3]"];
    let plan = sandbox.sweep(&changed).expect(1).stdout;
    assert!(
        plan.contains("to run: 9 stages, about 9.00 s of work, 9.00 s from start to end on 1 device, "),
        "{plan}"
    );
    let two = [&changed[..], &["--set", "run.devices=[cpu, cuda:0]", "--json"]].concat();
    let expected = &json(&sandbox.sweep(&two).expect(1).stdout)["expected"];
    // quantize, saliency, select, mixed_quantize, evaluate follow each other.
    assert_eq!(expected["wall_secs"], 5.0, "{expected}");
    assert_eq!((&expected["secs"], &expected["gpu_secs"]), (&json("9.0"), &json("7.0")), "{expected}");
    assert!(expected["bytes"].as_u64().unwrap() > 0, "{expected}");
    let done = sandbox.sweep(&["plan", "exp.yaml"]).expect(0).stdout;
    assert!(!done.contains("to run"), "{done}");
}

#[test]
fn what_gc_took_is_still_known_from_the_records_of_runs() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    fs::remove_dir_all(sandbox.root.join(".tacq/v1/gradients")).unwrap();
    fs::remove_dir_all(sandbox.root.join(".tacq/v1/evaluate")).unwrap();
    let plan = json(&sandbox.sweep(&["plan", "exp.yaml", "--json"]).expect(1).stdout);
    assert_eq!(
        (&plan["expected"]["secs"], &plan["expected"]["unknown"]),
        (&json("4.0"), &json("0")),
        "{plan}"
    );
}

#[test]
fn history_lists_runs_and_how_they_ended() {
    let sandbox = Sandbox::new();
    sandbox.sweep(&["history"]).expect(0).says(&["no run has left a record yet"]);
    sandbox.sweep_told(&["run", "exp.yaml"], "gradients=fail:numerics").expect(1);
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let runs = json(&sandbox.sweep(&["history", "exp.yaml", "--format", "json"]).expect(0).stdout);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!(runs[0]["record"]["summary"]["computed"], 8);
    assert_eq!(runs[1]["record"]["summary"]["failed"], 1);
    assert_eq!(runs[0]["started"]["command"], "tacq-sweep run exp.yaml");
    // A run that was killed has no summary.
    let dir = sandbox.root.join(runs[0]["dir"].as_str().unwrap());
    fs::remove_file(dir.join("summary.json")).unwrap();
    let table = sandbox.sweep(&["history"]).expect(0).stdout;
    let states: Vec<&str> = table.lines().skip(1).map(|l| l.split_whitespace().nth(3).unwrap()).collect();
    assert_eq!(states, ["killed", "failed"], "{table}");
}

#[test]
fn status_shows_what_another_process_runs() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.command_fake(&["run", "exp.yaml"], "gradients=wait:600000");
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_gradients = |line: &str| line.starts_with("  cpu  ") && line.contains(" gradients[model,prose]");
    let shown = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let status = sandbox.sweep(&["status", "exp.yaml"]);
        status.stdout.lines().any(is_gradients).then_some(status.stdout)
    });
    let pid = run.id();
    run.kill().unwrap();
    run.wait().unwrap();
    let shown = shown.expect("the run is seen");
    assert!(shown.contains(&format!(", process {pid} on ")), "{shown}");
    let after = sandbox.sweep(&["status", "exp.yaml"]).expect(0).stdout;
    assert!(after.contains("last run: killed"), "{after}");
}

#[test]
fn a_summary_is_written_for_programs() {
    let sandbox = Sandbox::new();
    let arguments = ["run", "exp.yaml", "--summary-json", "end.json"];
    sandbox.sweep_told(&arguments, "gradients=fail:numerics").expect(1).says(&[
        "failed: gradients[model,prose]",
        "blocks 7 stages",
        "resume with: tacq-sweep run exp.yaml",
    ]);
    let summary = &json(&sandbox.read("end.json"))["summary"];
    assert_eq!((&summary["failed"], &summary["blocked"]), (&json("1"), &json("7")), "{summary}");
    sandbox.sweep_fake(&arguments).expect(0);
    sandbox.sweep_fake(&arguments).expect(0);
    let summary = &json(&sandbox.read("end.json"))["summary"];
    assert_eq!(
        (&summary["computed"], &summary["reused"]),
        (&json("0"), &json(&STAGES.to_string())),
        "{summary}"
    );
}

#[test]
fn a_stage_for_which_there_is_no_room_is_not_begun() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    fs::remove_dir_all(sandbox.root.join(".tacq/v1/gradients")).unwrap();
    fs::remove_dir_all(sandbox.root.join(".tacq/v1/saliency")).unwrap();
    let runs = sandbox.root.join(".tacq/v1/runs");
    let run = fs::read_dir(runs).unwrap().next().unwrap().unwrap().path().join("stages.jsonl");
    // As if gradients had once taken a petabyte.
    let mut lines: Vec<Value> = fs::read_to_string(&run).unwrap().lines().map(json).collect();
    for line in lines.iter_mut().filter(|line| line["kind"] == "gradients") {
        line["bytes"] = json("1000000000000000");
    }
    fs::write(&run, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    sandbox.asked();
    let only = ["run", "exp.yaml", "--only", "saliency*"];
    sandbox.sweep_fake(&only).expect(4).says(&[
        "failed: gradients[model,prose]",
        "it is expected to write 1000000.0 GB",
        "store gc",
    ]);
    assert_eq!(sandbox.asked(), Vec::<String>::new(), "nothing was begun");
}
