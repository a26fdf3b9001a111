//! The server: its address, its routes, its threads.

use super::answers::{failed, html, not_found, refused, see_other};
use super::connections::{self, Limits};
use super::control::ControlError;
use super::demo::{self, Demo, DemoSettings};
use super::error::ServeError;
use super::events;
use super::guard::{self, MayWrite};
use super::host::Hosts;
use super::pages::{self, Asset, Listed, Pages};
use super::site::{self, Site};
use super::stage;
use super::token::Token;
use super::watch::{self, Watch};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Where and for whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on; a loopback address is for this machine alone.
    pub host: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Further names by which this server may be called.
    pub allowed_hosts: Vec<String>,
    /// What a visitor must know.
    pub token: Token,
    /// The demonstration, with the engine that it runs on, if it is shown.
    pub demo: Option<(DemoSettings, PathBuf)>,
}

/// What all requests share.
pub(super) struct App {
    pub token: Token,
    pub hosts: Hosts,
    address: SocketAddr,
    sites: Vec<Arc<Site>>,
    demo: Option<Arc<Demo>>,
    pages: Pages,
    assets: BTreeMap<&'static str, Asset>,
}

impl App {
    /// Whether it is for this machine alone.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Name and value of the cookie that stands for the token. Servers on other ports of this machine have others.
    pub fn cookie(&self) -> (String, String) {
        let port = self.address.port();
        (format!("tacq_sweep_{port}"), self.token.cookie(port))
    }

    pub fn is_cookie(&self, value: &str) -> bool {
        self.token.is_cookie(self.address.port(), value)
    }

    pub fn demo(&self) -> Option<&Arc<Demo>> {
        self.demo.as_ref()
    }

    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Whether experiments are shown beside the demonstration.
    pub fn has_sites(&self) -> bool {
        !self.sites.is_empty()
    }

    fn site(&self, slug: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|site| site.slug == slug)
    }
}

/// Serves these experiments until something comes through `stop`. `ready` is told the address.
///
/// # Errors
/// The address is taken, or there are no threads.
pub fn serve(
    settings: Settings,
    mut sites: Vec<Site>,
    ready: impl FnOnce(SocketAddr),
    stop: &Receiver<()>,
) -> Result<(), ServeError> {
    site::tell_apart(&mut sites);
    let sites: Vec<Arc<Site>> = sites.into_iter().map(Arc::new).collect();
    let system = |action, error: std::io::Error| ServeError::System { action, why: error.to_string() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| system("start threads", error))?;
    let address = SocketAddr::new(settings.host, settings.port);
    let listener = runtime
        .block_on(TcpListener::bind(address))
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    let machine = Arc::new(Mutex::new(None));
    let (all, seen) = (sites.clone(), Arc::clone(&machine));
    let meter = std::thread::Builder::new().name("machine".to_owned());
    meter.spawn(move || watch::machine(&all, &seen)).map_err(|error| system("start a thread", error))?;
    for site in &sites {
        let watch = Watch::new(Arc::clone(site), Arc::clone(&machine));
        let spawn = |name: &str| std::thread::Builder::new().name(format!("{name} {}", site.slug));
        spawn("watch").spawn(move || watch.go()).map_err(|error| system("start a thread", error))?;
        let site = Arc::clone(site);
        spawn("report")
            .spawn(move || watch::report(&site))
            .map_err(|error| system("start a thread", error))?;
    }
    let hosts = Hosts::new(settings.host, &settings.allowed_hosts);
    let demo = settings.demo.map(|(settings, engine)| Arc::new(Demo::new(settings, engine)));
    if let Some(demo) = demo.clone() {
        let worker = std::thread::Builder::new().name("demonstration".to_owned());
        worker.spawn(move || demo.work()).map_err(|error| system("start a thread", error))?;
    }
    let app = Arc::new(App {
        token: settings.token,
        hosts,
        address,
        sites,
        demo,
        pages: Pages::new()?,
        assets: pages::assets(),
    });
    runtime.spawn(connections::accept(listener, router(app), Limits::USUAL));
    ready(address);
    // Ends too if nobody is left to say so.
    let _ = stop.recv();
    runtime.shutdown_background();
    Ok(())
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/sites", get(sites))
        .route("/assets/{name}", get(asset))
        .route("/demo/", get(demo::routes::page))
        .route("/demo/jobs", post(demo::routes::ask))
        .route("/demo/jobs/{id}/events", get(demo::routes::events))
        .route("/demo/jobs/{id}/result", get(demo::routes::result))
        .route("/e/{slug}/", get(sweep))
        .route("/e/{slug}/events", get(sweep_events))
        .route("/e/{slug}/state", get(state))
        .route("/e/{slug}/report", get(report))
        .route("/e/{slug}/stage/{key}", get(stage_page))
        .route("/e/{slug}/run", post(run))
        .route("/e/{slug}/cancel", post(cancel))
        .fallback(async || not_found())
        .method_not_allowed_fallback(async || {
            refused(StatusCode::METHOD_NOT_ALLOWED, "this address is not asked in that way")
        })
        .layer(DefaultBodyLimit::max(guard::MOST_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

type Shared = State<Arc<App>>;

async fn index(State(app): Shared) -> Response {
    match &app.sites[..] {
        [] => see_other("/demo/", None),
        [only] if app.demo.is_none() => see_other(&format!("/e/{}/", only.slug), None),
        sites => made(app.pages.index(sites, app.demo.is_some())),
    }
}

async fn sites(State(app): Shared) -> Response {
    axum::Json(app.sites.iter().map(|site| Listed::new(site)).collect::<Vec<_>>()).into_response()
}

async fn asset(State(app): Shared, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(Asset { kind, text, tag }) = app.assets.get(name.as_str()) else { return not_found() };
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let head = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache"), (header::ETAG, tag)];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, head).into_response(),
        false => (head, text.clone()).into_response(),
    }
}

async fn sweep(
    State(app): Shared,
    Extension(may): Extension<MayWrite>,
    Path(slug): Path<String>,
) -> Response {
    let Some(site) = app.site(&slug) else { return not_found() };
    made(app.pages.sweep(site, may.0, app.sites.len()))
}

async fn sweep_events(State(app): Shared, Path(slug): Path<String>) -> Response {
    app.site(&slug).map_or_else(not_found, |site| events::events(site))
}

async fn state(State(app): Shared, Path(slug): Path<String>) -> Response {
    let Some(site) = app.site(&slug) else { return not_found() };
    ([(header::CONTENT_TYPE, "application/json")], events::whole(&site.now())).into_response()
}

async fn report(State(app): Shared, Path(slug): Path<String>) -> Response {
    let Some(site) = app.site(&slug) else { return not_found() };
    html(site.fragment().html.to_string())
}

async fn stage_page(State(app): Shared, Path((slug, key)): Path<(String, String)>) -> Response {
    let Some(site) = app.site(&slug).cloned() else { return not_found() };
    let Some(opened) = site.opened() else { return not_found() };
    // Reads files, and many of them where a stage is compared with all that is stored.
    let page = tokio::task::spawn_blocking(move || {
        let Some(id) = stage::find(&opened.plan, &key) else { return not_found() };
        let now = site.now();
        match stage::page(&opened, &now, id) {
            Ok(page) => made(app.pages.stage(&now, &page)),
            Err(error) => failed(&error),
        }
    });
    page.await.unwrap_or_else(|error| failed(&error))
}

async fn run(State(app): Shared, Path(slug): Path<String>) -> Response {
    told(&app, &slug, watch::run).await
}

async fn cancel(State(app): Shared, Path(slug): Path<String>) -> Response {
    told(&app, &slug, watch::cancel).await
}

async fn told(app: &App, slug: &str, what: fn(&Arc<Site>) -> Result<(), ControlError>) -> Response {
    let Some(site) = app.site(slug).cloned() else { return not_found() };
    let done = tokio::task::spawn_blocking(move || what(&site)).await;
    match done {
        Ok(Ok(())) => see_other(&format!("/e/{slug}/"), None),
        Ok(Err(error @ (ControlError::Fs(_) | ControlError::Start(_) | ControlError::Signal { .. }))) => {
            failed(&error)
        }
        Ok(Err(error)) => refused(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => failed(&error),
    }
}

fn made(page: Result<String, ServeError>) -> Response {
    page.map_or_else(|error| failed(&error), html)
}
