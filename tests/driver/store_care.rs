//! `store ls | du | verify | gc` on the command line.

use crate::sandbox::{Finished, STAGES, Sandbox, wait_for};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

/// A sandbox after a run.
fn swept() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    sandbox.asked();
    sandbox
}

impl Sandbox {
    /// `store …` with JSON output.
    fn store_json(&self, arguments: &[&str]) -> Value {
        let ended = self.sweep(&[&["store"], arguments, &["--format", "json"]].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}\n{ended:?}"))
    }

    /// The folder of the only artifact of a kind.
    fn only_artifact(&self, kind: &str) -> PathBuf {
        let list = self.store_json(&["ls", "--kind", kind]);
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        self.root.join(list[0]["dir"].as_str().unwrap())
    }

    fn count(&self, arguments: &[&str]) -> usize {
        self.store_json(&[&["ls"], arguments].concat()).as_array().unwrap().len()
    }
}

#[test]
fn ls_lists_what_is_there_and_filters() {
    let sandbox = swept();
    let all = sandbox.sweep(&["store", "ls"]).expect(0).says(&[&format!("{STAGES} artifacts")]);
    assert_eq!(all.stdout.lines().count(), STAGES + 1, "{}", all.stdout);
    assert!(all.stdout.contains("gradients[model,prose]"), "{}", all.stdout);
    assert_eq!(sandbox.count(&["--kind", "evaluate"]), 4);
    assert_eq!(sandbox.count(&["--kind", "evaluate", "--kind", "select"]), 6);
    assert_eq!(sandbox.count(&["--only", "*gptq*"]), 2);
    let list = sandbox.store_json(&["ls", "--kind", "gradients"]);
    assert_eq!(sandbox.count(&["--only", &list[0]["key"].as_str().unwrap()[..12]]), 1);
    assert_eq!(list[0]["wall_secs"], 1.0);
    // Bits are no part of gradients and calibration, so these are in the other plan, too.
    let other = ["exp.yaml", "--set", "sweep.bits=[3]"];
    assert_eq!((sandbox.count(&["exp.yaml"]), sandbox.count(&other)), (STAGES, 6));
    sandbox.sweep(&["store", "ls", "--kind", "frobs"]).expect(2).says(&["the kinds are download, calibrate"]);
    sandbox.sweep(&["store", "ls", "--store", "elsewhere"]).expect(4).says(&["elsewhere"]);
}

#[test]
fn du_adds_up_and_says_what_gc_would_free() {
    let sandbox = swept();
    let row = |usage: &Value, name: &str| {
        usage.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
    };
    let usage = sandbox.store_json(&["du"]);
    let evaluate = row(&usage, "evaluate");
    assert_eq!((&evaluate["count"], &evaluate["reclaimable"]), (&4.into(), &0.into()), "{usage}");
    assert!(evaluate["bytes"].as_u64().unwrap() > 0);
    let other = sandbox.store_json(&["du", "exp.yaml", "--set", "sweep.bits=[3]"]);
    let saliency = row(&other, "saliency");
    assert_eq!(saliency["reclaimable"], saliency["bytes"], "saliency depends on bits");
    assert_eq!(row(&other, "gradients")["reclaimable"], 0, "gradients do not");
    let table = sandbox.sweep(&["store", "du"]).expect(0).stdout;
    assert!(table.starts_with("what") && table.contains("\nall "), "{table}");
}

#[test]
fn a_changed_byte_is_found_moved_aside_and_computed_again() {
    let sandbox = swept();
    let tables = sandbox.tables();
    sandbox.sweep(&["store", "verify"]).expect(0).says(&[&format!("{STAGES} artifacts"), "all whole"]);
    let dir = sandbox.only_artifact("gradients");
    let mut bytes = fs::read(dir.join("output.txt")).unwrap();
    bytes[3] ^= 1;
    fs::write(dir.join("output.txt"), bytes).unwrap();
    sandbox.sweep(&["plan", "exp.yaml"]).expect(0);
    let found = sandbox.sweep(&["store", "verify"]).expect(1).says(&["1 damaged", "run again"]);
    assert!(found.stdout.contains("output.txt has other bytes"), "{}", found.stdout);
    let quarantine = sandbox.root.join(".tacq/v1/quarantine");
    let moved = fs::read_dir(&quarantine).unwrap().next().unwrap().unwrap().path();
    let reason: Value = serde_json::from_slice(&fs::read(moved.join("reason.json")).unwrap()).unwrap();
    assert!(reason["problem"].as_str().unwrap().contains("output.txt"), "{reason}");
    assert!(moved.join("output.txt").exists() && !dir.exists());
    sandbox.sweep(&["store", "verify"]).expect(0);
    // Nothing that is missing needs it, so it is not computed again for its own sake.
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(sandbox.asked(), Vec::<String>::new());
    let arguments = ["run", "exp.yaml", "--only", "gradients*"];
    sandbox.sweep_fake(&arguments).expect(0);
    assert_eq!(sandbox.asked(), ["gradients"]);
    assert_eq!(sandbox.tables(), tables);
}

#[test]
fn a_manifest_that_lies_about_its_key_is_found() {
    let sandbox = swept();
    for (kind, from, to) in [
        ("calibrate", "\"n_samples\": 4", "\"n_samples\": 5"),
        ("gradients", "\"reduction\": \"abs\"", "\"reduction\": 0.5"),
        ("quantize", "{", ""),
    ] {
        let path = sandbox.only_artifact(kind).join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let json = sandbox.store_json(&["verify", "--kind", kind]);
        assert_eq!(json["damaged"].as_array().unwrap().len(), 1, "{kind}: {json}");
        assert!(!path.exists(), "{kind}");
    }
}

#[test]
fn gc_asks_for_a_scope() {
    let sandbox = swept();
    sandbox.sweep(&["store", "gc"]).expect(2).says(&["store gc FILE", "--older-than 14d"]);
    sandbox.sweep(&["store", "gc", "--older-than", "14"]).expect(2).says(&["14d"]);
    fs::remove_file(sandbox.root.join("train.txt")).unwrap();
    // Without its sources nobody knows the plan's keys.
    sandbox.sweep(&["store", "gc", "exp.yaml"]).expect(2).says(&["train.txt"]);
    assert_eq!(sandbox.count(&[]), STAGES);
}

#[test]
fn gc_removes_what_no_plan_needs_and_nothing_else() {
    let sandbox = swept();
    sandbox.sweep_fake(&["run", "exp.yaml", "--set", "sweep.bits=[3]"]).expect(0);
    let all = sandbox.count(&[]);
    // 3 bits: quantize, saliency, 2 select, 2 mixed_quantize, 3 evaluate.
    assert_eq!(all, STAGES + 9);
    // These, and what tables need of three checkpoints.
    let dry =
        sandbox.sweep(&["store", "gc", "exp.yaml", "--dry-run"]).expect(0).says(&["would remove 12 items"]);
    assert!(dry.stdout.contains("saliency[model,prose,tacq,3-bit]"), "{}", dry.stdout);
    sandbox.sweep(&["store", "gc", "exp.yaml", "--older-than", "1d"]).expect(0).says(&["removed 0 items"]);
    let kept = ["store", "gc", "exp.yaml", "--keep", "evaluate", "--keep", "saliency"];
    sandbox.sweep(&kept).expect(0).says(&["removed 5 items"]);
    assert_eq!(sandbox.count(&[]), all - 5);
    sandbox.write("other.yaml", &crate::sandbox::EXPERIMENT.replace("bits: [2]", "bits: [3]"));
    sandbox.sweep(&["store", "gc", "exp.yaml", "other.yaml"]).expect(0).says(&["removed 0 items"]);
    sandbox.sweep(&["store", "gc", "exp.yaml"]).expect(0).says(&["removed 7 items"]);
    sandbox.sweep(&["plan", "exp.yaml"]).expect(0);
    sandbox.sweep(&["store", "verify"]).expect(0);
    sandbox.sweep(&["store", "gc", "--older-than", "0s"]).expect(0);
    assert_eq!(sandbox.count(&[]), 0);
}

#[test]
fn gc_sweeps_what_kills_and_old_runs_left() {
    let sandbox = swept();
    let base = sandbox.root.join(".tacq/v1");
    let old = SystemTime::now() - Duration::from_secs(30 * 86_400);
    let key = "ab".repeat(32);
    let put = |path: PathBuf| {
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("file"), "contents").unwrap();
        for path in [path.join("file"), path] {
            fs::File::open(path).unwrap().set_modified(old).unwrap();
        }
    };
    put(base.join(format!("staging/gradients-{key}")));
    put(base.join(format!("progress/gradients-{key}")));
    put(base.join(format!("quarantine/gradients-{key}-1")));
    put(base.join("trash/gradients-left"));
    (0..25).for_each(|i| put(base.join(format!("runs/{i:010}-1"))));
    fs::write(base.join(format!("locks/{key}.lock")), "").unwrap();
    let json = sandbox.store_json(&["gc", "exp.yaml"]);
    // 25 and that of the run; 20 stay.
    assert_eq!((&json["removed"], &json["in_use"]), (&(6 + 4).into(), &0.into()), "{json}");
    let left = |name: &str| fs::read_dir(base.join(name)).unwrap().count();
    assert_eq!(
        (left("runs"), left("staging"), left("progress"), left("quarantine"), left("trash"), left("locks")),
        (20, 0, 0, 0, 0, 0)
    );
    sandbox.sweep(&["plan", "exp.yaml"]).expect(0);
}

#[test]
fn gc_beside_a_run_takes_nothing_of_its_plan() {
    let sandbox = swept();
    sandbox.sweep_fake(&["run", "exp.yaml", "--set", "sweep.bits=[3]"]).expect(0);
    sandbox.asked();
    let go_on = sandbox.root.join("go-on");
    let told = format!("quantize=until:{}", go_on.display());
    let mut run = sandbox.command_fake(&["run", "exp.yaml", "--set", "sweep.bits=[4]"], &told);
    let run = run.stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the run's first stage", || !sandbox.asked().is_empty());
    let json = sandbox.store_json(&["gc", "--older-than", "0s"]);
    // Downloads, calibration, gradients and the 16-bit evaluation are in all plans; what has 2 or 3 bits is not.
    assert_eq!(json["in_use"], 6, "{json}");
    assert_eq!(sandbox.count(&["--only", "*3-bit*"]), 0);
    fs::write(go_on, "").unwrap();
    let ended = Finished::from(run.wait_with_output().unwrap()).expect(0);
    ended.says(&["9 computed, 6 reused"]);
}

#[test]
fn a_killed_gc_leaves_no_artifact_by_halves_and_the_next_one_finishes() {
    let sandbox = swept();
    sandbox.sweep_fake(&["run", "exp.yaml", "--set", "sweep.seed=[0,1,2,3]"]).expect(0);
    let gc = ["store", "gc", "--older-than", "0s"];
    let mut random = tacq_testkit::random::Random::new(7);
    for _ in 0..8 {
        let mut killed = sandbox.command(&gc).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(40_000) as u64));
        killed.kill().unwrap();
        killed.wait().unwrap();
        sandbox.sweep(&["store", "verify"]).expect(0);
    }
    sandbox.sweep(&gc).expect(0);
    for folder in ["trash", "staging", "locks", "pins", "quarantine"] {
        let left = fs::read_dir(sandbox.root.join(".tacq/v1").join(folder)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{folder}");
    }
    assert_eq!(sandbox.count(&[]), 0);
}

#[test]
fn tables_know_the_size_of_checkpoints_that_were_removed() {
    use tacq_protocol::StageKind;
    let sandbox = swept();
    let tables = sandbox.tables();
    let store = sandbox.store();
    for kind in [StageKind::Quantize, StageKind::MixedQuantize] {
        for entry in store.entries(kind).unwrap() {
            store.remove(kind, &entry.key, None).unwrap();
        }
        assert_eq!(store.entries(kind).unwrap(), []);
    }
    fs::remove_dir_all(sandbox.root.join("results")).unwrap();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(sandbox.asked(), Vec::<String>::new());
    assert_eq!(sandbox.tables(), tables);
    // They go with the scores that need them, and not before.
    sandbox.sweep(&["store", "gc", "exp.yaml"]).expect(0).says(&["removed 0 items"]);
    let other = ["store", "gc", "exp.yaml", "--set", "sweep.bits=[3]", "--keep", "select"];
    sandbox.sweep(&[&other[..], &["--keep", "evaluate"]].concat()).expect(0).says(&["removed 1 item"]);
    sandbox.sweep(&other).expect(0).says(&["removed 6 items"]);
}

#[test]
fn a_run_sweeps_lock_files_that_kills_left() {
    let sandbox = swept();
    let locks = sandbox.root.join(".tacq/v1/locks");
    fs::write(locks.join(format!("{}.lock", "cd".repeat(32))), "").unwrap();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(fs::read_dir(locks).unwrap().count(), 0);
}
