//! Ways to a job's desktop, Jupyter and previews: links for browsers, a picture, a plain connection.
//!
//! Not here: what a link leads to (crate `portal`).

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use jobs::{DialError, Target};
use portal::{SeatError, View};
use serde::{Deserialize, Serialize};
use types::{JobId, JobStatus, Scope};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Caller, may};
use crate::code::Code;
use crate::extract::{JobPath, Params};
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{DialProblems, InvalidParams, JobProblems, TicketProblems};
use crate::{Api, body, extract, picture};

/// What somebody wants a link to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TicketBody {
    /// What.
    #[serde(default)]
    view: ViewName,
    /// Of a preview: the port that a program of the job listens on.
    #[schema(minimum = 1)]
    port: Option<u16>,
}

/// What there is to see of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ViewName {
    /// The desktop, with mouse and keyboard.
    #[default]
    Control,
    /// The desktop, without touching it.
    Watch,
    /// Jupyter Lab.
    Jupyter,
    /// What a program of the job serves on a port.
    Preview,
}

/// A way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ticket {
    /// The address, for one use.
    pub url: String,
    /// When it stops working.
    #[schema(value_type = String, format = "date-time")]
    pub expires: Timestamp,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RfbParams {
    /// With mouse and keyboard, or not.
    #[serde(default)]
    #[param(inline)]
    view: RfbView,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RfbView {
    /// With mouse and keyboard.
    #[default]
    Control,
    /// Without.
    Watch,
}

/// Make a link into a job
///
/// To open in a browser: the job's desktop (`control`, or only `watch`), Jupyter Lab, or a preview of
/// what it serves on a `port`. It works once, for about a minute.
#[utoipa::path(post, path = "/v1/jobs/{id}/tickets", tag = "desktop", operation_id = "ticket",
    params(("id" = JobId, Path, description = "The job")),
    request_body(content = TicketBody, example = json!({"view": "control"})),
    responses((status = 201, description = "The link", body = Ticket), TicketProblems, JobProblems))]
pub(crate) async fn ticket(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobPath(job): JobPath,
    request: Request,
) -> Result<Response, Problem> {
    extract::expect_json(request.headers())?;
    let wanted: TicketBody =
        extract::parse(&body::whole(request).await?, r#"{"view": "control"}"#)?;
    let view = wanted.view()?;
    may(caller, if view == View::Watch { Scope::Read } else { Scope::Operate })?;
    let status = api.jobs.get(job).await?.status;
    if is_past(status) {
        return Err(over(status));
    }
    let link = api.config.portal.link(job, view, Some(caller));
    let ticket = Ticket { url: link.url, expires: link.expires };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(ticket)).into_response())
}

/// A picture of the desktop
///
/// As it is now. The desktop is started if it was not there yet.
#[utoipa::path(get, path = "/v1/jobs/{id}/screenshot.png", tag = "desktop",
    operation_id = "screenshot",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, description = "The picture", content_type = "image/png"),
        DialProblems, JobProblems))]
pub(crate) async fn screenshot(
    State(api): State<Api>,
    JobPath(job): JobPath,
) -> Result<Response, Problem> {
    let place = picture::place(job).await?;
    let stream = api.jobs.dial(job, Target::Screenshot).await.map_err(no_way)?;
    let picture = picture::read(stream, place).await?;
    let headers = [
        (CONTENT_TYPE, "image/png"),
        (CACHE_CONTROL, "no-store"),
        // Opened by itself it is but a picture.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, picture).into_response())
}

/// A connection to the desktop
///
/// For VNC programs, by `cagent vnc`: with `Upgrade: rfb` the connection becomes one to the desktop's
/// VNC server; for pages of this server, as a WebSocket, with the same in binary messages. One has
/// mouse and keyboard: who connects with `control` takes them over. A WebSocket that ends with code
/// 4001 was taken over.
#[utoipa::path(get, path = "/v1/jobs/{id}/rfb", tag = "desktop", operation_id = "rfb",
    params(("id" = JobId, Path, description = "The job"), RfbParams),
    responses((status = 101, description = "From here on it speaks RFB"), InvalidParams,
        (status = 426, description = "`upgrade_needed`", body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::new(Code::UpgradeNeeded, Code::UpgradeNeeded.advice()))),
        DialProblems, JobProblems))]
pub(crate) async fn rfb(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JobPath(job): JobPath,
    Params(RfbParams { view }): Params<RfbParams>,
    request: Request,
) -> Result<Response, Problem> {
    let (socket, request) = upgrade(request).await?;
    let control = view == RfbView::Control;
    may(caller, if control { Scope::Operate } else { Scope::Read })?;
    api.config.portal.rfb(job, control, caller, socket, request).await.map_err(no_seat)
}

impl TicketBody {
    fn view(&self) -> Result<View, Problem> {
        let wrong = |what: &str| Err(Problem::field(Code::InvalidField, "port", what));
        match (self.view, self.port) {
            (ViewName::Preview, Some(port @ 1..)) => Ok(View::Preview { port }),
            (ViewName::Preview, _) => wrong("a preview is of a port, 1 to 65535"),
            (_, Some(_)) => wrong("only a preview is of a port"),
            (ViewName::Control, None) => Ok(View::Control),
            (ViewName::Watch, None) => Ok(View::Watch),
            (ViewName::Jupyter, None) => Ok(View::Jupyter),
        }
    }
}

/// The WebSocket that a request asks for, or none if it is to be a plain connection.
async fn upgrade(request: Request) -> Result<(Option<WebSocketUpgrade>, Request), Problem> {
    let (mut head, body) = request.into_parts();
    let (plain, socket) = (asks_for(&head.headers, "rfb"), asks_for(&head.headers, "websocket"));
    let socket = match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(taken) if socket => Some(taken),
        _ if plain => None,
        _ => {
            let detail = format!("this is no page; {}", Code::UpgradeNeeded.advice());
            return Err(Problem::new(Code::UpgradeNeeded, detail));
        }
    };
    Ok((socket, Request::from_parts(head, body)))
}

fn asks_for(headers: &HeaderMap, what: &str) -> bool {
    let to = headers.get(UPGRADE);
    to.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(what.as_bytes()))
}

fn no_seat(error: SeatError) -> Problem {
    match error {
        SeatError::Dial(error) => no_way(error),
        SeatError::Take(error) => crate::converse::refused(error, "view"),
        SeatError::Full => Problem::new(Code::SandboxBusy, error.to_string()),
    }
}

/// Why there is no connection into a job's sandbox. What the sandbox says of it is but text.
pub(crate) fn no_way(error: DialError) -> Problem {
    let code = match error {
        DialError::Job(error) => return error.into(),
        DialError::NotRunning(status) if is_past(status) => return over(status),
        DialError::NotRunning(_) => Code::NotReady,
        DialError::Refused(_) => Code::NoDesktop,
        DialError::Silent(_) => Code::SandboxBusy,
    };
    Problem::new(code, error.to_string())
}

fn over(status: JobStatus) -> Problem {
    let detail = format!("the job is over ({status}); only one that is not can be looked into");
    Problem::new(Code::JobOver, detail)
}

fn is_past(status: JobStatus) -> bool {
    status.is_final() || status == JobStatus::Packaging
}
