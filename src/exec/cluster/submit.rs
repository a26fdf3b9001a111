//! Puts stages into the queue: those that can run, and those whose inputs are in the queue already.

use super::book::TaskRef;
use super::journal::{Intent, TaskEntry};
use super::layout::{self, Input, JobFile, RunDir, VERSION};
use super::tuning::Tuning;
use super::{Cluster, Flight};
use crate::exec::frontier::Class;
use crate::exec::observer::RunEvent;
use crate::exec::outcome::{ExecError, Outcome};
use crate::exec::record::unix_now;
use crate::exec::worker::Failure;
use crate::fsx;
use crate::plan::StageId;
use crate::slurm::{Limits, Resources, SlurmError, Submission, TaskId};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tacq_protocol::units::Device;
use tacq_protocol::{FailureKind, StageKind};

/// Tasks of one array, where the site allows more.
const LARGEST_ARRAY: u32 = 1000;

/// How long a stage that another process computes is left alone.
const BUSY_POLL: Duration = Duration::from_secs(2);

/// What Slurm says when it accepts no more for now, or when a job that is depended on has just ended.
const FOR_NOW: [&str; 5] = ["limit", "violates accounting", "dependency", "temporarily", "try again"];

/// What the stages of an array share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Terms {
    kind: StageKind,
    after: Vec<TaskId>,
    resources: Resources,
    tuning: Tuning,
}

/// Whether the queue takes more.
#[derive(Debug, PartialEq, Eq)]
enum Queue {
    Open,
    Closed,
}

impl Cluster<'_, '_, '_, '_> {
    /// Submits all that can be submitted now.
    pub(super) fn submit(&mut self) -> Result<(), ExecError> {
        // What was submitted before its inputs were there may have become ready since.
        let flying: Vec<StageId> = self.ready().filter(|id| self.flights.contains_key(id)).collect();
        flying.into_iter().for_each(|id| self.ledger.frontier.take(id));
        let now = Instant::now();
        if self.refused_until.is_some_and(|until| now < until) || self.candidates().is_empty() {
            return Ok(());
        }
        self.refused_until = None;
        let Some(_lock) = self.book.lock().map_err(|e| self.ledger.store_error(e))? else { return Ok(()) };
        self.book.refresh().map_err(|e| self.ledger.store_error(e))?;
        self.adopt()?;
        let Some(limits) = self.limits()? else { return Ok(()) };
        self.step_aside();
        self.look_for_room()?;
        loop {
            let groups = self.groups()?;
            if groups.is_empty() {
                return Ok(());
            }
            for (terms, ids) in groups {
                let largest = if limits.array == 0 { 1 } else { limits.array.min(LARGEST_ARRAY) };
                for chunk in ids.chunks(largest as usize) {
                    if self.submit_array(&terms, chunk, limits.array > 0)? == Queue::Closed {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn limits(&mut self) -> Result<Option<Limits>, ExecError> {
        if self.limits.is_none() {
            match self.slurm.limits() {
                Ok(limits) => {
                    self.answers();
                    self.limits = Some(limits);
                }
                Err(error) if error.is_outage() => {
                    self.silent(&error);
                    self.refused_until = Some(Instant::now() + self.setup.pace.results() * 5);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.limits)
    }

    fn ready(&self) -> impl Iterator<Item = StageId> + '_ {
        [Class::Device, Class::Host].into_iter().flat_map(|class| self.ledger.frontier.ready(class))
    }

    /// Leaves alone for a while what another process, which is no job, computes right now.
    fn step_aside(&mut self) {
        let ready: Vec<StageId> = self.ready().filter(|id| !self.flights.contains_key(id)).collect();
        for id in ready {
            let stage = self.ledger.stage(id);
            if stage.key().is_some_and(|key| self.ledger.sweep.store.is_reserved(key)) {
                self.ledger.observer.on(&RunEvent::Waiting { label: &stage.label });
                self.ledger.frontier.take(id);
                self.ledger.frontier.postpone(id, Instant::now() + BUSY_POLL);
            }
        }
    }

    /// Leaves alone what there is no room for.
    fn look_for_room(&mut self) -> Result<(), ExecError> {
        let ready: Vec<StageId> = self.ready().filter(|id| !self.flights.contains_key(id)).collect();
        let mut under_way: Vec<StageId> = self.flights.keys().copied().collect();
        for id in ready {
            if self.ledger.has_room(id, &under_way)? {
                under_way.push(id);
            }
        }
        Ok(())
    }

    /// Stages that can be submitted, with the jobs that must end before.
    fn candidates(&self) -> Vec<(StageId, Vec<TaskId>)> {
        let ready = self.ready().filter(|id| !self.flights.contains_key(id));
        let mut found: Vec<(StageId, Vec<TaskId>)> = ready.map(|id| (id, Vec::new())).collect();
        let plan = self.ledger.sweep.plan;
        found.extend((0..plan.stages.len()).filter_map(|id| Some((id, self.jobs_before(id)?))));
        let room = self.ledger.options.settings.slurm.as_ref().and_then(|slurm| slurm.max_jobs);
        let room = room.map_or(usize::MAX, |most| (most as usize).saturating_sub(self.flights.len()));
        found.truncate(room);
        found
    }

    /// The jobs that a stage waits for, if it waits for jobs alone and for one at least.
    fn jobs_before(&self, id: StageId) -> Option<Vec<TaskId>> {
        if !self.is_open(id) {
            return None;
        }
        let mut jobs = Vec::new();
        for &input in self.ledger.stage(id).inputs.values() {
            match self.ledger.frontier.outcome(input) {
                Some(Outcome::Hit | Outcome::Computed { .. }) => {}
                Some(_) => return None,
                None => jobs.push(self.book.id(&self.flights.get(&input)?.at)?),
            }
        }
        jobs.sort_unstable();
        jobs.dedup();
        (!jobs.is_empty()).then_some(jobs)
    }

    fn groups(&mut self) -> Result<BTreeMap<Terms, Vec<StageId>>, ExecError> {
        let mut groups: BTreeMap<Terms, Vec<StageId>> = BTreeMap::new();
        let mut under_way: Vec<StageId> = self.flights.keys().copied().collect();
        for (id, after) in self.candidates() {
            // What is ready was looked at already. What waits for jobs can be submitted when they have left room.
            if !after.is_empty() && !self.ledger.would_fit(id, &under_way)? {
                continue;
            }
            under_way.push(id);
            let kind = self.ledger.stage(id).kind();
            let tuning = self.tunings.get(&id).cloned().unwrap_or_default();
            let resources = tuning.apply(&self.resources(kind));
            groups.entry(Terms { kind, after, resources, tuning }).or_default().push(id);
        }
        Ok(groups)
    }

    /// What the experiment asks for, for a kind of stage.
    pub(super) fn resources(&self, kind: StageKind) -> Resources {
        let slurm = self.ledger.options.settings.slurm.as_ref();
        slurm.map(|slurm| slurm.of(kind).clone()).unwrap_or_default()
    }

    fn submit_array(&mut self, terms: &Terms, ids: &[StageId], is_array: bool) -> Result<Queue, ExecError> {
        let run = self.book.own(unix_now()).map_err(|e| self.ledger.store_error(e))?;
        let array = self.book.next_array();
        let intent = self.write_jobs(&run, array, terms, ids, is_array)?;
        let name = intent.name.clone();
        self.book.intend(&run, intent).map_err(|e| self.ledger.store_error(e))?;
        let dir = run.array(array);
        let log = dir.join(if is_array { "%a.log" } else { "0.log" });
        let count = u32::try_from(ids.len()).expect("at most a thousand");
        let script = script(&self.setup.driver, &dir);
        let comment = format!("tacq-sweep {}: {}", self.setup.experiment, terms.kind);
        let submitted = self.slurm.submit(&Submission {
            name: &name,
            comment: &comment,
            tasks: is_array.then_some(count),
            resources: &terms.resources,
            after: &terms.after,
            dir: &dir,
            log: &log,
            script: &script,
        });
        let at =
            |task: usize| TaskRef { run: run.clone(), array, task: u32::try_from(task).expect("counted") };
        match submitted {
            Ok(job) => {
                self.answers();
                self.book.submitted(&run, array, job).map_err(|e| self.ledger.store_error(e))?;
                let stages = if count == 1 { String::new() } else { "s".to_owned() };
                self.notice(&format!("submitted {count} {} stage{stages} as Slurm job {job}", terms.kind));
            }
            // Nobody knows whether it was accepted: its name will tell.
            Err(error) if error.is_outage() => {
                self.silent(&error);
                self.refused_until = Some(Instant::now() + self.setup.pace.results() * 5);
            }
            Err(error) => {
                self.book.dropped(&run, array).map_err(|e| self.ledger.store_error(e))?;
                return self.refused(error, ids);
            }
        }
        let ready: BTreeSet<StageId> = self.ready().collect();
        for (task, &id) in ids.iter().enumerate() {
            self.flights.insert(id, Flight::new(at(task), true));
            if ready.contains(&id) {
                self.ledger.frontier.take(id);
            }
        }
        self.clock.hurry(Instant::now());
        Ok(if self.refused_until.is_some() { Queue::Closed } else { Queue::Open })
    }

    fn refused(&mut self, error: SlurmError, ids: &[StageId]) -> Result<Queue, ExecError> {
        if matches!(error, SlurmError::Missing { .. }) {
            return Err(error.into());
        }
        let said = error.to_string().to_lowercase();
        if !self.flights.is_empty() && FOR_NOW.iter().any(|words| said.contains(words)) {
            self.notice(&format!("{error}; {} stages wait for jobs to end", ids.len()));
            self.refused_until = Some(Instant::now() + self.setup.pace.pause());
            return Ok(Queue::Closed);
        }
        let kind = self.ledger.stage(ids[0]).kind();
        let hint = format!("check the Slurm settings under run, or run.kinds.{kind} for this kind of stage");
        for &id in ids {
            let (kind, message) = (FailureKind::Cluster, error.to_string());
            self.fail(id, Failure { kind, message, hint: Some(hint.clone()) })?;
        }
        Ok(Queue::Open)
    }

    /// Freezes all that the jobs of an array need.
    fn write_jobs(
        &mut self,
        run: &RunDir,
        array: u32,
        terms: &Terms,
        ids: &[StageId],
        is_array: bool,
    ) -> Result<Intent, ExecError> {
        fsx::create_dir_all(&run.array(array)).map_err(|e| self.ledger.store_error(e))?;
        let mut files = Vec::new();
        for (&id, task) in ids.iter().zip(0..) {
            files.push((run.job(array, task), self.job_file(id, &run.job(array, task))?));
        }
        let tasks =
            files.iter().map(|(_, file)| TaskEntry { key: file.payload.key(), label: file.label.clone() });
        let tasks = tasks.collect();
        let written = files.into_par_iter().try_for_each(|(path, file)| layout::write(&path, &file));
        written.map_err(|e| self.ledger.store_error(e))?;
        Ok(Intent {
            array,
            name: format!("tacq-{}-{array}", run.name()),
            unix: unix_now(),
            kind: terms.kind,
            is_array,
            resources: terms.resources.clone(),
            tuning: terms.tuning.clone(),
            tasks,
        })
    }

    fn job_file(&mut self, id: StageId, path: &Path) -> Result<JobFile, ExecError> {
        let stage = self.ledger.stage(id);
        let settings = &self.ledger.options.settings;
        let limits = settings.of(stage.kind());
        let (hang_secs, retries) = (settings.hang.as_secs(), limits.retries);
        let device = match Class::of(&stage.params) {
            Class::Host => Device::Cpu,
            _ => settings.devices.first().copied().unwrap_or(Device::Cpu),
        };
        // The job's own folders take their place when it has the reservation.
        let alone = path.with_extension("");
        let more = following(device, limits.gpus);
        let request =
            self.ledger.request_into(id, alone.join("output"), alone.join("progress"), device, more)?;
        let plan = self.ledger.sweep.plan;
        let inputs = stage.inputs.values().map(|&input| &plan.stages[input]);
        let inputs = inputs.filter(|input| input.source.is_none()).filter_map(|input| {
            Some(Input { label: input.label.clone(), kind: input.kind(), key: *input.key()? })
        });
        let root = self.ledger.sweep.store.root();
        let payload = plan.payload(id).expect("blocked stages are never submitted");
        Ok(JobFile {
            version: VERSION,
            label: stage.label.clone(),
            store: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()),
            payload,
            request,
            sources: self.ledger.sources(id),
            inputs: inputs.collect(),
            engine: self.setup.engine.clone(),
            run_dir: self.ledger.run_dir(),
            timeout_secs: limits.timeout.map(|limit| limit.as_secs()),
            hang_secs,
            retries,
            grace_secs: self.setup.pace.grace.as_secs_f64(),
        })
    }
}

/// The GPUs after the first one that a job sees, of as many as share its stage.
fn following(first: Device, gpus: u32) -> Vec<Device> {
    match first {
        Device::Cuda(first) => {
            (1..gpus).filter_map(|i| Some(Device::Cuda(first + u16::try_from(i).ok()?))).collect()
        }
        Device::Cpu => Vec::new(),
    }
}

/// The batch script. It becomes the program, by `exec`, so that Slurm's signals reach it without a shell in between,
/// which would wait for its end before it acts on them.
fn script(driver: &Path, dir: &Path) -> String {
    let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    format!("#!/bin/sh\nexec {} job {}/\"${{SLURM_ARRAY_TASK_ID:-0}}\".json\n", quote(driver), quote(dir))
}

#[cfg(test)]
mod tests {
    use super::script;
    use std::path::Path;

    #[test]
    fn the_script_survives_odd_names() {
        let text = script(Path::new("/a b/it's"), Path::new("/s $x/jobs/0"));
        assert_eq!(text.lines().next(), Some("#!/bin/sh"));
        let last = text.lines().last().unwrap();
        assert_eq!(last, "exec '/a b/it'\\''s' job '/s $x/jobs/0'/\"${SLURM_ARRAY_TASK_ID:-0}\".json");
    }
}
