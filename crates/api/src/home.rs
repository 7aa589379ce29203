//! `/`: the health answer for programs, a small page for browsers.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::Api;
use crate::access::Caller;
use crate::health::Health;
use crate::json::Json;

const PAGE: &str = include_str!("../assets/home.html");
const SCRIPT: &str = include_str!("../assets/home.js");
const STYLE: &str = include_str!("../assets/home.css");

/// The page loads its own script and style, talks to this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Whether the server is well
///
/// A browser (one that accepts `text/html`) gets a page with the list of jobs. Who needs a key and
/// has none is not told which engines there are.
#[utoipa::path(get, path = "/", tag = "server", operation_id = "health",
    responses((status = 200, description = "It is", content(
        (Health = "application/json"), (String = "text/html")))))]
pub(crate) async fn root(
    State(api): State<Api>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
) -> Response {
    let mut response = if wants_html(&headers) {
        html(PAGE, POLICY)
    } else {
        let engines = caller.map(|_| api.config.engines.clone());
        Json(Health::new(engines.unwrap_or_default())).into_response()
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// What the page loads.
pub(crate) fn assets() -> Router<Api> {
    Router::new()
        .route("/assets/home.js", get(([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
        .route("/assets/home.css", get(([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/assets/icon.svg", get(([(CONTENT_TYPE, "image/svg+xml")], portal::ICON)))
}

/// A page of ours and what it may load.
pub(crate) fn html(page: impl Into<Body>, policy: &'static str) -> Response {
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ];
    (headers, page.into()).into_response()
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|media| media.trim().starts_with("text/html"))
}
