//! What the demonstration's page asks for.

use super::Demo;
use super::board::{Job, PACE, Standing};
use super::choices::{BITS, Choices, LONGEST_PROMPT, METHODS, RATIOS, SEEDS, TASKS};
use super::experiment::{self, of_methods};
use super::work::steps;
use crate::plan::States;
use crate::serve::answers::{failed, html, not_found, refused};
use crate::serve::guard::MayWrite;
use crate::serve::server::App;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use minijinja::context;
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Characters of a name that a page gives itself.
const LONGEST_VISITOR: usize = 40;
/// A word at least so often.
const WORD: Duration = Duration::from_secs(15);

/// A visitor and what they ask for.
#[derive(Deserialize)]
pub(in crate::serve) struct Asked {
    visitor: String,
    choices: Choices,
}

type Shared = State<Arc<App>>;

/// The page.
pub(in crate::serve) async fn page(State(app): Shared, Extension(may): Extension<MayWrite>) -> Response {
    let Some(demo) = app.demo() else { return not_found() };
    let values = context! {
        may_write => may.0, bits => BITS, ratios => RATIOS, tasks => TASKS, methods => METHODS, seeds => SEEDS,
        longest => LONGEST_PROMPT, model => demo.settings.model.display().to_string(), has_sites => app.has_sites(),
    };
    app.pages().demo(values).map_or_else(|error| failed(&error), html)
}

/// Asks for something: what is there already comes at once, else a place in the queue.
pub(in crate::serve) async fn ask(State(app): Shared, asked: Result<Json<Asked>, JsonRejection>) -> Response {
    let Some(demo) = app.demo().cloned() else { return not_found() };
    let Asked { visitor, choices } = match asked {
        Ok(Json(asked)) => asked,
        Err(wrong) => return refused(wrong.status(), &wrong.body_text()),
    };
    if let Some(problem) = choices.problem() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, &problem);
    }
    let visitor: String = visitor.chars().take(LONGEST_VISITOR).collect();
    let answer = tokio::task::spawn_blocking(move || answer(&demo, &visitor, choices));
    answer.await.unwrap_or_else(|error| failed(&error))
}

fn answer(demo: &Demo, visitor: &str, choices: Choices) -> Response {
    let begun = Instant::now();
    let opened = match demo.open(&choices) {
        Ok(opened) => opened,
        Err(error) => return failed(&error),
    };
    let first = experiment::first(&opened, &choices);
    if States::look_up(&opened.plan, &opened.store, &first).complete() {
        let html = match demo.result(&choices, &opened) {
            Ok(html) => html,
            Err(error) => return failed(&error),
        };
        let steps = steps(&opened, &first);
        let job = demo.board.note_done(&choices, steps, begun.elapsed().as_secs_f64());
        let all = of_methods(&opened, |_| true);
        if choices.prompt.is_none() && !States::look_up(&opened.plan, &opened.store, &all).complete() {
            demo.board.later(choices);
        }
        return Json(json!({ "job": job, "html": html })).into_response();
    }
    match demo.board.ask(visitor, choices) {
        Ok(job) => Json(json!({ "job": job })).into_response(),
        Err(full) => refused(StatusCode::SERVICE_UNAVAILABLE, &full.to_string()),
    }
}

/// A job as it goes on.
pub(in crate::serve) async fn events(State(app): Shared, Path(id): Path<String>) -> Response {
    let Some(demo) = app.demo().cloned() else { return not_found() };
    if demo.board.job(&id).is_none() {
        return not_found();
    }
    let changes = demo.board.changes();
    let events = stream::unfold((demo, changes, None::<Job>), move |(demo, mut changes, before)| {
        let id = id.clone();
        async move {
            loop {
                changes.mark_unchanged();
                let now = demo.board.job(&id)?;
                if before.as_ref() != Some(&now) {
                    let event = Event::default().data(serde_json::to_string(&now).expect("plain data"));
                    return Some((Ok::<_, Infallible>(event), (demo, changes, Some(now))));
                }
                // Several changes make one picture.
                tokio::time::sleep(PACE).await;
                if tokio::time::timeout(WORD, changes.changed()).await.is_err() {
                    return Some((Ok(Event::default().comment("still here")), (demo, changes, before)));
                }
            }
        }
    });
    Sse::new(events).into_response()
}

/// What was found by a job.
pub(in crate::serve) async fn result(State(app): Shared, Path(id): Path<String>) -> Response {
    let Some(demo) = app.demo().cloned() else { return not_found() };
    let Some(job) = demo.board.job(&id) else { return not_found() };
    let Some(choices) = job.choices.filter(|_| job.state == Standing::Done) else { return not_found() };
    let found = tokio::task::spawn_blocking(move || demo.result(&choices, &demo.open(&choices)?));
    match found.await {
        Ok(Ok(text)) => html(text),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}
