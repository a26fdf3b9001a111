//! What a stage is given: its folders, its device, a way to say how far it is.

use super::StageError;
use crate::fsx::FsError;
use crate::model::{Model, ModelConfig, Rope, cache::ModelCache};
use crate::{Result, device};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tacq_protocol::units::DType;
use tacq_protocol::{DataFile, Event, LogLevel, Request};
use tch::{Device, Kind};

/// Receives events; the serve loop writes them to standard output, tests collect them.
pub trait Sink: Sync {
    /// Takes one event. Cannot fail: an engine that nobody listens to ends itself.
    fn send(&self, event: &Event);

    /// Whether the request is to end as soon as its progress is written.
    fn is_stopping(&self) -> bool {
        false
    }
}

/// Shortest time between two progress events of a stage.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// At most one part in so many of the time goes into writing progress, however large it is.
const CHECKPOINT_SHARE: u32 = 5;

/// One request being run.
pub struct Context<'a> {
    /// The request.
    pub request: &'a Request,
    /// Where the request says to compute, checked to exist.
    pub device: Device,
    /// That device and all further ones.
    pub devices: Vec<Device>,
    sink: &'a dyn Sink,
    models: &'a mut ModelCache,
    resumed: bool,
    /// Which pass through the work this is, where there are several.
    pass: Option<usize>,
    last_progress: Option<Instant>,
    last_checkpoint: Instant,
    checkpoint_started: Instant,
    checkpoint_cost: Duration,
}

impl<'a> Context<'a> {
    /// Checks the device and prepares to run a request.
    pub fn new(request: &'a Request, sink: &'a dyn Sink, models: &'a mut ModelCache) -> Result<Self> {
        let device = device::resolve(request.run.device)?;
        let mut devices = vec![device];
        for further in &request.run.more_devices {
            devices.push(device::resolve(*further)?);
        }
        device::set_threads(request.run.threads);
        devices.iter().for_each(|device| device::limit_memory(*device, request.run.device_bytes));
        Ok(Self {
            request,
            device,
            devices,
            sink,
            models,
            resumed: false,
            pass: None,
            last_progress: None,
            last_checkpoint: Instant::now(),
            checkpoint_started: Instant::now(),
            checkpoint_cost: Duration::ZERO,
        })
    }

    /// The folder of an input that the stage needs.
    pub fn input(&self, role: &'static str) -> Result<&'a Path, StageError> {
        let kind = self.request.stage.kind();
        self.optional_input(role).ok_or(StageError::MissingInput { kind, role })
    }

    /// The folder of an input that may be absent.
    pub fn optional_input(&self, role: &str) -> Option<&'a Path> {
        self.request.inputs.get(role).map(PathBuf::as_path)
    }

    /// The files of a data set that the stage needs, at least one.
    pub fn data(&self, role: &'static str) -> Result<&'a [DataFile], StageError> {
        let kind = self.request.stage.kind();
        let files = self.optional_data(role);
        if files.is_empty() { Err(StageError::MissingInput { kind, role }) } else { Ok(files) }
    }

    /// The files of a data set that may be absent.
    pub fn optional_data(&self, role: &str) -> &'a [DataFile] {
        self.request.data.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    /// The folder that receives the artifact's files.
    pub fn output(&self) -> &'a Path {
        &self.request.output
    }

    /// The folder that survives a kill; not there before something was kept in it.
    pub fn progress(&self) -> &'a Path {
        &self.request.progress
    }

    /// [`Self::progress`], to keep something there.
    pub fn progress_to_write(&self) -> Result<&'a Path> {
        let folder = self.progress();
        std::fs::create_dir_all(folder).map_err(|e| FsError::new("create", folder, e))?;
        Ok(folder)
    }

    /// The input model in a number format, loaded or still there from the last request.
    pub fn model(&mut self, folder: &Path, dtype: DType) -> Result<Rc<Model>> {
        self.models.get(folder, device::kind(dtype), self.device)
    }

    /// Forgets what is kept of models for later requests.
    pub fn forget_models(&mut self) {
        self.models.clear();
    }

    /// The rotary table for sequences of up to `length` tokens; says so if the model was not made for so many.
    pub fn rope(&self, model: &Model, length: i64) -> Result<Rope> {
        self.look_at_length(&model.config, length);
        model.rope(length)
    }

    /// Says so if the model was not made for sequences of so many tokens.
    pub fn look_at_length(&self, config: &ModelConfig, length: i64) {
        if let Some(most) = config.max_positions.filter(|most| length > *most) {
            let message = format!("sequences of {length} tokens exceed the model's context length of {most}");
            self.log(LogLevel::Warn, message);
        }
    }

    /// The libtorch number format of a dtype.
    pub fn kind(&self, dtype: DType) -> Kind {
        device::kind(dtype)
    }

    /// Says how far the stage is; dropped when the last time was a moment ago, unless it is the end.
    pub fn report(&mut self, done: u64, total: u64, unit: &str) {
        if done < total && self.last_progress.is_some_and(|t| t.elapsed() < PROGRESS_INTERVAL) {
            return;
        }
        self.last_progress = Some(Instant::now());
        let unit = self.pass.map_or_else(|| unit.to_owned(), |pass| format!("{unit}, pass {pass}"));
        self.sink.send(&Event::Progress { id: self.request.id, done, total, unit });
    }

    /// Begins another pass through the same work, which what is told of progress says from now on.
    pub fn begin_pass(&mut self, nth: usize) {
        self.pass = Some(nth);
    }

    /// Tells a person something in one line.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.sink.send(&Event::Log { id: Some(self.request.id), level, message: message.into() });
    }

    /// Notes that an earlier attempt's progress is continued.
    pub fn mark_resumed(&mut self) {
        self.resumed = true;
    }

    /// Whether an earlier attempt's progress was continued.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Ends the stage here if the driver asked for that. To be called when all that was done is kept.
    pub fn go_on(&self) -> Result<(), StageError> {
        if self.sink.is_stopping() { Err(StageError::Stopped) } else { Ok(()) }
    }

    /// Whether it is time to write progress: the interval has passed, and writing stays a small share of the time; or
    /// the stage is to stop.
    pub fn checkpoint_due(&mut self) -> bool {
        let asked = Duration::from_secs(self.request.run.checkpoint_secs.into());
        let passed = self.last_checkpoint.elapsed() >= asked.max(self.checkpoint_cost * CHECKPOINT_SHARE);
        let due = passed || self.sink.is_stopping();
        if due {
            self.checkpoint_started = Instant::now();
        }
        due
    }

    /// Notes that the progress which was due is written.
    pub fn checkpoint_written(&mut self) {
        self.checkpoint_cost = self.checkpoint_started.elapsed();
        self.last_checkpoint = Instant::now();
    }
}
