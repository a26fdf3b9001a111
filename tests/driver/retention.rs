//! What a run removes as it goes on, and the store's quota.

use crate::sandbox::{EXPERIMENT, STAGES, Sandbox};
use std::collections::BTreeMap;
use tacq_protocol::StageKind;
use tacq_sweep::store::Artifact;

/// A sandbox whose experiment has these run settings.
fn sandbox(run: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("exp.yaml", &format!("{EXPERIMENT}run: {{{run}}}\n"));
    sandbox
}

/// How many artifacts of each kind are there.
fn here(sandbox: &Sandbox) -> BTreeMap<&'static str, usize> {
    let count = |kind| sandbox.store().artifacts(kind).unwrap().len();
    StageKind::ALL.into_iter().map(|kind| (kind.name(), count(kind))).filter(|(_, n)| *n > 0).collect()
}

fn only(sandbox: &Sandbox, kind: StageKind) -> Artifact {
    sandbox.store().artifacts(kind).unwrap().remove(0)
}

#[test]
fn what_is_not_kept_goes_and_the_tables_are_the_same() {
    let kept = Sandbox::new();
    kept.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let sandbox = sandbox("keep: results");
    let first = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    first.says(&["removed 8 artifacts that nothing reads any more", "run.keep says what stays"]);
    assert_eq!(here(&sandbox), BTreeMap::from([("download", 3), ("evaluate", 4)]));
    assert_eq!(sandbox.tables(), kept.tables());
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0).says(&["0 computed"]);
    // What a change needs of it is made again, and goes again.
    sandbox.asked();
    let another = ["run", "exp.yaml", "--set", "sweep.methods=[{tacq: {outlier_ratio: 0.03}}]"];
    sandbox.sweep_fake(&another).expect(0);
    assert_eq!(sandbox.asked().len(), 7, "the chain to the one new trial");
    assert_eq!(here(&sandbox), BTreeMap::from([("download", 3), ("evaluate", 5)]));
}

#[test]
fn kinds_that_are_named_stay_and_so_does_what_is_asked_for() {
    let sandbox = sandbox("keep: [gradients, select]");
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let left = BTreeMap::from([("download", 3), ("gradients", 1), ("select", 2), ("evaluate", 4)]);
    assert_eq!(here(&sandbox), left);
    let sandbox = self::sandbox("keep: results");
    sandbox.sweep_fake(&["run", "exp.yaml", "--only", "*saliency*", "--only", "*select*r=0.01*"]).expect(0);
    // Gradients go; what the other trials will read does not, though this run left them out.
    let left = [("calibrate", 1), ("download", 2), ("quantize", 1), ("saliency", 1), ("select", 1)];
    assert_eq!(here(&sandbox), BTreeMap::from(left));
}

#[test]
fn a_reader_that_failed_finds_all_again() {
    let sandbox = sandbox("keep: results");
    sandbox.sweep_told(&["run", "exp.yaml"], "mixed_quantize=fail:numerics").expect(1);
    let left = [("download", 3), ("calibrate", 1), ("select", 2), ("evaluate", 2)];
    assert_eq!(here(&sandbox), BTreeMap::from(left), "what the failed stages read is there");
    sandbox.asked();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(sandbox.asked(), ["mixed_quantize", "mixed_quantize", "evaluate", "evaluate"]);
    assert_eq!(here(&sandbox), BTreeMap::from([("download", 3), ("evaluate", 4)]));
}

#[test]
fn what_another_run_uses_stays() {
    let sandbox = sandbox("keep: results");
    sandbox.sweep_fake(&["run", "exp.yaml", "--only", "*gradients*"]).expect(0);
    let gradients = only(&sandbox, StageKind::Gradients);
    let pins = sandbox.store().pin([gradients.manifest.key]).unwrap();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    drop(pins);
    assert_eq!(here(&sandbox), BTreeMap::from([("download", 3), ("gradients", 1), ("evaluate", 4)]));
    assert_eq!(only(&sandbox, StageKind::Gradients).manifest, gradients.manifest);
}

#[test]
fn a_store_over_its_quota_takes_nothing_more_and_says_so() {
    let sandbox = sandbox("quota: 1B");
    let ended = sandbox.sweep_fake(&["run", "exp.yaml"]).expect(4);
    ended.says(&["of its quota of", "(run.quota)", "store gc", "3 failed, 12 blocked"]);
    assert_eq!(here(&sandbox), BTreeMap::new());
    sandbox.sweep_fake(&["run", "exp.yaml", "--set", "run.quota=1GB"]).expect(0);
    let usage = sandbox.sweep(&["store", "du", "--format", "json"]).expect(0).stdout;
    let usage: serde_json::Value = serde_json::from_str(&usage).unwrap();
    let used: u64 = usage.as_array().unwrap().iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
    let full = format!("run.quota={used}B");
    let seeded = ["run", "exp.yaml", "--set", "sweep.seed=[1]", "--set"];
    sandbox.sweep_fake(&[&seeded[..], &[&full]].concat()).expect(4).says(&["of its quota of"]);
    assert_eq!(here(&sandbox).values().sum::<usize>(), STAGES, "nothing was begun");
    sandbox.sweep_fake(&["run", "exp.yaml", "--set", &full]).expect(0).says(&["0 computed"]);
}
