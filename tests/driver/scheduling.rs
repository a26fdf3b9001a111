//! What runs, in which order, and what a failure does, seen with an in-process worker.

use crate::fake::Fake;
use crate::sandbox::{EXPERIMENT, STAGES, Sandbox, offline_hub};
use std::time::Duration;
use tacq_protocol::units::Device;
use tacq_protocol::{FailureKind, StageKind};
use tacq_sweep::exec::{
    self, Estimates, Finished, Interrupt, Outcome, RunOptions, RunSummary, Silent, Sweep,
};
use tacq_sweep::plan::{Plan, StageId, States};
use tacq_sweep::spec::run::RunSettings;

pub fn options(workers: usize) -> RunOptions {
    let settings = RunSettings { devices: vec![Device::Cpu; workers], ..RunSettings::default() };
    RunOptions { settings, fail_fast: false }
}

/// Runs what is wanted of a plan on a fake worker.
pub fn run_plan(
    sandbox: &Sandbox,
    plan: &Plan,
    wanted: &[StageId],
    options: &RunOptions,
    fake: &Fake,
    interrupt: &Interrupt,
) -> Finished {
    let store = sandbox.store();
    let states = States::look_up(plan, &store, wanted);
    let hub = offline_hub(&sandbox.root);
    let sweep = Sweep {
        plan,
        states: &states,
        estimates: &Estimates::default(),
        store: &store,
        hub: &hub,
        retention: None,
        folder: None,
    };
    let finished = exec::run(sweep, options, fake, &mut Silent, interrupt);
    assert!(finished.fatal.is_none(), "{:?}", finished.fatal);
    finished
}

/// Runs an experiment in a sandbox on a fake worker.
pub fn run(sandbox: &Sandbox, text: &str, fake: &Fake) -> (Plan, Vec<Outcome>, RunSummary) {
    let plan = sandbox.plan(text);
    let never = Interrupt::default();
    let Finished { outcomes, summary, .. } =
        run_plan(sandbox, &plan, &plan.sinks(), &options(1), fake, &never);
    (plan, outcomes, summary)
}

/// How many stages of each kind the fake was asked for, without those that were not.
fn asked(fake: &Fake) -> Vec<(StageKind, usize)> {
    let kinds = fake.kinds();
    StageKind::ALL
        .into_iter()
        .map(|kind| (kind, kinds.iter().filter(|k| **k == kind).count()))
        .filter(|(_, n)| *n > 0)
        .collect()
}

#[test]
fn every_stage_runs_once_after_its_inputs() {
    let sandbox = Sandbox::new();
    let fake = Fake::default();
    let (plan, outcomes, summary) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!(plan.stages.len(), STAGES);
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Computed { .. })), "{outcomes:?}");
    assert_eq!((summary.computed, summary.trials_done, summary.trials), (STAGES, 4, 4));
    // The worker writes what its inputs hold, so a stage run too early would find nothing there.
    for request in fake.requests() {
        for (role, path) in &request.inputs {
            assert!(path.exists(), "{role} of {:?} was there in time", request.stage.kind());
        }
    }
    let expected = [
        (StageKind::Calibrate, 1),
        (StageKind::Quantize, 1),
        (StageKind::Gradients, 1),
        (StageKind::Saliency, 1),
        (StageKind::Select, 2),
        (StageKind::MixedQuantize, 2),
        (StageKind::Evaluate, 4),
    ];
    assert_eq!(asked(&fake), expected);
}

#[test]
fn a_second_run_asks_no_worker() {
    let sandbox = Sandbox::new();
    run(&sandbox, EXPERIMENT, &Fake::default());
    let fake = Fake::default();
    let (_, _, summary) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!((fake.launched(), summary.computed, summary.reused), (0, 0, STAGES));
    assert_eq!(summary.saved_secs, (STAGES - 3) as f64, "each stage but the sources took a second");
}

#[test]
fn another_ratio_runs_select_quantize_and_evaluate_alone() {
    let sandbox = Sandbox::new();
    run(&sandbox, EXPERIMENT, &Fake::default());
    let fake = Fake::default();
    run(&sandbox, &EXPERIMENT.replace("[0.01, 0.02]", "[0.01, 0.03]"), &fake);
    let expected = [(StageKind::Select, 1), (StageKind::MixedQuantize, 1), (StageKind::Evaluate, 1)];
    assert_eq!(asked(&fake), expected);
}

#[test]
fn another_bit_width_reuses_gradients_and_calibration() {
    let sandbox = Sandbox::new();
    run(&sandbox, EXPERIMENT, &Fake::default());
    let fake = Fake::default();
    run(&sandbox, &EXPERIMENT.replace("bits: [2]", "bits: [2, 3]"), &fake);
    let expected = [
        (StageKind::Quantize, 1),
        (StageKind::Saliency, 1),
        (StageKind::Select, 2),
        (StageKind::MixedQuantize, 2),
        (StageKind::Evaluate, 3),
    ];
    assert_eq!(asked(&fake), expected);
}

#[test]
fn order_and_spelling_of_the_file_change_nothing() {
    let sandbox = Sandbox::new();
    run(&sandbox, EXPERIMENT, &Fake::default());
    let reordered = "\
evaluate: [prose]
tasks:
  prose: {n_windows: 4, seq_len: 32}
calibration:
  seq_len: 32
  n_samples: 4
name: another-name
sweep:
  methods:
    - tacq:
        outlier_ratio: [1e-2, 0.0200]
    - gptq: {damp: 0.01}
  bits: 2
  condition_on: [prose]
datasets:
  prose: {test: test.txt, train: train.txt}
model: [model]
";
    let fake = Fake::default();
    run(&sandbox, reordered, &fake);
    assert_eq!(asked(&fake), []);
}

#[test]
fn an_intermediate_that_nothing_missing_needs_is_not_rebuilt() {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    for stage in &plan.stages {
        if matches!(stage.kind(), StageKind::Gradients | StageKind::Saliency) {
            std::fs::remove_dir_all(sandbox.store().artifact_dir(stage.kind(), stage.key().unwrap()))
                .unwrap();
        }
    }
    let fake = Fake::default();
    let (_, outcomes, _) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!(fake.launched(), 0);
    assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Unneeded).count(), 2);
}

#[test]
fn a_damaged_artifact_is_computed_again() {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    let sink = &plan.stages[plan.sinks()[0]];
    let dir = sandbox.store().artifact_dir(sink.kind(), sink.key().unwrap());
    std::fs::write(dir.join("metrics.json"), "cut").unwrap();
    let fake = Fake::default();
    let (_, _, summary) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!(asked(&fake), [(StageKind::Evaluate, 1)]);
    assert_eq!((summary.computed, summary.reused), (1, STAGES - 1));
}

#[test]
fn a_failure_blocks_what_reads_it_and_nothing_else() {
    let sandbox = Sandbox::new();
    let fake = Fake::failing(StageKind::Gradients, 1, FailureKind::Numerics);
    let (_, outcomes, summary) = run(&sandbox, EXPERIMENT, &fake);
    // Behind gradients: saliency, 2 select, 2 mixed_quantize, 2 evaluate.
    assert_eq!((summary.failed, summary.blocked, summary.computed), (1, 7, STAGES - 8));
    assert_eq!(summary.trials_done, 2, "the 16-bit model and GPTQ");
    assert_eq!(outcomes.iter().filter(|o| matches!(o, Outcome::Failed(_))).count(), 1);
    assert_eq!(summary.failures[0].blocks.len(), 7);

    let fake = Fake::default();
    let (_, _, summary) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!((summary.computed, summary.failed), (8, 0), "failures are never served from the store");
}

#[test]
fn fail_fast_starts_nothing_after_a_failure() {
    let sandbox = Sandbox::new();
    let plan = sandbox.plan(EXPERIMENT);
    // Most hangs on calibration, so it comes first.
    let fake = Fake::failing(StageKind::Calibrate, 1, FailureKind::InvalidInput);
    let options = RunOptions { fail_fast: true, ..options(1) };
    let never = Interrupt::default();
    let summary = run_plan(&sandbox, &plan, &plan.sinks(), &options, &fake, &never).summary;
    assert_eq!(asked(&fake), [(StageKind::Calibrate, 1)]);
    assert!(summary.cancelled > 0, "{summary:?}");
}

#[test]
fn a_worker_that_dies_is_replaced_and_the_stage_tried_again() {
    let sandbox = Sandbox::new();
    let fake = Fake::failing(StageKind::Saliency, 2, FailureKind::EngineDied);
    let (_, _, summary) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!((summary.failed, summary.computed), (0, STAGES));
    assert_eq!(fake.launched(), 3);
}

#[test]
fn a_stage_that_kills_every_worker_fails_alone() {
    let sandbox = Sandbox::new();
    let fake = Fake::failing(StageKind::Gradients, 100, FailureKind::EngineDied);
    let (_, _, summary) = run(&sandbox, EXPERIMENT, &fake);
    assert_eq!((summary.failed, summary.trials_done), (1, 2));
}

#[test]
fn an_interrupted_run_stops_at_once_and_the_next_one_finishes() {
    let sandbox = Sandbox::new();
    let plan = sandbox.plan(EXPERIMENT);
    let fake = Fake::slow(Duration::from_secs(60));
    let interrupt = Interrupt::default();
    let summary = std::thread::scope(|scope| {
        scope.spawn(|| {
            while fake.requests().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            interrupt.ask();
        });
        run_plan(&sandbox, &plan, &plan.sinks(), &options(1), &fake, &interrupt).summary
    });
    assert!(summary.interrupted && summary.failed == 0, "{summary:?}");
    let (_, _, summary) = run(&sandbox, EXPERIMENT, &Fake::default());
    assert_eq!(summary.trials_done, 4);
}

#[test]
fn wanting_one_stage_runs_what_it_needs() {
    let sandbox = Sandbox::new();
    let plan = sandbox.plan(EXPERIMENT);
    let wanted: Vec<StageId> =
        (0..plan.stages.len()).filter(|&i| plan.stages[i].kind() == StageKind::Gradients).collect();
    let fake = Fake::default();
    run_plan(&sandbox, &plan, &wanted, &options(1), &fake, &Interrupt::default());
    assert_eq!(fake.kinds(), [StageKind::Calibrate, StageKind::Gradients]);
}
