//! Which stage runs on which device, how many at a time, and what follows when memory runs out.

use crate::fake::Fake;
use crate::sandbox::{EXPERIMENT, STAGES, Sandbox};
use crate::scheduling::{options, run_plan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tacq_protocol::artifact::role;
use tacq_protocol::units::Device;
use tacq_protocol::{FailureKind, Request, StageKind};
use tacq_sweep::exec::{Interrupt, RunOptions, RunSummary};
use tacq_sweep::spec::run::{KindSettings, RunSettings};

/// Eight seeds without calibration: eight quantizations at a time, then eight evaluations.
const WIDE: &str = "\
name: wide
model: model
datasets:
  prose: {train: train.txt, test: test.txt}
sweep:
  bits: [1, 2, 3, 4, 5, 6, 7, 8]
  methods: rtn
tasks:
  prose: {seq_len: 32, n_windows: 4}
evaluate: [prose]
baseline: false
";

fn devices(names: &[&str]) -> RunOptions {
    let devices = names.iter().map(|name| name.parse().unwrap()).collect();
    RunOptions { settings: RunSettings { devices, ..RunSettings::default() }, fail_fast: false }
}

fn run(sandbox: &Sandbox, text: &str, options: &RunOptions, fake: &Fake) -> RunSummary {
    let plan = sandbox.plan(text);
    run_plan(sandbox, &plan, &plan.sinks(), options, fake, &Interrupt::default()).summary
}

fn by_device(requests: &[Request]) -> BTreeMap<Device, Vec<StageKind>> {
    let mut found: BTreeMap<Device, Vec<StageKind>> = BTreeMap::new();
    for request in requests {
        found.entry(request.run.device).or_default().push(request.stage.kind());
    }
    found
}

#[test]
fn four_gpus_share_eight_stages() {
    let sandbox = Sandbox::new();
    let fake = Fake::slow(Duration::from_millis(100));
    let summary = run(&sandbox, WIDE, &devices(&["cuda:0", "cuda:1", "cuda:2", "cuda:3"]), &fake);
    assert_eq!((summary.failed, summary.trials_done), (0, 8));
    let found = by_device(&fake.requests());
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.values().all(|kinds| kinds.len() >= 2), "{found:?}");
    assert_eq!(fake.most_at_once(), BTreeMap::from_iter(found.keys().map(|device| (*device, 1))));
}

#[test]
fn a_gpu_takes_as_many_stages_as_its_memory_holds() {
    let sandbox = Sandbox::new();
    let fake = Fake::slow(Duration::from_millis(100));
    let mut options = devices(&["cuda:0"]);
    let of = |gib: u64| KindSettings { gpu_memory: Some(gib << 30), gpus: 1, timeout: None, retries: 0 };
    options.settings.gpu_memory = Some(80 << 30);
    options.settings.kinds = BTreeMap::from([(StageKind::Quantize, of(26)), (StageKind::Evaluate, of(41))]);
    let summary = run(&sandbox, WIDE, &options, &fake);
    assert_eq!((summary.failed, summary.trials_done), (0, 8));
    // Three quantizations fit in 80 GiB, one evaluation beside one quantization, never two evaluations.
    assert_eq!(fake.most_at_once(), BTreeMap::from([(Device::Cuda(0), 3)]));
    assert!(fake.most_memory(|kind| options.settings.of(kind).gpu_memory.unwrap_or(0)) <= 80 << 30);
}

#[test]
fn gpus_that_share_a_stage_do_nothing_else_meanwhile() {
    let sandbox = Sandbox::new();
    let fake = Fake::slow(Duration::from_millis(30));
    let mut options = devices(&["cuda:0", "cuda:1"]);
    let limits = options.settings.limits;
    options.settings.kinds = BTreeMap::from([(StageKind::Gradients, KindSettings { gpus: 2, ..limits })]);
    let summary = run(&sandbox, EXPERIMENT, &options, &fake);
    assert_eq!(summary.failed, 0);
    let requests = fake.requests();
    let (shared, others): (Vec<_>, Vec<_>) =
        requests.iter().partition(|request| request.stage.kind() == StageKind::Gradients);
    assert!(!shared.is_empty());
    for request in shared {
        let [more] = request.run.more_devices[..] else { panic!("{:?}", request.run) };
        assert!(matches!(more, Device::Cuda(_)) && more != request.run.device, "{:?}", request.run);
    }
    assert!(others.iter().all(|request| request.run.more_devices.is_empty()));
    assert!(fake.most_at_once().values().all(|most| *most == 1), "{:?}", fake.most_at_once());
    // The engine that worked on another's GPU has ended with its stage.
    assert!(fake.launched() > 2, "{}", fake.launched());
}

#[test]
fn host_work_runs_beside_the_gpu() {
    let sandbox = Sandbox::new();
    let fake = Fake::default();
    run(&sandbox, EXPERIMENT, &devices(&["cuda:0", "cpu"]), &fake);
    let found = by_device(&fake.requests());
    let on_host: BTreeSet<StageKind> = found[&Device::Cpu].iter().copied().collect();
    assert_eq!(on_host, BTreeSet::from([StageKind::Calibrate, StageKind::Select]));
    assert_eq!(found[&Device::Cuda(0)].len(), STAGES - 3 - found[&Device::Cpu].len());
}

#[test]
fn an_engine_keeps_its_model() {
    let sandbox = Sandbox::new();
    let other = sandbox.root.join("other");
    tacq_testkit::random_llama(&other, &tacq_testkit::Size::TINY, 2).unwrap();
    sandbox.age();
    let models = format!("model: [{}, {}]", sandbox.root.join("model").display(), other.display());
    let fake = Fake::slow(Duration::from_millis(20));
    let summary =
        run(&sandbox, &WIDE.replace("model: model", &models), &devices(&["cuda:0", "cuda:1"]), &fake);
    assert_eq!((summary.failed, summary.trials_done), (0, 16));
    let mut loads = 0;
    let mut loaded: BTreeMap<Device, PathBuf> = BTreeMap::new();
    for request in fake.requests() {
        let model = request.inputs[role::MODEL].clone();
        loads += usize::from(loaded.insert(request.run.device, model.clone()) != Some(model));
    }
    assert!(loads <= 4, "{loads} loads for two models on two engines");
}

#[test]
fn the_longest_chain_comes_first() {
    let sandbox = Sandbox::new();
    let fake = Fake::default();
    run(&sandbox, EXPERIMENT, &options(1), &fake);
    let kinds = fake.kinds();
    let at = |kind: StageKind| kinds.iter().position(|k| *k == kind).unwrap();
    assert_eq!(at(StageKind::Calibrate), 0, "most hangs on it: {kinds:?}");
    assert!(at(StageKind::Saliency) < at(StageKind::Evaluate), "{kinds:?}");
}

#[test]
fn without_memory_a_stage_is_tried_alone_then_in_smaller_batches() {
    let sandbox = Sandbox::new();
    let fake = Fake::failing(StageKind::Gradients, 3, FailureKind::OutOfMemory);
    let summary = run(&sandbox, EXPERIMENT, &options(1), &fake);
    assert_eq!((summary.failed, summary.computed), (0, STAGES));
    let gradients = fake.requests().into_iter().filter(|r| r.stage.kind() == StageKind::Gradients);
    let batches: Vec<Option<u64>> =
        gradients.map(|r| r.run.batch_size.map(|size| u64::from(size.get()))).collect();
    assert_eq!(batches, [None, None, Some(4), Some(1)]);

    let sandbox = Sandbox::new();
    let fake = Fake::failing(StageKind::Gradients, 100, FailureKind::OutOfMemory);
    let summary = run(&sandbox, EXPERIMENT, &options(1), &fake);
    assert_eq!((summary.failed, summary.trials_done), (1, 2), "it gives up, and the others go on");
    assert_eq!(fake.kinds().iter().filter(|kind| **kind == StageKind::Gradients).count(), 4);
}
