//! Answers of the simple sorts.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// Why not, in a sentence.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    let type_ = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, type_, format!("{why}\n")).into_response()
}

/// Nothing is there.
pub(super) fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, "there is no such page; / lists what there is")
}

/// Something went wrong here.
pub(super) fn failed(why: &impl ToString) -> Response {
    refused(StatusCode::INTERNAL_SERVER_ERROR, &why.to_string())
}

/// A page.
pub(super) fn html(text: String) -> Response {
    Html(text).into_response()
}

/// Look there instead.
pub(super) fn see_other(path: &str, cookie: Option<&str>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response();
    if let Some(cookie) = cookie.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
