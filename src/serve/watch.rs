//! Watches a sweep, whoever runs it: what is in the store, and what its runs write down.

use super::control::ControlError;
use super::devices::{Devices, Meter};
use super::log::Tail;
use super::runs::Runs;
use super::site::{Opened, Site, lock};
use super::snapshot::{self, Ended, RunNow, Snapshot, StageNow, Standing};
use crate::exec::{self, Live, PastRun, RunState};
use crate::fsx;
use crate::page;
use crate::plan::{Plan, StageState, States};
use crate::report;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks while somebody looks at the page or something runs, and else.
const PACE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// Between two looks at the whole store where no run says that something came.
const LOOK: Duration = Duration::from_secs(15);
/// Between two reports while results come.
const REPORT_PACE: Duration = Duration::from_secs(3);
/// Until the first look is over, after which the first report is made.
const FIRST: Duration = Duration::from_millis(20);

/// Looks at one sweep again and again.
pub(super) struct Watch {
    site: Arc<Site>,
    host: String,
    seen: Option<SystemTime>,
    opened: Option<(Arc<Opened>, Arc<Vec<snapshot::Planned>>)>,
    plan_version: u64,
    problem: Option<String>,
    states: Option<(States, Instant)>,
    /// The newest run, how it stands and how far it is: what may have changed the store.
    stamp: Option<(PathBuf, RunState, usize)>,
    runs: Runs,
    tail: Tail,
    machine: Arc<Mutex<Option<Devices>>>,
}

impl Watch {
    /// `machine` is how busy this machine is, as others look.
    pub fn new(site: Arc<Site>, machine: Arc<Mutex<Option<Devices>>>) -> Self {
        Self {
            site,
            host: exec::host_name(),
            seen: None,
            opened: None,
            plan_version: 0,
            problem: None,
            states: None,
            stamp: None,
            runs: Runs::default(),
            tail: Tail::default(),
            machine,
        }
    }

    /// Watches for ever.
    pub fn go(mut self) {
        loop {
            let is_watched = self.site.snapshot.receiver_count() > 0;
            // What breaks here is our own mistake. It is said, and does not leave a picture that stands still.
            let looked = catch_unwind(AssertUnwindSafe(|| self.look()));
            let snapshot = looked.unwrap_or_else(|_| {
                let problem = "an error of tacq-sweep itself; its terminal has more".to_owned();
                Snapshot { problems: vec![problem], ..Snapshot::clone(&self.site.now()) }
            });
            let is_busy = snapshot.run.is_some() || snapshot.launched.as_ref().is_some_and(|l| l.is_running);
            self.site.snapshot.send_replace(Arc::new(snapshot));
            self.site.rest(PACE[usize::from(!is_watched && !is_busy)]);
        }
    }

    /// The sweep as it is now.
    pub fn look(&mut self) -> Snapshot {
        self.open();
        let mut now = Snapshot {
            problems: self.problem.iter().cloned().collect(),
            unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            launched: self.site.control.last(),
            plan_version: self.plan_version,
            report: self.site.fragment().version,
            ..Snapshot::default()
        };
        now.problems.extend(self.site.fragment().problem);
        now.devices = lock(&self.machine).clone();
        let Some((opened, planned)) = self.opened.clone() else {
            now.experiment = self.site.slug.clone();
            return now;
        };
        let Opened { experiment, plan, store } = &*opened;
        now.experiment.clone_from(&experiment.name);
        now.problems.extend(plan.problems.iter().map(|problem| problem.message.clone()));
        now.plan = planned;
        let mut runs = self.runs.of(store, &experiment.name);
        runs.retain(|run| self.is_of_this_file(run));
        let alive: Vec<(&PastRun, Live)> = runs.iter().filter_map(|run| Some((run, run.live()?))).collect();
        let newest = runs.first();
        self.tail.follow(newest.map(PastRun::log_path).as_deref());
        (now.log, now.log_first) = (self.tail.lines(), self.tail.first());
        let ended = |live: &Live| live.computed + live.reused + live.failed;
        let stamp = newest.map(|run| {
            let far = alive.iter().map(|(_, live)| ended(live)).sum();
            (run.dir.clone(), run.state, far)
        });
        let is_old = self.states.as_ref().is_none_or(|(_, at)| at.elapsed() > LOOK);
        if is_old || stamp != self.stamp {
            self.states = Some((States::look_up(plan, store, &plan.sinks()), Instant::now()));
            self.stamp = stamp;
        }
        let (states, _) = self.states.as_ref().expect("it was looked up");
        let running = running(&alive);
        let live = newest.and_then(|run| alive.iter().find(|(r, _)| r.dir == run.dir)).map(|(_, live)| live);
        let failures = self.runs.failures(newest, live);
        let is_reserved = |stage: &crate::plan::Stage| stage.key().is_some_and(|key| store.is_reserved(key));
        now.stages = snapshot::stages(plan, states, &running, is_reserved, failures);
        now.count();
        (now.trials, now.trials_done) = trials(plan, states);
        now.run = alive.first().and_then(|(run, live)| {
            let started = run.started.as_ref()?;
            Some(RunNow {
                dir: run.dir.clone(),
                pid: started.pid,
                host: started.host.clone(),
                started_unix: started.started_unix,
                to_run: live.to_run,
                computed: live.computed,
                reused: live.reused,
                failed: live.failed,
                is_here: !self.host.is_empty() && started.host == self.host,
                is_cluster: started.cluster,
            })
        });
        now.last = runs.iter().find(|run| run.state != RunState::Running).map(last);
        now
    }

    /// Whether a run is of this file. Two files may have one name, and a version that did not say which may have run it.
    fn is_of_this_file(&self, run: &PastRun) -> bool {
        let of = run.started.as_ref().and_then(|started| started.file.as_ref());
        of.is_none_or(|of| fsx::canonicalize(&self.site.file).is_ok_and(|own| own == *of))
    }

    /// Loads the experiment, if its file is another than before.
    fn open(&mut self) {
        let changed = fsx::metadata(&self.site.file).and_then(|m| {
            m.modified().map_err(|source| fsx::FsError {
                action: "read",
                path: self.site.file.clone(),
                source,
            })
        });
        let changed = changed.ok();
        let has_problems = self.opened.as_ref().is_none_or(|(opened, _)| !opened.plan.problems.is_empty());
        let is_time = has_problems && self.states.as_ref().is_none_or(|(_, at)| at.elapsed() > LOOK);
        if self.seen.is_some() && self.seen == changed && !is_time {
            return;
        }
        self.seen = changed;
        match (self.site.open)() {
            Ok(opened) => {
                let planned = snapshot::planned(&opened.plan);
                let is_other = self.opened.as_ref().is_none_or(|(_, before)| **before != planned);
                if is_other {
                    self.plan_version += 1;
                }
                let opened = Arc::new(opened);
                self.site.set_opened(Some(Arc::clone(&opened)));
                self.opened = Some((opened, Arc::new(planned)));
                (self.problem, self.states, self.stamp) = (None, None, None);
            }
            // What was loaded before stays in view: a file is often wrong while it is being edited.
            Err(problem) => self.problem = Some(problem),
        }
    }
}

fn running<'a>(alive: &'a [(&PastRun, Live)]) -> BTreeMap<&'a str, StageNow> {
    let stages = alive.iter().flat_map(|(_, live)| &live.running);
    stages
        .map(|stage| {
            let now = StageNow {
                state: Standing::Running,
                progress: Some((stage.done, stage.total, stage.unit.clone())),
                device: stage.device,
                started_unix: Some(stage.started_unix),
                ..StageNow::default()
            };
            (stage.label.as_str(), now)
        })
        .collect()
}

fn trials(plan: &Plan, states: &States) -> (usize, usize) {
    (plan.trials.len(), plan.trials_done(|id| states.of(id) == StageState::Hit))
}

fn last(run: &PastRun) -> Ended {
    let Some(record) = &run.record else {
        return Ended { how: "killed", computed: 0, reused: 0, failed: 0, wall_secs: 0.0 };
    };
    let s = &record.summary;
    let how = match () {
        () if s.interrupted => "interrupted",
        () if s.failed + s.blocked + s.cancelled > 0 => "failed",
        () => "done",
    };
    Ended { how, computed: s.computed, reused: s.reused, failed: s.failed, wall_secs: s.wall_secs }
}

/// Makes the report anew whenever results come, for ever.
pub(super) fn report(site: &Arc<Site>) {
    let mut made_of: Option<(usize, Vec<bool>)> = None;
    loop {
        let now = site.now();
        let stored: Vec<bool> = now.stages.iter().map(|stage| stage.state == Standing::Stored).collect();
        let opened = site.opened().filter(|_| now.plan_version > 0);
        let Some(opened) = opened else {
            std::thread::sleep(FIRST);
            continue;
        };
        // Loaded anew, it may name things otherwise though its stages are the same.
        let of = Some((Arc::as_ptr(&opened).addr(), stored));
        let mut pace = REPORT_PACE;
        if of != made_of {
            let made = catch_unwind(|| fragment(&opened));
            let made =
                made.unwrap_or_else(|_| Err("an error of tacq-sweep itself; its terminal has more".into()));
            match made.is_ok() {
                true => made_of = of,
                // Something may have been removed while it was read.
                false => pace = LOOK,
            }
            site.set_fragment(made);
            site.wake();
        }
        std::thread::sleep(pace);
    }
}

/// The report as a part of a page; empty without results.
fn fragment(opened: &Opened) -> Result<String, String> {
    let Opened { experiment, plan, store } = opened;
    let rows = report::collect(experiment, plan, store).map_err(|error| error.to_string())?;
    if rows.is_empty() {
        return Ok(String::new());
    }
    let homes = experiment.homes();
    let (differences, _) = report::paired(&rows, report::Sources { store, homes: &homes });
    let source = page::Source { experiment, plan, store, rows: &rows, differences: &differences };
    page::fragment(source).map_err(|error| error.to_string())
}

/// Starts a run, unless one is going on.
pub(super) fn run(site: &Arc<Site>) -> Result<(), ControlError> {
    if site.now().run.is_some() {
        return Err(ControlError::IsRunning);
    }
    start(site, "run")
}

/// Ends the run that is going on, as Ctrl-C does.
pub(super) fn cancel(site: &Arc<Site>) -> Result<(), ControlError> {
    let now = site.now();
    let Some(run) = &now.run else {
        // It may have begun too short a time ago to have written anything.
        return match site.control.last().filter(|last| last.is_running && last.what == "run") {
            Some(last) => super::control::interrupt(last.pid),
            None => Err(ControlError::IsNotRunning),
        };
    };
    // Its number may be that of another process by now.
    if PastRun::read(run.dir.clone()).state != RunState::Running {
        return Err(ControlError::IsNotRunning);
    }
    if run.is_cluster {
        return start(site, "cancel");
    }
    if !run.is_here || !super::control::is_ours(run.pid, run.started_unix) {
        return Err(ControlError::IsElsewhere { pid: run.pid, host: run.host.clone() });
    }
    super::control::interrupt(run.pid)
}

fn start(site: &Arc<Site>, what: &'static str) -> Result<(), ControlError> {
    let Some(opened) = site.opened() else { return Err(ControlError::IsOpening) };
    let woken = Arc::clone(site);
    site.control.start(what, &opened.store, &site.slug, move || woken.wake())?;
    site.wake();
    Ok(())
}

/// Looks how busy this machine is, while somebody follows one of these sweeps.
pub(super) fn machine(sites: &[Arc<Site>], seen: &Mutex<Option<Devices>>) {
    let mut meter = Meter::new();
    loop {
        let is_watched = sites.iter().any(|site| site.snapshot.receiver_count() > 0);
        let devices = is_watched.then(|| meter.look());
        *lock(seen) = devices;
        std::thread::sleep(PACE[0]);
    }
}
