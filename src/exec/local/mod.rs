//! Execution on this machine: a worker per device slot, downloads beside them.

mod placement;
mod pool;
mod slot;

pub(super) use pool::Pool;
pub(super) use slot::{Message, Seat};

use super::download::DownloadJob;
use super::frontier::Class;
use super::interrupt::{Ending, Interrupt};
use super::job::{Job, JobError};
use super::ledger::Ledger;
use super::observer::RunEvent;
use super::outcome::ExecError;
use super::worker::Launcher;
use crate::plan::StageId;
use placement::{Need, Placement, Why};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tacq_protocol::artifact::role;
use tacq_protocol::stage::DownloadParams;
use tacq_protocol::{FailureKind, StageParams};

/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(100);

/// Ready stages that are weighed against each other when a device is free.
const WEIGHED: usize = 64;

/// Stages that may be placed before one that is more urgent but finds no memory; after so many, memory is left to
/// become free for it.
const OVERTAKING: u32 = 8;

/// Runs all that is to run; returns early only when the store or the engine cannot be used at all.
pub(super) fn drive(
    ledger: &mut Ledger<'_>,
    launcher: &dyn Launcher,
    interrupt: &Interrupt,
) -> Result<(), ExecError> {
    let stopping = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (sender, messages) = mpsc::channel();
        let settings = &ledger.options.settings;
        let pool = Pool::new(scope, settings, launcher, ledger.sweep.hub, &stopping, sender);
        let mut local = Local { ledger, pool, overtaken: None };
        let mut fatal = None;
        let mut ending = Ending::None;
        loop {
            let asked = if fatal.is_some() { Ending::Now } else { interrupt.ending() };
            if asked > ending {
                ending = asked;
                local.end(asked, launcher, &stopping);
            }
            if !local.ledger.halted
                && let Err(error) = local.assign()
            {
                fatal.get_or_insert(error);
                continue;
            }
            local.ledger.tick();
            let is_idle = local.pool.is_idle();
            if is_idle && (local.ledger.halted || !local.ledger.frontier.has_work()) {
                return fatal.map_or(Ok(()), Err);
            }
            match messages.recv_timeout(local.ledger.frontier.patience(Instant::now(), TICK)) {
                Ok(message) => {
                    if let Err(error) = receive(local.ledger, &mut local.pool, message, ending) {
                        fatal.get_or_insert(error);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return fatal.map_or(Ok(()), Err),
            }
        }
    })
}

struct Local<'l, 'a, 'scope, 'env> {
    ledger: &'l mut Ledger<'a>,
    pool: Pool<'scope, 'env>,
    /// The most urgent stage that found no memory, and how many were placed before it since.
    overtaken: Option<(StageId, u32)>,
}

impl Local<'_, '_, '_, '_> {
    /// Begins to end the run.
    fn end(&mut self, how: Ending, launcher: &dyn Launcher, stopping: &AtomicBool) {
        self.ledger.halted = true;
        stopping.store(true, Ordering::Relaxed);
        match how {
            Ending::None => {}
            Ending::Soon => {
                let running = self.ledger.frontier.taken().len();
                self.ledger.observer.on(&RunEvent::Stopping { running });
                launcher.stop();
            }
            Ending::Now => launcher.cancel(),
        }
    }

    /// Gives ready stages to whoever is free; what the driver does itself is done on the spot.
    fn assign(&mut self) -> Result<(), ExecError> {
        self.ledger.frontier.wake(Instant::now());
        by_the_driver(self.ledger, &mut self.pool)?;
        while !self.ledger.halted
            && let Some((id, need, placement)) = self.choose()
        {
            self.start(id, need, placement)?;
        }
        Ok(())
    }

    /// The stage to start next and where. A chain that is longer than what is left of all work, shared by the slots,
    /// decides when the run ends: the longest first. Below that any order ends at the same time, and what spares loading
    /// a model is better; of what is equally good, the most urgent.
    fn choose(&mut self) -> Option<(StageId, Need, Placement)> {
        let frontier = &self.ledger.frontier;
        let share = frontier.remaining() / self.pool.size();
        let ready = [Class::Device, Class::Host].map(|class| frontier.ready(class).take(WEIGHED));
        let mut best: Option<((i64, u64), StageId, Need, Placement)> = None;
        let mut without_memory: Option<StageId> = None;
        for id in ready.into_iter().flatten() {
            let need = self.need(id);
            let placement = match self.pool.place(&need) {
                Ok(placement) => placement,
                Err(why) => {
                    if why == Why::NoMemory
                        && without_memory.is_none_or(|other| frontier.urgency(id) > frontier.urgency(other))
                    {
                        without_memory = Some(id);
                    }
                    continue;
                }
            };
            let urgency = i64::try_from(frontier.urgency(id).max(share)).unwrap_or(i64::MAX);
            let price = if placement.loads_model { need.load_ms } else { 0 };
            let score = (urgency.saturating_sub(price), frontier.urgency(id));
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, id, need, placement));
            }
        }
        let (_, id, need, placement) = best?;
        if let Some(waiting) = without_memory.filter(|&other| frontier.urgency(other) >= frontier.urgency(id))
        {
            let count = self.overtaken.filter(|(who, _)| *who == waiting).map_or(0, |(_, count)| count);
            if count >= OVERTAKING {
                return None;
            }
            self.overtaken = Some((waiting, count + 1));
        }
        Some((id, need, placement))
    }

    fn need(&self, id: StageId) -> Need {
        let stage = self.ledger.stage(id);
        let base = stage.inputs.get(role::MODEL).map(|&input| self.ledger.stage(input));
        let model = base.and_then(|base| base.key().copied());
        let bytes = base.map_or(0, |base| model_bytes(&base.params));
        Need {
            on_host: Class::of(&stage.params) == Class::Host,
            memory: self.ledger.options.settings.of(stage.kind()).gpu_memory,
            gpus: self.ledger.options.settings.of(stage.kind()).gpus as usize,
            alone: self.ledger.attempts(id).alone(),
            model,
            load_ms: i64::try_from(bytes / LOADED_PER_MS).unwrap_or(i64::MAX).max(LEAST_LOAD_MS),
        }
    }

    fn start(&mut self, id: StageId, need: Need, placement: Placement) -> Result<(), ExecError> {
        let Some(reservation) = self.ledger.reserve(id)? else { return Ok(()) };
        let device = self.pool.device(&placement);
        let more = placement.more.iter().map(|more| self.pool.device(more)).collect();
        let request = self.ledger.request(id, &reservation, device, more)?;
        let job = Job {
            label: self.ledger.stage(id).label.clone(),
            request,
            reservation,
            sources: self.ledger.sources(id),
            run_dir: self.ledger.run_dir(),
        };
        self.ledger.started(id, Some(device));
        let limit = self.ledger.options.settings.of(self.ledger.stage(id).kind()).timeout;
        self.pool.start(placement, need, id, job, limit);
        Ok(())
    }
}

/// Does what the driver does itself, wherever stages run: local sources on the spot, downloads on threads.
pub(super) fn by_the_driver(ledger: &mut Ledger<'_>, pool: &mut Pool<'_, '_>) -> Result<(), ExecError> {
    while let Some(id) = ledger.next(Class::Driver) {
        if let Some(reservation) = ledger.reserve(id)? {
            ledger.fix_source(id, reservation)?;
        }
    }
    while let Some(lane) = pool.idle_lane()
        && let Some(id) = ledger.next(Class::Download)
    {
        start_download(ledger, pool, id, lane)?;
    }
    Ok(())
}

/// Starts a download on an idle lane.
fn start_download(
    ledger: &mut Ledger<'_>,
    pool: &mut Pool<'_, '_>,
    id: StageId,
    lane: usize,
) -> Result<(), ExecError> {
    let Some(reservation) = ledger.reserve(id)? else { return Ok(()) };
    let stage = ledger.stage(id);
    let StageParams::Download(params) = &stage.params else {
        unreachable!("only downloads come from elsewhere")
    };
    ledger.started(id, None);
    let job = DownloadJob {
        id,
        label: stage.label.clone(),
        params: params.clone(),
        remote: stage.remote.clone(),
        reservation,
        run_dir: ledger.run_dir(),
    };
    pool.download(lane, job);
    Ok(())
}

/// Notes what a seat says.
pub(super) fn receive(
    ledger: &mut Ledger<'_>,
    pool: &mut Pool<'_, '_>,
    message: Message,
    ending: Ending,
) -> Result<(), ExecError> {
    let (id, result) = match message {
        Message::Event { id, event } => {
            ledger.event(id, &event);
            return Ok(());
        }
        Message::Finished { seat, id, result, lives } => {
            pool.vacate(seat, lives);
            (id, result)
        }
    };
    match result {
        Ok(made) => ledger.computed(id, &made),
        // Stopped by us: not a failure of the stage.
        Err(JobError::Stage(failure)) if ending > Ending::None && is_stop(failure.kind) => {
            tracing::info!(stage = %ledger.stage(id).label, "stopped: {failure}");
            ledger.cancelled(id);
        }
        Err(_) if ending == Ending::Now => ledger.cancelled(id),
        Err(JobError::Stage(failure)) => ledger.attempt_failed(id, failure),
        Err(JobError::Store(error)) => {
            ledger.cancelled(id);
            return Err(error.into());
        }
        Err(JobError::Launch(error)) => {
            ledger.cancelled(id);
            return Err(error.into());
        }
    }
    Ok(())
}
/// What a stage that was asked to stop fails with; a download says that it was interrupted.
fn is_stop(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Interrupted | FailureKind::Download | FailureKind::EngineDied)
}

/// Bytes of a model that are read, checked and copied in a millisecond.
const LOADED_PER_MS: u64 = 1_500_000;
const LEAST_LOAD_MS: i64 = 100;

/// Bytes of a model, as far as they are known.
fn model_bytes(params: &StageParams) -> u64 {
    match params {
        StageParams::Download(DownloadParams::Local(local)) => {
            local.files.iter().map(|file| file.bytes).sum()
        }
        _ => 0,
    }
}
