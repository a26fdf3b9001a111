//! A run as it is seen: on a terminal one live line per running stage, and one for all; plain lines elsewhere.

use super::output::{Output, count, duration};
use crate::exec::{Observer, RunEvent};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use tacq_protocol::LogLevel;
use tacq_protocol::units::Device;

/// How often a plain line may tell a stage's progress.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// Shows a run on standard error.
pub(super) struct Progress<'a> {
    output: &'a Output,
    bars: Option<MultiProgress>,
    running: BTreeMap<String, Running>,
    /// Stages that were said to be computed elsewhere.
    waiting: BTreeSet<String>,
    to_run: usize,
    finished: usize,
    /// On a terminal, the line for the run as a whole.
    total: Option<ProgressBar>,
    retried: usize,
    failed: usize,
}

struct Running {
    bar: Option<ProgressBar>,
    told: Instant,
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        let bars = std::io::stderr()
            .is_terminal()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8)));
        Self {
            output,
            bars,
            running: BTreeMap::new(),
            waiting: BTreeSet::new(),
            to_run: 0,
            finished: 0,
            total: None,
            retried: 0,
            failed: 0,
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| self.output.news(text)),
            None => self.output.news(text),
        }
    }

    /// A line for a stage that ended, with how many have.
    fn ended(&mut self, label: &str, how: &str, detail: &str) {
        self.finished += 1;
        if let Some(Running { bar: Some(bar), .. }) = self.running.remove(label) {
            bar.finish_and_clear();
        }
        if let Some(total) = &self.total {
            total.set_position(self.finished as u64);
        }
        let width = self.to_run.to_string().len();
        self.line(&format!("[{:>width$}/{}] {how:<9} {label}{detail}", self.finished, self.to_run));
    }

    /// The line below the others, once it is known how much there is to do.
    fn planned(&mut self, to_run: usize) {
        let style = "{spinner} {pos}/{len} stages {wide_bar} {elapsed}{msg}";
        let style = ProgressStyle::with_template(style).expect("a valid template");
        self.total = self.bars.as_ref().map(|bars| {
            let total = bars.add(ProgressBar::new(to_run as u64).with_style(style));
            total.enable_steady_tick(Duration::from_millis(250));
            total
        });
    }

    /// Counts what went wrong, in the line for all.
    fn count_trouble(&self) {
        let counted = [(self.retried, "tried again"), (self.failed, "failed")];
        let counted = counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("  {n} {what}"));
        if let Some(total) = &self.total {
            total.set_message(counted.collect::<String>());
        }
    }

    fn started(&mut self, label: &str, device: Option<Device>) {
        let bar = self.bars.as_ref().zip(self.total.as_ref()).map(|(bars, total)| {
            // Without a device it is a download, and counts bytes.
            let template = match device {
                Some(_) => "{spinner} {msg} {wide_bar} {pos}/{len} {elapsed}",
                None => "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            };
            let style = ProgressStyle::with_template(template).expect("a valid template");
            let bar = bars.insert_before(total, ProgressBar::no_length().with_style(style));
            bar.set_message(device.map_or_else(|| label.to_owned(), |device| format!("{device} {label}")));
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        if bar.is_none() {
            let on = device.map_or_else(String::new, |device| format!(" on {device}"));
            self.line(&format!("started {label}{on}"));
        }
        self.running.insert(label.to_owned(), Running { bar, told: Instant::now() });
    }

    fn advanced(&mut self, label: &str, done: u64, total: u64, unit: &str) {
        let Some(running) = self.running.get_mut(label) else { return };
        if let Some(bar) = &running.bar {
            bar.set_length(total);
            bar.set_position(done);
        } else if running.told.elapsed() >= PLAIN_INTERVAL {
            running.told = Instant::now();
            self.line(&match unit {
                "bytes" => format!("{label}: {} of {}", HumanBytes(done), HumanBytes(total)),
                _ => format!("{label}: {done} of {total} {unit}"),
            });
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(total) = &self.total {
            total.finish_and_clear();
        }
    }
}

impl Observer for Progress<'_> {
    fn on(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Planned { to_run, hits } => {
                self.to_run = *to_run;
                if *to_run > 0 {
                    self.line(&format!("{to_run} to run, {hits} in the store"));
                    self.planned(*to_run);
                }
            }
            RunEvent::Started { label, device } => self.started(label, *device),
            RunEvent::Progress { label, done, total, unit } => self.advanced(label, *done, *total, unit),
            RunEvent::Log { label, level, message } => {
                if matches!(level, LogLevel::Warn | LogLevel::Error) {
                    self.line(&format!("{label}: {message}"));
                }
            }
            RunEvent::Computed { label, wall_secs, resumed } => {
                let how = if *resumed { "resumed" } else { "done" };
                self.ended(label, how, &format!(" ({})", duration(*wall_secs)));
            }
            RunEvent::ComputedElsewhere { label } => self.ended(label, "elsewhere", ""),
            RunEvent::Waiting { label } => {
                if self.waiting.insert((*label).to_owned()) {
                    self.line(&format!("waiting for {label}: another process is computing it"));
                }
            }
            RunEvent::Retrying { label, failure } => {
                self.retried += 1;
                self.count_trouble();
                self.line(&format!("trying {label} again: {failure}"));
            }
            RunEvent::Stopping { running: 0 } => self.line("stopping"),
            RunEvent::Stopping { running } => self.line(&format!(
                "stopping: {} to finish a batch and keep the progress; once more to stop now",
                count(*running, "stage")
            )),
            RunEvent::Notice { message } => self.line(message),
            RunEvent::Failed { label, failure } => {
                self.failed += 1;
                self.count_trouble();
                self.ended(label, "FAILED", "");
                self.line(&format!("  {failure}"));
            }
        }
    }
}
