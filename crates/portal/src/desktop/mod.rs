//! A job's desktop, on the job's origin: the page, and the way from its WebSocket to the desktop's
//! VNC server.
//!
//! | path | what |
//! |---|---|
//! | `/` | the page |
//! | `/jupyter` | goes on to the job's Jupyter Lab |
//! | `/state` | what the page says of the job, as JSON |
//! | `/rfb/watch`, `/rfb/control` | the WebSocket; without one: why there is none, as text |
//!
//! Invariant: whoever came to watch can move nothing, whatever their browser sends.

mod bridge;
mod rfb;
mod seats;
mod socket;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request};
use axum::http::header::{CONNECTION, SET_COOKIE, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::TokioIo;
use jobs::{DialError, JobError};
use serde::Serialize;
use types::{JobId, JobStatus, Mode};

pub use seats::SeatError;
pub(crate) use seats::{Desktops, Left};

use crate::pages::{self, Page};
use crate::tickets::Grant;
use crate::view::{Door, View};
use crate::{Portal, guard, list};
use seats::Seat;
use socket::Socket;

const PAGE: &str = include_str!("../../assets/desktop.html");
const SCRIPT: &str = include_str!("../../assets/desktop.js");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// noVNC, as one file; `assets/novnc/README.md` says how it was made.
const NOVNC: &str = include_str!("../../assets/novnc/novnc.js");

/// What the page may load: itself, and pictures that its script makes (the cursor).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The most of one WebSocket message: noVNC sends 10 KiB.
const MAX_MESSAGE: usize = 1 << 20;

/// How long a browser may take to close its side.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(5);

/// The close code of a WebSocket whose mouse and keyboard somebody else has taken; the page knows it.
const TAKEN_OVER: u16 = 4001;

/// What the page says of the job.
#[derive(Serialize)]
struct State {
    job: JobId,
    title: String,
    status: JobStatus,
    may_control: bool,
    /// Whether an agent waits for who has mouse and keyboard.
    has_agent: bool,
    people: usize,
    taken: bool,
    /// Where our own page is, and how many jobs run; not said where jobs are only for key holders.
    list: String,
    running: Option<usize>,
    /// Where its ZIP is, once there is one that needs no key.
    zip: Option<String>,
}

/// Answers on the origin of a job's desktop.
pub(crate) async fn answer(portal: &Portal, job: JobId, request: Request) -> Response {
    let path = request.uri().path();
    match path {
        "/desktop.js" => return pages::asset(JAVASCRIPT, SCRIPT),
        "/novnc.js" => return pages::asset(JAVASCRIPT, NOVNC),
        _ => {}
    }
    let control = portal.grant(request.headers(), job, View::Control);
    let watch = control.or_else(|| portal.grant(request.headers(), job, View::Watch));
    match path {
        "/" if watch.is_some() => page(),
        "/" => stranger(portal, job, request.headers()).await,
        "/state" if watch.is_some() => {
            let list = portal.list(Door::Desktops);
            state(portal, job, control.is_some()).await.unwrap_or_else(|e| pages::unseen(&e, &list))
        }
        "/jupyter" if guard::is_own(request.headers()) => {
            to_jupyter(portal, job, request.headers())
        }
        "/rfb/control" => connect(portal, control, true, request).await,
        "/rfb/watch" => connect(portal, watch, false, request).await,
        "/state" => not_in(),
        _ => pages::nothing(&portal.list(Door::Desktops)),
    }
}

/// Hands the connection of a request over to a desktop, plainly if it is no WebSocket.
pub(crate) fn rfb(
    job: JobId,
    seat: Seat,
    socket: Option<WebSocketUpgrade>,
    mut request: Request,
) -> Response {
    if let Some(socket) = socket {
        return seated(job, seat, socket);
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(viewer) => told(job, seat.serve(TokioIo::new(viewer)).await),
            Err(e) => tracing::debug!(%job, "a viewer left before it was connected: {e}"),
        }
    });
    let head = [(CONNECTION, "upgrade"), (UPGRADE, "rfb")];
    (StatusCode::SWITCHING_PROTOCOLS, head).into_response()
}

fn page() -> Response {
    let head = [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")];
    guard::seal((head, PAGE).into_response(), POLICY)
}

/// Without a session. Where nobody needs a key, whoever typed the address is let in.
async fn stranger(portal: &Portal, job: JobId, headers: &HeaderMap) -> Response {
    let list = portal.list(Door::Desktops);
    if let Err(e) = portal.jobs.get(job).await {
        return pages::unseen(&e, &list);
    }
    if portal.config.needs_keys {
        return pages::by_link("cagent open JOB");
    }
    if !guard::is_own(headers) {
        return Page::new(StatusCode::FORBIDDEN, "Not from elsewhere")
            .text("The page that led you here may not open this desktop. The list of desktops may.")
            .link(&list, "Desktops")
            .into();
    }
    let mut response = page();
    response.headers_mut().insert(SET_COOKIE, portal.admit(job, View::Control));
    response
}

/// For who may use the desktop: it takes no more of a key.
fn to_jupyter(portal: &Portal, job: JobId, headers: &HeaderMap) -> Response {
    match portal.grant(headers, job, View::Control) {
        Some(grant) => pages::see_other(&portal.link(job, View::Jupyter, grant.holder).url),
        None => pages::by_link("cagent open JOB jupyter"),
    }
}

async fn state(portal: &Portal, job: JobId, may_control: bool) -> Result<Response, JobError> {
    let record = portal.jobs.get(job).await?;
    let (people, taken) = portal.desktops.present(job).await;
    let (spec, status) = (record.spec, record.status);
    let is_free = !portal.config.needs_keys;
    let api = portal.config.api.port();
    let state = State {
        job,
        has_agent: spec.mode != Mode::Runbook,
        title: spec.title,
        status,
        may_control,
        people,
        taken,
        list: portal.list(Door::Desktops),
        running: if is_free { Some(list::running(portal).await?.len()) } else { None },
        zip: (is_free && status.is_final())
            .then(|| format!("http://localhost:{api}/download/{job}")),
    };
    let head = [("cache-control", "no-store")];
    Ok(guard::seal((head, Json(state)).into_response(), "default-src 'none'"))
}

/// Connects the WebSocket of who was let in to the desktop. A browser does not tell its page why one
/// was refused; so the page may ask for the same without one.
async fn connect(
    portal: &Portal,
    grant: Option<Grant>,
    control: bool,
    request: Request,
) -> Response {
    let Some(Grant { job, holder, .. }) = grant else { return not_in() };
    let (mut parts, _) = request.into_parts();
    let socket = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let seat = match (&socket, control) {
        // Else who asks would take something.
        (Err(_), true) => portal.desktops.reach(job).await.map(|_| None).map_err(SeatError::from),
        (_, control) => portal.desktops.sit(job, control, holder).await.map(Some),
    };
    match (seat, socket) {
        (Err(e), _) => refusal(&e),
        (Ok(Some(seat)), Ok(socket)) => seated(job, seat, socket),
        (Ok(_), _) => StatusCode::NO_CONTENT.into_response(),
    }
}

fn not_in() -> Response {
    plain(StatusCode::FORBIDDEN, "you were not let in to this, or it is too long ago")
}

fn seated(job: JobId, seat: Seat, socket: WebSocketUpgrade) -> Response {
    let socket = socket.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    socket.on_upgrade(move |socket| serve(job, seat, socket))
}

async fn serve(job: JobId, seat: Seat, socket: WebSocket) {
    let mut viewer = Socket::new(socket);
    let left = seat.serve(&mut viewer).await;
    let taken = matches!(left, Left::TakenOver);
    told(job, left);
    let code = if taken { TAKEN_OVER } else { axum::extract::ws::close_code::NORMAL };
    let last = Message::Close(Some(CloseFrame { code, reason: "".into() }));
    let mut socket = viewer.into_inner();
    let farewell = async {
        socket.send(last).await?;
        // Until the other side has closed too, else what it still sends could destroy our farewell.
        while socket.recv().await.transpose()?.is_some() {}
        Ok::<_, axum::Error>(())
    };
    // Whoever has gone already needs none.
    drop(tokio::time::timeout(FAREWELL_PATIENCE, farewell).await);
}

fn told(job: JobId, left: Left) {
    if let Left::Ended(Err(e)) = left {
        tracing::debug!(%job, "a viewer of the desktop was cut off: {e}");
    }
}

/// Why there is no way to the desktop. What a sandbox says about it is hostile; it is plain text.
fn refusal(error: &SeatError) -> Response {
    let status = match error {
        SeatError::Dial(DialError::Job(JobError::NotFound(_))) => StatusCode::NOT_FOUND,
        SeatError::Dial(DialError::Job(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        SeatError::Dial(_) | SeatError::Take(_) => StatusCode::CONFLICT,
        SeatError::Full => StatusCode::SERVICE_UNAVAILABLE,
    };
    plain(status, &error.to_string())
}

fn plain(status: StatusCode, text: &str) -> Response {
    let head = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")];
    guard::seal((status, head, Body::from(text.to_owned())).into_response(), "default-src 'none'")
}
