//! A sweep as it changes: server-sent events.
//!
//! `plan`: the stages, at first and when the experiment's file changes. `state`: everything else, of the stages those that
//! changed. `log`: new lines. A client that was away gets all again, since it connects anew.

use super::site::Site;
use super::snapshot::{Planned, Snapshot, StageNow};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A word at least so often, so that a connection that broke is noticed on both sides.
const WORD: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct State<'a> {
    #[serde(flatten)]
    now: &'a Snapshot,
    /// Place in the plan, and how it stands.
    stages: Vec<(usize, &'a StageNow)>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    now: &'a Snapshot,
    plan: &'a [Planned],
    stages: &'a [StageNow],
}

/// All of a sweep, for programs.
pub(super) fn whole(now: &Snapshot) -> String {
    let whole = Whole { now, plan: &now.plan, stages: &now.stages };
    serde_json::to_string(&whole).expect("plain data")
}

/// What changed from one moment to another, or all of it.
fn changes(before: Option<&Snapshot>, now: &Snapshot) -> Vec<(&'static str, String)> {
    let mut events = Vec::new();
    let same_plan = before.filter(|before| before.plan_version == now.plan_version);
    if same_plan.is_none() {
        events.push(("plan", serde_json::to_string(&*now.plan).expect("plain data")));
    }
    let is_new =
        |at: usize, stage: &StageNow| same_plan.is_none_or(|before| before.stages.get(at) != Some(stage));
    let stages = now.stages.iter().enumerate().filter(|(at, stage)| is_new(*at, stage)).collect();
    events.push(("state", serde_json::to_string(&State { now, stages }).expect("plain data")));
    let last = before.and_then(|before| before.log.last()).map(|line| line.n);
    let lines: Vec<_> =
        now.log.iter().map(|line| &**line).filter(|line| last.is_none_or(|last| line.n > last)).collect();
    if !lines.is_empty() {
        events.push(("log", serde_json::to_string(&lines).expect("plain data")));
    }
    events
}

struct Client {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    before: Option<Arc<Snapshot>>,
    waiting: std::vec::IntoIter<(&'static str, String)>,
}

impl Client {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((name, data)) = self.waiting.next() {
                return Some(Event::default().event(name).data(data));
            }
            if self.before.is_some() {
                match tokio::time::timeout(WORD, self.snapshots.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(Event::default().comment("still here")),
                }
            }
            // What came in between is passed over: a slow client gets fewer pictures, and nothing is piled up for it.
            let now = Arc::clone(&self.snapshots.borrow_and_update());
            self.waiting = changes(self.before.as_deref(), &now).into_iter();
            self.before = Some(now);
        }
    }
}

/// The events of a sweep, until the client goes.
pub(super) fn events(site: &Site) -> Response {
    let client =
        Client { snapshots: site.snapshot.subscribe(), before: None, waiting: Vec::new().into_iter() };
    site.wake();
    Sse::new(stream(client)).into_response()
}

fn stream(client: Client) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(client, |mut client| async move {
        let event = client.next().await?;
        Some((Ok(event), client))
    })
}

#[cfg(test)]
mod tests {
    use super::super::log::Line;
    use super::super::snapshot::Standing;
    use super::*;
    use serde_json::Value;

    fn snapshot(states: &[Standing], lines: std::ops::Range<u64>) -> Snapshot {
        let planned = |at: usize| Planned {
            label: format!("s{at}"),
            kind: "select".into(),
            key: None,
            depth: 0,
            reads: Vec::new(),
        };
        let line = |n| Arc::new(Line { n, time: String::new(), level: "info".into(), text: format!("l{n}") });
        Snapshot {
            plan_version: 1,
            plan: Arc::new((0..states.len()).map(planned).collect()),
            stages: states.iter().map(|&state| StageNow { state, ..StageNow::default() }).collect(),
            log: lines.map(line).collect(),
            ..Snapshot::default()
        }
    }

    fn data<'a>(events: &'a [(&str, String)], name: &str) -> Option<Value> {
        events.iter().find(|(of, _)| *of == name).map(|(_, data): &'a _| serde_json::from_str(data).unwrap())
    }

    #[test]
    fn only_what_changed_is_sent() {
        let before = snapshot(&[Standing::Running, Standing::Waiting], 0..3);
        let first = changes(None, &before);
        assert_eq!(data(&first, "plan").unwrap().as_array().unwrap().len(), 2);
        assert_eq!(data(&first, "state").unwrap()["stages"].as_array().unwrap().len(), 2);
        assert_eq!(data(&first, "log").unwrap().as_array().unwrap().len(), 3);

        let after = snapshot(&[Standing::Stored, Standing::Waiting], 1..4);
        let events = changes(Some(&before), &after);
        assert!(data(&events, "plan").is_none());
        assert_eq!(
            data(&events, "state").unwrap()["stages"],
            serde_json::json!([[0, { "state": "stored" }]])
        );
        assert_eq!(data(&events, "log").unwrap()[0]["n"], 3);

        let other = Snapshot { plan_version: 2, ..snapshot(&[Standing::Stored], 1..4) };
        let events = changes(Some(&after), &other);
        assert_eq!(
            data(&events, "state").unwrap()["stages"].as_array().unwrap().len(),
            1,
            "all of another plan"
        );
        assert!(data(&events, "log").is_none());
    }
}
