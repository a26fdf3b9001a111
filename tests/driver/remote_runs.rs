//! Sweeps that go on, on another machine, where the first one ended: nothing is computed twice, no table differs.

use crate::remote_place::{Place, each_place};
use crate::sandbox::{Finished, STAGES, Sandbox, wait_for};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tacq_protocol::StageKind;
use tacq_testkit::random::Random;

/// Artifacts that are always shared: calibration, masks, results.
const SHARED: usize = 1 + 2 + 4;

impl Sandbox {
    fn here(&self, kind: StageKind) -> usize {
        self.store().entries(kind).unwrap().len()
    }
}

#[test]
fn a_sweep_that_moved_reports_the_same_tables_and_computes_nothing() {
    each_place(|place| {
        let remote = place.location().to_string();
        let first = Sandbox::new();
        let ended = first.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
        ended.says(&[&format!("pushed {SHARED} artifacts")]);
        assert_eq!(place.manifests().len(), SHARED);
        assert_eq!(first.store().unpushed().unwrap(), []);

        let second = Sandbox::new();
        let plan = second.sweep(&["plan", "exp.yaml", "--remote", &remote]).expect(1).stdout;
        assert!(plan.contains("evaluate            4    0       4    0        0         0"), "{plan}");
        let ended = second.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
        ended.says(&["fetched 4 artifacts", "4 of 4 trials done; stages: 0 computed, 4 reused"]);
        assert_eq!(second.asked(), Vec::<String>::new());
        assert_eq!(second.tables(), first.tables());
        let intermediates: usize = StageKind::ALL
            .into_iter()
            .filter(|kind| *kind != StageKind::Evaluate)
            .map(|kind| second.here(kind))
            .sum();
        assert_eq!(intermediates, 0, "results are all that tables need");
        second.sweep_fake(&["run", "exp.yaml"]).expect(0).says(&["0 computed, 4 reused"]);
        second.sweep(&["store", "verify"]).expect(0);
        let provenance = |sandbox: &Sandbox| {
            let artifact = sandbox.store().artifacts(StageKind::Evaluate).unwrap().remove(0);
            artifact.manifest.execution
        };
        assert_eq!(provenance(&second), provenance(&first), "it says who computed it");
    });
}

#[test]
fn an_intermediate_is_fetched_only_for_a_stage_that_runs() {
    each_place(|place| {
        let first = Sandbox::new();
        let text = first.read("exp.yaml")
            + &format!(
                "run: {{remote: {{url: '{}', push: [gradients, mixed_quantize]}}}}\n",
                place.location()
            );
        first.write("exp.yaml", &text);
        first.sweep_fake(&["run", "exp.yaml"]).expect(0).says(&[&format!("pushed {} artifacts", SHARED + 3)]);
        let second = Sandbox::new();
        second.write("exp.yaml", &text);
        // Another task on the same checkpoints needs these, and not what they were made from.
        let longer = [
            "run",
            "exp.yaml",
            "--set",
            "tasks.prose.n_windows=3",
            "--set",
            "sweep.methods=[{tacq: {outlier_ratio: [0.01, 0.02]}}]",
        ];
        let ended = second.sweep_fake(&longer).expect(0);
        ended.says(&["fetched 2 artifacts"]);
        assert_eq!(second.asked(), ["evaluate"; 3]);
        assert_eq!((second.here(StageKind::MixedQuantize), second.here(StageKind::Gradients)), (2, 0));
        // Another bit width needs gradients and calibration.
        second.sweep_fake(&["run", "exp.yaml", "--set", "sweep.bits=[3]"]).expect(0);
        let asked = second.asked();
        assert!(!asked.iter().any(|kind| kind == "gradients" || kind == "calibrate"), "{asked:?}");
    });
}

#[test]
fn what_cannot_be_fetched_is_computed_with_all_that_it_needs() {
    each_place(|place| {
        let remote = place.location().to_string();
        let first = Sandbox::new();
        first.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
        for blob in place.blobs() {
            place.overwrite(&blob, b"damaged");
        }
        let second = Sandbox::new();
        let ended = second.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
        ended.says(&["not fetched: evaluate[", "are damaged", &format!("{STAGES} computed, 0 reused")]);
        assert_eq!(second.tables(), first.tables());
        // It repaired what it found: a third machine has it all.
        let third = Sandbox::new();
        let ended = third.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
        ended.says(&["fetched 4 artifacts", "0 computed"]);
        assert_eq!(third.tables(), first.tables());
    });
}

#[test]
fn push_and_pull_by_hand() {
    each_place(|place| {
        let remote = place.location().to_string();
        let first = Sandbox::new();
        first.sweep_fake(&["run", "exp.yaml"]).expect(0);
        let with = |command: &str, more: &[&str]| {
            let arguments = [&["store", command, "exp.yaml", "--remote", &remote], more].concat();
            arguments.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let call = |sandbox: &Sandbox, command: &str, more: &[&str], code: i32| {
            let arguments = with(command, more);
            sandbox.sweep(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).expect(code)
        };
        call(&first, "push", &[], 0).says(&[&format!("pushed {SHARED} artifacts")]);
        call(&first, "push", &[], 0).says(&["has all of it"]);
        call(&first, "push", &["--kind", "gradients"], 0).says(&["pushed 1 artifact,"]);
        place.remove(&place.blobs()[0]);
        call(&first, "push", &[], 0).says(&["has all of it"]);
        call(
            &first,
            "push",
            &[
                "--check",
                "--kind",
                "gradients",
                "--kind",
                "evaluate",
                "--kind",
                "select",
                "--kind",
                "calibrate",
            ],
            0,
        )
        .says(&["pushed 0 artifacts, "]);

        let second = Sandbox::new();
        call(&second, "pull", &["--results"], 0).says(&["fetched 4 artifacts"]);
        second.sweep(&["report", "exp.yaml"]).expect(0);
        first.sweep(&["report", "exp.yaml"]).expect(0);
        assert_eq!(second.tables(), first.tables());
        call(&second, "pull", &["--kind", "gradients"], 0).says(&["fetched 1 artifact,"]);
        call(&second, "pull", &[], 0).says(&["fetched 3 artifacts"]);
        call(&second, "pull", &[], 0).says(&["nothing more to fetch"]);
    });
}

#[test]
fn a_kill_while_pushing_leaves_no_manifest_without_its_blobs() {
    each_place(|place| {
        let remote = place.location().to_string();
        let first = Sandbox::new();
        first.sweep_fake(&["run", "exp.yaml"]).expect(0);
        let kinds =
            ["calibrate", "quantize", "gradients", "saliency", "select", "mixed_quantize", "evaluate"];
        let mut arguments = vec!["store", "push", "exp.yaml", "--remote", &remote];
        arguments.extend(kinds.iter().flat_map(|kind| ["--kind", kind]));
        let started = Instant::now();
        first.sweep(&arguments).expect(0);
        let whole = started.elapsed();
        place.all().iter().for_each(|name| place.remove(name));
        let mut random = Random::new(3);
        for _ in 0..6 {
            let mut push = first.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(random.below(1000) as f64 / 1000.0));
            push.kill().unwrap();
            push.wait().unwrap();
            assert_whole(place);
        }
        first.sweep(&arguments).expect(0);
        assert_whole(place);
        assert_eq!(place.manifests().len(), STAGES - 3);
    });
}

/// Every manifest's files are there, in their sizes and with their digests.
fn assert_whole(place: &Place) {
    let all = place.all();
    for name in place.manifests() {
        let manifest: serde_json::Value = serde_json::from_slice(&place.read(&name)).unwrap();
        for file in manifest["files"].as_array().unwrap() {
            let digest = file["blake3"].as_str().unwrap();
            let blob =
                all.iter().find(|name| name.ends_with(digest)).unwrap_or_else(|| panic!("{name}: {file}"));
            let bytes = place.read(blob);
            assert_eq!(bytes.len() as u64, file["bytes"].as_u64().unwrap());
            assert_eq!(tacq_sweep::digest::Digest::of(&bytes).to_string(), digest);
        }
    }
}

#[test]
fn two_machines_that_sweep_at_once_end_with_the_same_tables() {
    each_place(|place| {
        let remote = place.location().to_string();
        let machines = [Sandbox::new(), Sandbox::new()];
        let runs: Vec<_> = machines
            .iter()
            .map(|machine| {
                let arguments = ["run", "exp.yaml", "--remote", &remote];
                machine.command_fake(&arguments, "").stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for run in runs {
            let ended = Finished::from(run.wait_with_output().unwrap()).expect(0);
            assert!(!ended.stderr.contains("not deterministic"), "{}", ended.stderr);
        }
        assert_eq!(machines[0].tables(), machines[1].tables());
        assert_eq!(place.manifests().len(), SHARED);
    });
}

#[test]
fn a_result_that_differs_is_told_at_the_end_of_the_run() {
    each_place(|place| {
        let remote = place.location().to_string();
        let first = Sandbox::new();
        first.sweep_fake(&["run", "exp.yaml"]).expect(0);
        let only = ["store", "push", "exp.yaml", "--remote", &remote, "--kind", "calibrate"];
        first.sweep(&only).expect(0);
        let name = place.manifests().remove(0);
        let text = String::from_utf8(place.read(&name)).unwrap();
        let digest = text.split("\"blake3\": \"").nth(1).unwrap()[..64].to_owned();
        place.overwrite(&name, text.replace(&digest, &"0".repeat(64)).as_bytes());
        let second = Sandbox::new();
        let ended = second.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
        ended.says(&[
            "not deterministic: calibrate[model,prose]",
            "output.txt differ",
            "keeps the other result",
        ]);
    });
}

#[test]
fn what_is_not_kept_here_is_pushed_before_it_goes() {
    each_place(|place| {
        let sandbox = Sandbox::new();
        let remote = format!("{{url: '{}', push: [gradients, mixed_quantize]}}", place.location());
        let text = sandbox.read("exp.yaml") + &format!("run: {{keep: results, remote: {remote}}}\n");
        sandbox.write("exp.yaml", &text);
        let ended = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
        ended.says(&[&format!("pushed {} artifacts", SHARED + 3), "removed 8 artifacts"]);
        let gone = [StageKind::Gradients, StageKind::MixedQuantize, StageKind::Select, StageKind::Calibrate];
        assert_eq!(gone.map(|kind| sandbox.here(kind)), [0; 4]);
        assert_eq!((place.manifests().len(), sandbox.store().unpushed().unwrap()), (SHARED + 3, vec![]));
        // What was fetched goes as well, once it was read.
        let longer = ["run", "exp.yaml", "--set", "tasks.prose.n_windows=3"];
        sandbox.sweep_fake(&longer).expect(0).says(&["fetched 3 artifacts"]);
        assert_eq!(gone.map(|kind| sandbox.here(kind)), [0; 4]);
    });
}

#[test]
fn an_interrupted_run_leaves_pushing_to_the_next_one() {
    let place = Place::folder();
    let remote = place.location().to_string();
    let sandbox = Sandbox::new();
    let mut run = sandbox.command_fake(&["run", "exp.yaml", "--remote", &remote], "gradients=wait:600000");
    let run = run.stderr(Stdio::piped()).spawn().unwrap();
    wait_for("gradients", || {
        fs::read_to_string(sandbox.root.join("fake.log")).is_ok_and(|log| log.contains("gradients"))
    });
    // SAFETY: plain system calls on a process of our own.
    for signal in [libc::SIGINT, libc::SIGINT] {
        unsafe { libc::kill(i32::try_from(run.id()).unwrap(), signal) };
        std::thread::sleep(Duration::from_millis(200));
    }
    Finished::from(run.wait_with_output().unwrap()).expect(130);
    sandbox.sweep_fake(&["run", "exp.yaml", "--remote", &remote]).expect(0);
    assert_eq!(sandbox.store().unpushed().unwrap(), []);
    assert_eq!(place.manifests().len(), SHARED);
}

#[test]
fn a_read_only_remote_store_is_used_and_left_as_it_is() {
    each_place(|place| {
        let sandbox = Sandbox::new();
        let text = sandbox.read("exp.yaml")
            + &format!("run: {{remote: {{url: '{}', mode: read_only}}}}\n", place.location());
        sandbox.write("exp.yaml", &text);
        let ended = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
        assert!(!ended.stderr.contains("push"), "{}", ended.stderr);
        assert_eq!((place.all(), sandbox.store().unpushed().unwrap()), (vec![], vec![]));
        sandbox.sweep(&["store", "push", "exp.yaml"]).expect(2).says(&["is read_only here"]);
        // One that writes, then another reader.
        let remote = place.location().to_string();
        sandbox.write("exp.yaml", crate::sandbox::EXPERIMENT);
        sandbox.sweep(&["store", "push", "exp.yaml", "--remote", &remote]).expect(0);
        let before = place.all();
        let reader = Sandbox::new();
        reader.write("exp.yaml", &text);
        reader.sweep_fake(&["run", "exp.yaml"]).expect(0).says(&["fetched 4 artifacts", "0 computed"]);
        assert_eq!(place.all(), before);
    });
}

#[test]
fn a_bucket_that_is_not_there_is_no_empty_one() {
    let Some(_) = Place::bucket() else { return eprintln!("skipped: TACQ_S3_BUCKET is not set") };
    let sandbox = Sandbox::new();
    let arguments = ["exp.yaml", "--remote", "s3://no-such-bucket/x"];
    let ended = sandbox.sweep(&[&["store", "pull"], &arguments[..]].concat()).expect(3);
    ended.says(&["s3://no-such-bucket/x", "check the bucket's name"]);
    let ended = sandbox.sweep_fake(&[&["run"], &arguments[..]].concat()).expect(0);
    ended.says(&[
        "going on without what others computed",
        "15 computed",
        "not pushed",
        "the next run tries again",
    ]);
}
