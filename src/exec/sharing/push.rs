//! What a run computes goes to the remote store while it goes on; a push that fails fails no stage.

use crate::exec::{Observer, RunEvent};
use crate::plan::Plan;
use crate::stage_key::StageKey;
use crate::store::remote::{Pushed, Remote, RemoteError};
use crate::store::{self, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tacq_protocol::StageKind;

/// Artifacts under way together; each sends parts of large files side by side.
const THREADS: usize = 2;
/// How long nothing is pushed after a push failed: a server that does not answer keeps each push waiting.
const PAUSE: Duration = Duration::from_secs(60);

/// Two results under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonDeterminism {
    /// Name of the stage.
    pub label: String,
    /// Its key.
    pub key: StageKey,
    /// Files that differ.
    pub files: Vec<String>,
    /// The machine that computed the other one.
    pub host: String,
}

/// What was pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushReport {
    /// Artifacts that were not there before.
    pub pushed: usize,
    /// Bytes sent.
    pub bytes: u64,
    /// Artifacts that another machine computed with another result; its result stays.
    pub differ: Vec<NonDeterminism>,
    /// Names of artifacts that are not there yet, and why; they are noted for the next run.
    pub failed: Vec<(String, String)>,
}

impl PushReport {
    /// Adds how a push ended.
    pub fn note(&mut self, label: &str, key: &StageKey, pushed: Pushed) {
        match pushed {
            Pushed::New { bytes } => {
                self.pushed += 1;
                self.bytes += bytes;
            }
            Pushed::Known { bytes } => self.bytes += bytes,
            Pushed::Differs { files, theirs } => {
                let label = label.to_owned();
                self.differ.push(NonDeterminism { label, key: *key, files, host: theirs.host });
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Parcel {
    label: String,
    kind: StageKind,
    key: StageKey,
}

struct Shared {
    store: Store,
    remote: Arc<Remote>,
    report: Mutex<PushReport>,
    /// To be tried once more at the end.
    again: Mutex<Vec<(Parcel, String)>>,
    /// Leave what is queued.
    stop: AtomicBool,
    told: AtomicBool,
    pending: AtomicUsize,
    /// When a push failed last, and why.
    last_problem: Mutex<Option<(Instant, String)>>,
}

/// Pushes artifacts in the background.
pub struct Pusher {
    shared: Arc<Shared>,
    queue: Sender<Parcel>,
    threads: Vec<JoinHandle<()>>,
}

impl Pusher {
    /// Begins with what earlier runs left.
    pub fn start(store: &Store, remote: &Arc<Remote>) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            store: store.clone(),
            remote: Arc::clone(remote),
            report: Mutex::default(),
            again: Mutex::default(),
            stop: AtomicBool::new(false),
            told: AtomicBool::new(false),
            pending: AtomicUsize::new(0),
            last_problem: Mutex::default(),
        });
        let (queue, parcels) = channel();
        let parcels = Arc::new(Mutex::new(parcels));
        let threads = (0..THREADS).map(|_| {
            let (shared, parcels) = (Arc::clone(&shared), Arc::clone(&parcels));
            std::thread::spawn(move || shared.serve(&parcels))
        });
        let threads = threads.collect();
        let pusher = Self { shared, queue, threads };
        for (kind, key) in store.unpushed()? {
            pusher.send(Parcel { label: format!("{kind} {}", key.short()), kind, key });
        }
        Ok(pusher)
    }

    fn send(&self, parcel: Parcel) {
        self.shared.pending.fetch_add(1, Ordering::Relaxed);
        // Its threads live until the queue is dropped.
        let _ = self.queue.send(parcel);
    }

    /// Pushes a committed artifact, if its kind is shared.
    pub fn add(&self, label: &str, kind: StageKind, key: &StageKey) {
        let remote = &self.shared.remote;
        let has_summary = store::has_summaries(kind);
        if !remote.is_writable() || !(remote.pushes(kind) || has_summary) {
            return;
        }
        if let Err(error) = self.shared.store.note_unpushed(kind, key) {
            tracing::warn!("{error}");
        }
        self.send(Parcel { label: label.to_owned(), kind, key: *key });
    }

    /// Artifacts that are queued or under way.
    pub fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }

    /// Waits for what is under way and tries once more what failed; with `stop`, leaves the rest to the next run.
    pub fn finish(self, stop: bool) -> PushReport {
        let Self { shared, queue, threads } = self;
        shared.stop.store(stop, Ordering::Relaxed);
        drop(queue);
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let again = std::mem::take(&mut *shared.again.lock().unwrap_or_else(PoisonError::into_inner));
        let mut last: Option<String> = None;
        for (parcel, why) in again {
            // A server that does not answer is not asked for each artifact in turn.
            let ended = match (&last, shared.stop.load(Ordering::Relaxed)) {
                (None, false) => shared.push(&parcel).map_err(|error| error.to_string()),
                (Some(_), _) | (None, true) => Err(why),
            };
            if let Err(why) = ended {
                last.get_or_insert_with(|| why.clone());
                shared.report().failed.push((parcel.label, why));
            }
        }
        shared.report().clone()
    }
}

impl Shared {
    fn report(&self) -> std::sync::MutexGuard<'_, PushReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self) -> Option<(Instant, String)> {
        self.last_problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve(&self, parcels: &Mutex<Receiver<Parcel>>) {
        loop {
            let parcel = parcels.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(parcel) = parcel else { return };
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            let problem = self.problem().filter(|(when, _)| when.elapsed() < PAUSE).map(|(_, why)| why);
            if let Some(why) = problem {
                self.again.lock().unwrap_or_else(PoisonError::into_inner).push((parcel, why));
            } else if let Err(error) = self.push(&parcel) {
                *self.last_problem.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now(), error.to_string()));
                if !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "{}: not pushed yet, tried again at the end of the run: {error}",
                        parcel.label
                    );
                }
                let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
                again.push((parcel, error.to_string()));
            }
            self.pending.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Pushes an artifact, or what tables need of it; one that has gone meanwhile is not missed.
    fn push(&self, parcel: &Parcel) -> Result<(), RemoteError> {
        let Parcel { label, kind, key } = parcel;
        match self.store.get(*kind, key) {
            Ok(Some(artifact)) if self.remote.pushes(*kind) => {
                let pushed = self.remote.push(&artifact)?;
                self.report().note(label, key, pushed);
            }
            Ok(_) | Err(StoreError::Damaged { .. }) => self.remote.push_summary(&self.store, *kind, key)?,
            Err(other) => return Err(other.into()),
        }
        Ok(self.store.note_pushed(*kind, key)?)
    }
}

/// Passes on what happens in a run, and pushes what it computes.
pub struct Sharing<'a> {
    inner: &'a mut dyn Observer,
    pusher: &'a Pusher,
    stages: BTreeMap<&'a str, (StageKind, StageKey)>,
}

impl<'a> Sharing<'a> {
    /// An observer before another one.
    pub fn new(plan: &'a Plan, pusher: &'a Pusher, inner: &'a mut dyn Observer) -> Self {
        let keyed =
            |stage: &'a crate::plan::Stage| Some((stage.label.as_str(), (stage.kind(), *stage.key()?)));
        Self { inner, pusher, stages: plan.stages.iter().filter_map(keyed).collect() }
    }
}

impl Observer for Sharing<'_> {
    fn on(&mut self, event: &RunEvent<'_>) {
        // What another process computed may not have been pushed: it need not know the remote store.
        if let RunEvent::Computed { label, .. } | RunEvent::ComputedElsewhere { label } = event
            && let Some((kind, key)) = self.stages.get(label)
        {
            self.pusher.add(label, *kind, key);
        }
        self.inner.on(event);
    }
}
