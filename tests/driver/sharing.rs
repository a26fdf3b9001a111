//! Several runs on one store.

use crate::fake::Fake;
use crate::sandbox::{EXPERIMENT, STAGES, Sandbox};
use crate::scheduling::{options, run_plan};
use std::collections::BTreeSet;
use std::time::Duration;
use tacq_sweep::exec::{Interrupt, RunSummary};
use tacq_sweep::store::Lookup;

/// Locks belong to open files, not to processes, so two runs in two threads meet as two processes do.
#[test]
fn runs_started_together_compute_every_stage_once() {
    let sandbox = Sandbox::new();
    let fake = Fake::slow(Duration::from_millis(20));
    let summaries: Vec<RunSummary> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let plan = sandbox.plan(EXPERIMENT);
                    let never = Interrupt::default();
                    run_plan(&sandbox, &plan, &plan.sinks(), &options(2), &fake, &never).summary
                })
            })
            .collect();
        runs.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert_eq!(summaries.iter().map(|s| s.computed).sum::<usize>(), STAGES);
    assert!(summaries.iter().all(|s| s.trials_done == 4 && s.failed == 0), "{summaries:?}");
    let outputs: Vec<_> = fake.requests().into_iter().map(|r| r.output).collect();
    let distinct: BTreeSet<_> = outputs.iter().collect();
    assert_eq!(outputs.len(), distinct.len(), "no stage was asked for twice");
}

#[test]
fn a_reservation_excludes_others_until_it_is_dropped() {
    let sandbox = Sandbox::new();
    let plan = sandbox.plan(EXPERIMENT);
    let store = sandbox.store();
    let payload = plan.payload(plan.sinks()[0]).unwrap();
    let key = payload.key();
    let Lookup::Miss(first) = store.reserve(&payload).unwrap() else { panic!("nothing is stored") };
    assert!(matches!(store.reserve(&payload).unwrap(), Lookup::Busy));
    assert!(store.is_reserved(&key));
    drop(first);
    assert!(!store.is_reserved(&key));
    assert!(matches!(store.reserve(&payload).unwrap(), Lookup::Miss(_)));
}

#[test]
fn many_threads_never_hold_one_reservation_together() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let sandbox = Sandbox::new();
    let plan = sandbox.plan(EXPERIMENT);
    let store = sandbox.store();
    let payload = &plan.payload(plan.sinks()[0]).unwrap();
    let (holders, taken) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    if let Lookup::Miss(reservation) = store.reserve(payload).unwrap() {
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(reservation);
                    }
                }
            });
        }
    });
    assert!(taken.load(Ordering::SeqCst) > 8);
}
