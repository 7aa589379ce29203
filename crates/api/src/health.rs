//! Whether the server works: for whoever starts it again, sends it work, or draws curves of it.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jobs::Check;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::access::Caller;
use crate::json::Json;

/// What Prometheus asks for, and what our text is.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The server's answer to whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or no answer at all.
    pub status: String,
    /// What this is.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its engines; the first is the default. Empty for who needs a key and has none.
    pub engines: Vec<String>,
}

/// Whether the server can accept jobs and run them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether nothing is wrong.
    pub ready: bool,
    /// What was tried. Empty for who needs a key and has none.
    pub checks: Vec<ReadinessCheck>,
}

/// One thing that the server needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadinessCheck {
    /// `store`, `disk`, `results` (none waits for room), `accepting` (it is not about to stop), or `engine:` and an engine's name.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What is wrong, for people; null if nothing is.
    pub problem: Option<String>,
}

impl Health {
    pub(crate) fn new(engines: Vec<String>) -> Self {
        Self {
            status: "ok".into(),
            name: "cagent".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            engines,
        }
    }
}

/// Whether the server lives
///
/// It answers as long as the process does, whatever it depends on: who gets no answer should start
/// it again.
#[utoipa::path(get, path = "/healthz", tag = "server", operation_id = "healthz",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server can accept jobs and run them
///
/// What it needs is tried, at most once a second: that the store keeps what is written, that every
/// engine answers, that the disk has room, and that the server is not about to stop. Who needs a
/// key and has none is told the outcome alone.
#[utoipa::path(get, path = "/readyz", tag = "server", operation_id = "readyz", responses(
    (status = 200, description = "It can", body = Readiness),
    (status = 503, description = "It cannot, now", body = Readiness)))]
pub(crate) async fn readyz(State(api): State<Api>, caller: Option<Extension<Caller>>) -> Response {
    let checks: Vec<_> = api.jobs.readiness().await.into_iter().map(ReadinessCheck::from).collect();
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks = if caller.is_some() { checks } else { vec![] };
    (status, Json(Readiness { ready, checks })).into_response()
}

/// Numbers for Prometheus
///
/// In the OpenMetrics format; docs/monitoring.md explains each.
#[utoipa::path(get, path = "/metrics", tag = "server", operation_id = "metrics",
    responses((status = 200, description = "The numbers", body = String,
        content_type = "application/openmetrics-text")))]
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], api.jobs.metrics().await).into_response()
}

impl From<Check> for ReadinessCheck {
    fn from(Check { name, problem }: Check) -> Self {
        Self { name, ok: problem.is_none(), problem }
    }
}
