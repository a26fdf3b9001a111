//! Artifacts on their way, as they are seen: one live line on a terminal, nothing elsewhere until the end.

use super::output::{Output, bytes, count};
use crate::exec::sharing::{FetchReport, PushReport, Transfer};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Artifacts that failed and are named; the others are counted.
const LISTED: usize = 3;

/// A live line.
pub(super) struct TransferLine(Option<ProgressBar>);

impl TransferLine {
    pub(super) fn new(verb: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {msg}").expect("a valid template");
            ProgressBar::new_spinner().with_style(style).with_prefix(verb.to_owned())
        });
        Self(bar)
    }

    pub(super) fn show(&self, now: Transfer) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("{} of {} artifacts, {}", now.artifacts, now.of, bytes(now.bytes)));
            bar.tick();
        }
    }
}

impl Drop for TransferLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// What was fetched, and what was not to be had.
pub(super) fn tell_fetched(report: &FetchReport, place: &str, output: &Output) {
    if let Some(error) = &report.unreachable {
        output.news(format!("going on without what others computed: {error}"));
    }
    if report.fetched > 0 {
        let n = count(report.fetched, "artifact");
        output.news(format!("fetched {n}, {} from {place}", bytes(report.bytes)));
    }
    list("not fetched", &report.missed, output);
}

/// What was pushed, and what was not.
pub(super) fn tell_pushed(report: &PushReport, place: &str, output: &Output) {
    if report.pushed > 0 || report.bytes > 0 {
        let n = count(report.pushed, "artifact");
        output.news(format!("pushed {n}, {} to {place}", bytes(report.bytes)));
    }
    for other in &report.differ {
        output.news(format!(
            "not deterministic: {} ({}): {} differ from what {} computed; {place} keeps the other result",
            other.label,
            other.key.short(),
            other.files.join(", "),
            other.host,
        ));
    }
    list("not pushed", &report.failed, output);
}

fn list(what: &str, failed: &[(String, String)], output: &Output) {
    for (label, why) in failed.iter().take(LISTED) {
        output.news(format!("{what}: {label}: {why}"));
    }
    if failed.len() > LISTED {
        output.news(format!("{what}: {} more", failed.len() - LISTED));
    }
}
