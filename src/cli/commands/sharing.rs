//! What `plan` and `run` have to do with a remote store.

use super::Opened;
use crate::cli::args::RemotePlace;
use crate::cli::error::CliError;
use crate::cli::output::{Output, count};
use crate::cli::transfer::{TransferLine, tell_fetched, tell_pushed};
use crate::exec::sharing::{Fetcher, Pusher};
use crate::exec::{Ending, Interrupt};
use crate::plan::{StageId, States};
use crate::spec::remote::RemoteSettings;
use crate::store::remote::Remote;
use std::sync::Arc;

/// The remote store that is meant: a typed one takes the place of the file's, but is used as the file says.
pub(super) fn chosen(typed: Option<&RemotePlace>, in_file: Option<RemoteSettings>) -> Option<RemoteSettings> {
    match typed {
        None => in_file,
        Some(RemotePlace(None)) => None,
        Some(RemotePlace(Some(location))) => {
            let location = location.clone();
            Some(match in_file {
                Some(settings) => RemoteSettings { location, ..settings },
                None => RemoteSettings::new(location),
            })
        }
    }
}

/// States that say what is in the remote store.
pub(super) fn look_up(
    opened: &Opened,
    remote: &Remote,
    states: States,
    wanted: &[StageId],
    output: &Output,
) -> States {
    let Opened { plan, store, .. } = opened;
    let fetcher = Fetcher { plan, store, remote, watch: &|_| {}, stop: &|| false };
    let (states, problem) = fetcher.look_up(states, wanted);
    if let Some(problem) = problem {
        output.news(problem);
    }
    states
}

/// Fetches what a run needs and others have computed.
pub(super) fn fetch(
    opened: &Opened,
    remote: &Remote,
    states: States,
    wanted: &[StageId],
    interrupt: &Interrupt,
    output: &Output,
) -> Result<States, CliError> {
    let line = TransferLine::new("fetching");
    let Opened { plan, store, .. } = opened;
    let stop = || interrupt.ending() > Ending::None;
    let watch = |now| line.show(now);
    let fetched = Fetcher { plan, store, remote, watch: &watch, stop: &stop }.fetch(states, wanted)?;
    drop(line);
    let (states, report) = fetched;
    tell_fetched(&report, &remote.place(), output);
    Ok(states)
}

/// What pushes in the background, if there is something to push: by this run, or left by an earlier one.
pub(super) fn pusher(opened: &Opened, has_work: bool) -> Result<Option<Pusher>, CliError> {
    let Some(remote) = opened.remote.as_ref().filter(|remote| remote.is_writable()) else { return Ok(None) };
    if !has_work && opened.store.unpushed()?.is_empty() {
        return Ok(None);
    }
    Ok(Some(Pusher::start(&opened.store, remote)?))
}

/// Ends pushing; an interrupted run leaves it to the next one.
pub(super) fn finish(pusher: Pusher, opened: &Opened, interrupt: &Interrupt, output: &Output) {
    let place = opened.remote.as_ref().map(|remote: &Arc<Remote>| remote.place()).unwrap_or_default();
    let is_interrupted = interrupt.ending() > Ending::None;
    let pending = pusher.pending();
    if pending > 0 && !is_interrupted {
        output.news(format!("pushing {} to {place}", count(pending, "artifact")));
    }
    let report = pusher.finish(is_interrupted);
    tell_pushed(&report, &place, output);
    if !report.failed.is_empty() {
        output.news("the next run tries again, as does `tacq-sweep store push`");
    }
}
