//! What a job serves by HTTP, on an origin of its own: Jupyter Lab, and previews of what its programs
//! listen for on its loopback.
//!
//! | file | what |
//! |---|---|
//! | `head` | what of a request the job gets to see, and of its answer the browser |
//! | `line` | a connection into the job, for one request; how many of them a job has |
//! | `socket` | WebSockets |
//! | `excuse` | why there is no answer |
//! | `path` | previews by path, where the operator wished it |
//!
//! Invariant: nothing reaches a job but from its own origin, or from a person who was let in. No
//! secret of ours reaches it at all. What is sent either way is never held as a whole.
//!
//! Not here: which requests may come from where (`guard`), what is behind a connection (crate
//! `agent`).

mod excuse;
mod head;
mod line;
pub(crate) mod path;
mod socket;

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, Version};
use axum::response::Response;
use jobs::{DialError, Holder, Target};
use tokio::time::timeout;
use types::{JobId, Network};

pub(crate) use line::Lines;

use crate::pages::Page;
use crate::view::View;
use crate::{Portal, guard};
use line::{Held, Line};

/// How long a program may take until it begins to answer, after it has the whole request: development
/// servers build at the first one, and polls are held open for a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is looked at, and below which path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) job: JobId,
    pub(crate) view: View,
    /// Empty on an origin of its own.
    pub(crate) base: &'a str,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("too many requests are under way")]
    Full,
    #[error("it does not answer in HTTP: {0}")]
    Garbled(#[from] hyper::Error),
    #[error("it does not answer")]
    Silent,
    #[error("it would speak another protocol, which nobody asked for")]
    Unasked,
}

/// Answers on the origin of what a job serves.
pub(crate) async fn answer(portal: &Portal, visit: Visit<'_>, request: Request) -> Response {
    // Who typed the address, or is there already; where keys are needed, who was let in. A page
    // elsewhere that leads people here would have its request made with their session, where both are
    // one site.
    let grant = portal.grant(request.headers(), visit.job, visit.view);
    let may_enter = !portal.config.needs_keys || grant.is_some();
    if !may_enter || !guard::is_own(request.headers()) {
        return excuse::stranger(visit, request.headers());
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Page::new(StatusCode::METHOD_NOT_ALLOWED, "Not by this method").into();
    }
    // It would outlive its page, and see what we answer on its origin: tickets, too.
    if request.headers().contains_key("service-worker") {
        return Page::new(StatusCode::FORBIDDEN, "No service workers here").into();
    }
    let holder = grant.and_then(|grant| grant.holder);
    let answer = forward(portal, visit, holder, request).await;
    answer.unwrap_or_else(|e| excuse::page(visit, &e, &portal.list(visit.view.door())))
}

async fn forward(
    portal: &Portal,
    visit: Visit<'_>,
    holder: Option<Holder>,
    mut request: Request,
) -> Result<Response, ProxyError> {
    let target = match visit.view {
        View::Preview { port } => Target::Port { port },
        View::Jupyter | View::Watch | View::Control => Target::Jupyter,
    };
    let may_reach = portal.jobs.get(visit.job).await.map_err(DialError::from)?.spec.network;
    let line = portal.lines.open(&portal.jobs, visit.job, target, holder).await?;
    let wants_socket = head::wants_socket(&request);
    let viewer = wants_socket.then(|| hyper::upgrade::on(&mut request));
    let is_head = request.method() == Method::HEAD;
    let (mut answer, line) = call(line, visit, request, wants_socket).await?;
    let job = hyper::upgrade::on(&mut answer);
    let (mut parts, body) = answer.into_parts();
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let is_socket = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    head::back(&mut parts, visit, is_head);
    if may_reach == Network::None {
        head::confine(&mut parts.headers);
    }
    match (viewer, is_socket) {
        (None, true) => Err(ProxyError::Unasked),
        (Some(viewer), true) => {
            head::switch(&mut parts.headers);
            let jobs = portal.jobs.clone();
            socket::join(visit.job, viewer, job, line, async move { jobs.lapsed(holder).await });
            Ok(Response::from_parts(parts, Body::empty()))
        }
        (_, false) => Ok(Response::from_parts(parts, Body::new(Held::new(body, line)))),
    }
}

/// Sends it; the time to answer runs from when it is sent as a whole.
async fn call(
    line: Line,
    visit: Visit<'_>,
    request: Request,
    wants_socket: bool,
) -> Result<(hyper::Response<hyper::body::Incoming>, line::Open), ProxyError> {
    let (mut parts, body) = request.into_parts();
    head::there(&mut parts.headers, wants_socket);
    parts.version = Version::HTTP_11;
    parts.uri = below(&parts.uri, visit.base);
    parts.extensions.clear();
    let (sent, is_sent) = tokio::sync::oneshot::channel::<()>();
    let request = hyper::Request::from_parts(parts, Held::new(body, sent));
    let (answer, open) = line.send(request);
    let mut answer = std::pin::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer?,
        // Dropped with the body, whether it was read to its end or not.
        _ = is_sent => timeout(PATIENCE, answer).await.map_err(|_| ProxyError::Silent)??,
    };
    Ok((answer, open))
}

/// The address as the job knows it.
fn below(uri: &Uri, base: &str) -> Uri {
    let whole = uri.path_and_query().map_or("/", |path| path.as_str());
    // What is left of a path that was parsed is one.
    whole.strip_prefix(base).unwrap_or(whole).parse().unwrap_or_default()
}
