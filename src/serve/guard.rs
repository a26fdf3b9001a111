//! What every request passes: is it for this server, may this visitor do that, and what a browser may do with the answer.

use super::answers::{refused, see_other};
use super::server::App;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;

/// Longest path with its query.
const LONGEST: usize = 2048;
/// Largest body: nothing that is asked for here is long.
pub(super) const MOST_BYTES: usize = 32 << 10;
/// For a body to come and an answer to be begun.
const PATIENCE: Duration = Duration::from_secs(30);

/// No page of ours asks anybody else for anything, nor is it a part of a page of somebody else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HEADERS: [(header::HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Whether a visitor may change something; among a request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayWrite(pub bool);

/// Lets through what may be answered.
pub(super) async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let may_write = knows_token(&app, request.headers());
    let mut response = match refusal(&app, &request, may_write) {
        Some(response) => response,
        None => {
            request.extensions_mut().insert(MayWrite(may_write));
            tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| {
                let why = "this took too long; send a whole request, or ask again when less is going on";
                refused(StatusCode::REQUEST_TIMEOUT, why)
            })
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(app: &App, request: &Request, may_write: bool) -> Option<Response> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !app.hosts.has(host) {
        let why = "this server does not go by that name; name it with --allow-host if it is meant";
        return Some(refused(StatusCode::MISDIRECTED_REQUEST, why));
    }
    let uri = request.uri();
    if uri.path_and_query().is_some_and(|whole| whole.as_str().len() > LONGEST) {
        return Some(refused(StatusCode::URI_TOO_LONG, "no address here is as long as that"));
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(given) = token_in(uri).filter(|_| is_read) {
        return Some(match app.token.is(&given) {
            true => {
                let (name, value) = app.cookie();
                let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800");
                see_other(uri.path(), Some(&cookie))
            }
            false => refused(
                StatusCode::FORBIDDEN,
                "that is not the token that this server printed when it started",
            ),
        });
    }
    if (!is_read || !app.is_loopback()) && !may_write {
        let why = "open the address with the token that the server printed when it started";
        return Some(refused(StatusCode::FORBIDDEN, why));
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.map(|text| text.to_str().ok().and_then(|text| text.parse::<usize>().ok()));
    if length.is_some_and(|length| length.is_none_or(|length| length > MOST_BYTES))
        || request.headers().contains_key(header::TRANSFER_ENCODING)
    {
        return Some(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "nothing that long is taken here, nor anything of unknown length",
        ));
    }
    if !is_read && !is_of_own_page(request.headers(), host) {
        return Some(refused(StatusCode::FORBIDDEN, "this was asked for by a page of another site"));
    }
    None
}

/// A cookie or a header that has the token.
fn knows_token(app: &App, headers: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
    let bearer = headers.get(header::AUTHORIZATION).and_then(text);
    if bearer.is_some_and(|given| given.strip_prefix("Bearer ").is_some_and(|given| app.token.is(given))) {
        return true;
    }
    let (name, _) = app.cookie();
    headers.get_all(header::COOKIE).iter().filter_map(text).any(|cookies| {
        cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='))
            .any(|(n, v)| n == name && app.is_cookie(v))
    })
}

fn token_in(uri: &Uri) -> Option<String> {
    uri.query()?.split('&').find_map(|part| part.strip_prefix("token=")).map(str::to_owned)
}

/// Browsers say which page asks; what is no browser says nothing and has the token by itself.
fn is_of_own_page(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_origin_own =
        text("origin").is_none_or(|origin| origin.split_once("://").is_some_and(|(_, of)| of == host));
    is_origin_own && matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"))
}
