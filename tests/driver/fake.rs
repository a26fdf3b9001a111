//! An in-process worker: writes what the driver reads, fails or waits as told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;
use tacq_protocol::{Event, FailureKind, Request, StageKind};
use tacq_sweep::exec::{Failure, LaunchError, Launcher, Limits, Worker};

/// Answers requests and remembers them. Clones share what they remember.
#[derive(Default, Clone)]
pub struct Fake(Arc<State>);

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Request>>,
    /// How many times a stage of a kind still fails, and how.
    failures: Mutex<BTreeMap<StageKind, (u32, FailureKind)>>,
    delay: Duration,
    launched: AtomicU32,
    /// Devices and kinds of what runs now, and of what ran together before.
    running: Mutex<Vec<(Device, StageKind)>>,
    together: Mutex<Vec<Vec<(Device, StageKind)>>>,
    stopped: AtomicBool,
    cancelled: AtomicBool,
}

impl Fake {
    /// Fails the first stages of a kind.
    pub fn failing(kind: StageKind, times: u32, how: FailureKind) -> Self {
        let failures = Mutex::new(BTreeMap::from([(kind, (times, how))]));
        Self(Arc::new(State { failures, ..State::default() }))
    }

    /// Takes its time for every stage.
    pub fn slow(delay: Duration) -> Self {
        Self(Arc::new(State { delay, ..State::default() }))
    }

    /// Every request, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests.lock().unwrap().clone()
    }

    /// Kinds asked for, in order.
    pub fn kinds(&self) -> Vec<StageKind> {
        self.requests().iter().map(|r| r.stage.kind()).collect()
    }

    /// The largest number of stages that ran at a time, by device.
    pub fn most_at_once(&self) -> BTreeMap<Device, usize> {
        let mut most = BTreeMap::new();
        for together in self.0.together.lock().unwrap().iter() {
            for (device, _) in together {
                let count = together.iter().filter(|(other, _)| other == device).count();
                let most = most.entry(*device).or_insert(0);
                *most = count.max(*most);
            }
        }
        most
    }

    /// The largest sum of what stages that ran at a time need.
    pub fn most_memory(&self, of: impl Fn(StageKind) -> u64) -> u64 {
        let together = self.0.together.lock().unwrap();
        together.iter().map(|stages| stages.iter().map(|(_, kind)| of(*kind)).sum()).max().unwrap_or(0)
    }

    /// Workers started.
    pub fn launched(&self) -> u32 {
        self.0.launched.load(Ordering::Relaxed)
    }
}

impl Launcher for Fake {
    fn launch(&self, _: usize, _: Device) -> Result<Box<dyn Worker>, LaunchError> {
        self.0.launched.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(self.clone()))
    }

    fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Worker for Fake {
    fn run(
        &mut self,
        request: &Request,
        _: &Limits,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Provenance, Failure> {
        self.0.requests.lock().unwrap().push(request.clone());
        // A stage is present on each device that it was given.
        let devices = [request.run.device].into_iter().chain(request.run.more_devices.iter().copied());
        let _present: Vec<_> =
            devices.map(|device| Present::new(&self.0, (device, request.stage.kind()))).collect();
        let fail = |kind| Err(Failure { kind, message: "told to fail".into(), hint: None });
        let started = Instant::now();
        while started.elapsed() < self.0.delay {
            if self.0.cancelled.load(Ordering::Relaxed) {
                return fail(FailureKind::EngineDied);
            }
            if self.0.stopped.load(Ordering::Relaxed) {
                return fail(FailureKind::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        on_event(Event::Progress { id: request.id, done: 1, total: 1, unit: "steps".into() });
        if let Some((left, kind)) = self.0.failures.lock().unwrap().get_mut(&request.stage.kind())
            && *left > 0
        {
            *left -= 1;
            return fail(*kind);
        }
        assert!(request.progress.is_absolute(), "the engine may run elsewhere");
        tacq_testkit::fake::write_output(request).expect("the output folder is writable");
        Ok(Provenance { wall_secs: 1.0, ..Provenance::default() })
    }
}

/// A stage while it runs.
struct Present<'a>(&'a State, (Device, StageKind));

impl<'a> Present<'a> {
    fn new(state: &'a State, what: (Device, StageKind)) -> Self {
        let mut running = state.running.lock().unwrap();
        running.push(what);
        state.together.lock().unwrap().push(running.clone());
        Self(state, what)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        let mut running = self.0.running.lock().unwrap();
        let at = running.iter().position(|what| *what == self.1).expect("it is present");
        running.remove(at);
    }
}
