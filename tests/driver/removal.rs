//! Artifacts that go: never under a run that uses them, never by halves.

use crate::fake::Fake;
use crate::sandbox::{EXPERIMENT, Sandbox};
use crate::scheduling::run;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use tacq_protocol::StageKind;
use tacq_protocol::event::Provenance;
use tacq_sweep::plan::Plan;
use tacq_sweep::stage_key::KeyPayload;
use tacq_sweep::store::{Execution, Lookup, Removal, Store};

/// The payload of the plan's first stage of a kind.
fn payload(plan: &Plan, kind: StageKind) -> KeyPayload {
    let stage = plan.stages.iter().position(|stage| stage.kind() == kind).expect("the plan has one");
    plan.payload(stage).expect("its sources are there")
}

fn commit(store: &Store, payload: &KeyPayload) {
    let Lookup::Miss(reservation) = store.reserve(payload).unwrap() else { return };
    fs::write(reservation.output_dir().unwrap().join("output.txt"), "text").unwrap();
    let execution = Execution {
        engine: Provenance::default(),
        driver: String::new(),
        host: String::new(),
        committed_unix: 0,
        sources: Default::default(),
        run: None,
    };
    reservation.commit("a stage", execution).unwrap();
}

#[test]
fn an_artifact_that_was_removed_is_a_miss_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    let (store, kind) = (sandbox.store(), StageKind::Gradients);
    let key = payload(&plan, kind).key();
    assert!(store.bytes(kind, &key).unwrap().is_some_and(|bytes| bytes > 0));
    assert!(matches!(store.remove(kind, &key, None).unwrap(), Removal::Removed { bytes } if bytes > 0));
    assert_eq!(store.remove(kind, &key, None).unwrap(), Removal::Absent);
    assert_eq!(store.bytes(kind, &key).unwrap(), None);
    store.sweep_locks().unwrap();
    for folder in ["trash", "locks", "pins"] {
        let left = fs::read_dir(store.root().join("v1").join(folder)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{folder}");
    }
}

#[test]
fn what_a_living_run_uses_stays() {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    let (store, kind) = (sandbox.store(), StageKind::Gradients);
    let key = payload(&plan, kind).key();
    let keys = || plan.stages.iter().filter_map(|stage| stage.key().copied());
    let (mine, other) = (store.pin(keys()).unwrap(), store.pin(keys()).unwrap());
    assert_eq!(store.remove(kind, &key, Some(&mine)).unwrap(), Removal::InUse);
    drop(other);
    assert_eq!(store.remove(kind, &key, None).unwrap(), Removal::InUse);
    assert!(matches!(store.remove(kind, &key, Some(&mine)).unwrap(), Removal::Removed { .. }));
}

#[test]
fn a_dead_run_protects_nothing_and_its_mark_is_swept() {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    let (store, kind) = (sandbox.store(), StageKind::Gradients);
    let key = payload(&plan, kind).key();
    let pins = store.root().join("v1/pins");
    fs::create_dir_all(&pins).unwrap();
    fs::write(pins.join("left-by-a-kill"), format!("{key}\n")).unwrap();
    assert!(matches!(store.remove(kind, &key, None).unwrap(), Removal::Removed { .. }));
    assert_eq!(fs::read_dir(&pins).unwrap().count(), 0);
}

#[test]
fn what_is_being_computed_stays() {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    let (store, kind) = (sandbox.store(), StageKind::Gradients);
    let payload = payload(&plan, kind);
    // Damaged, so that it is there and yet a miss.
    fs::remove_file(store.artifact_dir(kind, &payload.key()).join("output.txt")).unwrap();
    let Lookup::Miss(reservation) = store.reserve(&payload).unwrap() else { panic!("it is damaged") };
    assert_eq!(store.remove(kind, &payload.key(), None).unwrap(), Removal::Reserved);
    drop(reservation);
    assert!(matches!(store.remove(kind, &payload.key(), None).unwrap(), Removal::Removed { .. }));
}

#[test]
fn what_was_seen_after_pinning_is_there_until_the_pins_go() {
    let sandbox = Sandbox::new();
    let plan = sandbox.plan(EXPERIMENT);
    let (store, kind) = (sandbox.store(), StageKind::Gradients);
    let payload = payload(&plan, kind);
    let key = payload.key();
    let done = AtomicBool::new(false);
    let (seen, removed) = std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            let mut removed = 0;
            while !done.load(Ordering::Relaxed) {
                if let Removal::Removed { .. } = store.remove(kind, &key, None).unwrap() {
                    removed += 1;
                }
            }
            removed
        });
        let mut seen = 0;
        for _ in 0..300 {
            commit(&store, &payload);
            let _pins = store.pin([key]).unwrap();
            if store.get(kind, &key).unwrap().is_some() {
                seen += 1;
                std::thread::sleep(std::time::Duration::from_micros(200));
                assert!(store.get(kind, &key).unwrap().is_some(), "it went under its pin");
            }
        }
        done.store(true, Ordering::Relaxed);
        (seen, remover.join().unwrap())
    });
    assert!(seen > 0 && removed > 0, "seen {seen}, removed {removed}");
}
