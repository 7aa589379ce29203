//! `/`: the health answer for programs, the dashboard for browsers.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_FRAME_OPTIONS};
use axum::response::{Html, IntoResponse, Response};

use crate::Api;
use crate::access::Caller;
use crate::dashboard::{BY_WHO_ASKS, page, wants_html};
use crate::health::Health;
use crate::json::Json;

/// Whether the server is well
///
/// A browser (one that accepts `text/html`) gets the dashboard. Who needs a key and has none is not
/// told which engines there are.
#[utoipa::path(get, path = "/", tag = "server", operation_id = "health",
    responses((status = 200, description = "It is", content(
        (Health = "application/json"), (String = "text/html")))))]
pub(crate) async fn root(
    State(api): State<Api>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
) -> Response {
    let mut response = if wants_html(&headers) {
        page(&headers)
    } else {
        let engines = caller.map(|_| api.config.engines.clone());
        Json(Health::new(engines.unwrap_or_default())).into_response()
    };
    response.headers_mut().insert(VARY, BY_WHO_ASKS);
    response
}

/// A page of ours and what it may load.
pub(crate) fn html(page: impl Into<Body>, policy: &'static str) -> Response {
    framed(Html(page.into()), policy)
}

/// An answer that a browser shows as a page: nobody frames it, nobody learns where its links lead.
pub(crate) fn framed(page: impl IntoResponse, policy: &'static str) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, page).into_response()
}
