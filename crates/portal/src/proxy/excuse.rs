//! Pages that say why a job does not answer. What a sandbox says of it is hostile, and escaped.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jobs::DialError;
use types::JobStatus;

use super::{ProxyError, Visit};
use crate::guard;
use crate::pages::{self, Page, TO_LIST};
use crate::view::View;

/// How often a page looks whether the job answers by now, in seconds.
const LOOK_AGAIN: u32 = 2;

/// Why there is no answer.
pub(super) fn page(visit: Visit<'_>, error: &ProxyError, list: &str) -> Response {
    let what = what(visit);
    match error {
        ProxyError::Dial(DialError::Job(error)) => pages::unseen(error, list),
        ProxyError::Dial(DialError::NotRunning(status)) => not_running(*status, list),
        ProxyError::Dial(DialError::Refused(why)) => refused(visit, why),
        ProxyError::Dial(DialError::Silent(why)) => {
            Page::new(StatusCode::SERVICE_UNAVAILABLE, "The job is busy")
                .text(&format!("There was no way to {what}: {why}."))
                .refresh(LOOK_AGAIN, "")
                .into()
        }
        ProxyError::Full => Page::new(StatusCode::SERVICE_UNAVAILABLE, "Too many at one time")
            .text("Too many requests to this job are under way. Close some of its pages.")
            .into(),
        ProxyError::Garbled(_) | ProxyError::Unasked => {
            Page::new(StatusCode::BAD_GATEWAY, "This is no page")
                .text(&format!("What is at {what} was asked, but {error}."))
                .into()
        }
        ProxyError::Silent => Page::new(StatusCode::GATEWAY_TIMEOUT, "No answer")
            .text(&format!("What is at {what} took the request, but did not begin to answer."))
            .into(),
    }
}

/// Whoever was not let in. Whether there is such a job is nobody else's business.
pub(super) fn stranger(visit: Visit<'_>, headers: &HeaderMap) -> Response {
    if !guard::is_own(headers) {
        return Page::new(StatusCode::FORBIDDEN, "Not from elsewhere")
            .text("The page that led you here may not open this by itself.")
            .link("", "Open it")
            .into();
    }
    let command = match visit.view {
        View::Preview { port } => format!("cagent open JOB {port}"),
        View::Jupyter | View::Watch | View::Control => "cagent open JOB jupyter".into(),
    };
    pages::by_link(&command)
}

fn not_running(status: JobStatus, list: &str) -> Response {
    if status.is_final() || status == JobStatus::Packaging {
        return Page::new(StatusCode::GONE, "This job is over")
            .text(&format!("It is {status}; what it served has ended with it."))
            .link(list, TO_LIST)
            .into();
    }
    Page::new(StatusCode::SERVICE_UNAVAILABLE, "Not yet")
        .text(&format!("The job is {status}. This page looks again until it runs."))
        .refresh(LOOK_AGAIN, "")
        .into()
}

/// Whatever is missing may come: a program that listens, or an installation.
fn refused(visit: Visit<'_>, why: &str) -> Response {
    let advice = match visit.view {
        View::Preview { .. } => {
            "A server must listen on `localhost` or on all addresses. This page looks again until \
             one does."
        }
        View::Jupyter | View::Watch | View::Control => "This page looks again until there is one.",
    };
    Page::new(StatusCode::BAD_GATEWAY, "Nothing is here yet")
        .text(&format!("The job says: {why}."))
        .text(advice)
        .refresh(LOOK_AGAIN, "")
        .into()
}

fn what(visit: Visit<'_>) -> String {
    match visit.view {
        View::Preview { port } => format!("port {port}"),
        View::Jupyter | View::Watch | View::Control => "Jupyter Lab".into(),
    }
}
