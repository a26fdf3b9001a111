//! A line for each stage that ended, and what runs at this moment.

use super::folder::{RunFolder, unix_now};
use super::live::{Live, LiveStage};
use crate::exec::worker::Failure;
use crate::fsx;
use crate::plan::{Plan, Stage, StageId};
use crate::stage_key::StageKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tacq_protocol::StageKind;
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;

/// Time between two pictures of what runs.
const RENEWED: Duration = Duration::from_secs(1);

/// A line of `stages.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Seconds since 1970 when it ended.
    pub ended_unix: u64,
    /// Its label.
    pub label: String,
    /// Its kind.
    pub kind: StageKind,
    /// Its key.
    pub key: StageKey,
    /// Where it ran; absent for what the driver does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Seconds of this attempt.
    pub wall_secs: f64,
    /// Whether progress of an earlier attempt was continued.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// Bytes of its artifact.
    #[serde(default)]
    pub bytes: u64,
    /// Largest memory of the engine.
    #[serde(default)]
    pub peak_bytes: u64,
    /// Largest memory on the device.
    #[serde(default)]
    pub device_peak_bytes: u64,
    /// Why this attempt failed; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Writes down how the stages of a run go. What cannot be written is told once, and never fails a run.
pub(in crate::exec) struct Journal {
    dir: PathBuf,
    stages: Option<File>,
    live: Live,
    running: BTreeMap<StageId, (LiveStage, Instant)>,
    renewed: Option<Instant>,
    is_changed: bool,
    is_broken: bool,
}

impl Journal {
    pub(in crate::exec) fn new(folder: &RunFolder, to_run: usize) -> Self {
        Self {
            dir: folder.dir().to_owned(),
            stages: None,
            live: Live { to_run, ..Live::default() },
            running: BTreeMap::new(),
            renewed: None,
            is_changed: true,
            is_broken: false,
        }
    }

    /// A stage was given to a worker.
    pub(in crate::exec) fn started(&mut self, plan: &Plan, id: StageId, device: Option<Device>) {
        let stage = &plan.stages[id];
        let key = stage.key().map(|key| key.short()).unwrap_or_default();
        let live = LiveStage {
            label: stage.label.clone(),
            key,
            device,
            started_unix: unix_now(),
            done: 0,
            total: 0,
            unit: String::new(),
        };
        self.running.insert(id, (live, Instant::now()));
        self.is_changed = true;
    }

    /// A running stage got further.
    pub(in crate::exec) fn progressed(&mut self, id: StageId, done: u64, total: u64, unit: &str) {
        if let Some((live, _)) = self.running.get_mut(&id) {
            (live.done, live.total) = (done, total);
            unit.clone_into(&mut live.unit);
            self.is_changed = true;
        }
    }

    /// A stage was computed; its artifact has so many bytes.
    pub(in crate::exec) fn computed(
        &mut self,
        plan: &Plan,
        id: StageId,
        provenance: &Provenance,
        bytes: u64,
    ) {
        self.live.computed += 1;
        let device = self.leave(id).and_then(|(live, _)| live.device);
        let Provenance { wall_secs, peak_bytes, device_peak_bytes, resumed, .. } = *provenance;
        let record = StageRecord {
            wall_secs,
            resumed,
            bytes,
            peak_bytes,
            device_peak_bytes,
            ..Self::line(&plan.stages[id], device)
        };
        self.write(&record);
    }

    /// An attempt failed; `is_final` if there is no other.
    pub(in crate::exec) fn failed(&mut self, plan: &Plan, id: StageId, failure: &Failure, is_final: bool) {
        self.live.failed += usize::from(is_final);
        let (device, wall_secs) =
            self.leave(id).map_or((None, 0.0), |(live, since)| (live.device, since.elapsed().as_secs_f64()));
        let record =
            StageRecord { wall_secs, failure: Some(failure.clone()), ..Self::line(&plan.stages[id], device) };
        self.write(&record);
    }

    /// A stage ended without a result of this run: it was there, or the run ends.
    pub(in crate::exec) fn left(&mut self, id: StageId, is_there: bool) {
        self.live.reused += usize::from(is_there);
        self.leave(id);
    }

    fn leave(&mut self, id: StageId) -> Option<(LiveStage, Instant)> {
        self.is_changed = true;
        self.running.remove(&id)
    }

    fn line(stage: &Stage, device: Option<Device>) -> StageRecord {
        let key = *stage.key().expect("stages that run have keys");
        StageRecord {
            ended_unix: unix_now(),
            label: stage.label.clone(),
            kind: stage.kind(),
            key,
            device,
            wall_secs: 0.0,
            resumed: false,
            bytes: 0,
            peak_bytes: 0,
            device_peak_bytes: 0,
            failure: None,
        }
    }

    fn write(&mut self, record: &StageRecord) {
        let mut line = serde_json::to_string(record).expect("records serialize without error");
        line.push('\n');
        let path = self.dir.join("stages.jsonl");
        if self.stages.is_none() {
            self.stages = fsx::append(&path).ok();
        }
        // One write a line, so that a kill leaves at most a torn last one.
        let written = self.stages.as_mut().map(|file| file.write_all(line.as_bytes()));
        if !matches!(written, Some(Ok(()))) {
            self.broken(&path);
        }
    }

    /// Renews the picture of what runs, if it is time.
    pub(in crate::exec) fn tick(&mut self) {
        if !self.is_changed || self.renewed.is_some_and(|at| at.elapsed() < RENEWED) {
            return;
        }
        self.renewed = Some(Instant::now());
        self.is_changed = false;
        self.live.renewed_unix = unix_now();
        self.live.running = self.running.values().map(|(live, _)| live.clone()).collect();
        let text = serde_json::to_vec(&self.live).expect("plain data");
        let path = self.dir.join(super::live::LIVE);
        if fsx::replace(&path, &text).is_err() {
            self.broken(&path);
        }
    }

    fn broken(&mut self, path: &Path) {
        if !std::mem::replace(&mut self.is_broken, true) {
            tracing::warn!("{} cannot be written: `status` and `history` will not know all", path.display());
        }
    }
}
