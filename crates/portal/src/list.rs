//! Our own page: which jobs run. It leads straight into the only one. It hands out the ways in
//! itself, but only where nobody needs a key, and only to who came by themselves: then whoever
//! reaches this port can reach the API as well.

use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jobs::{JobError, ListRequest};
use types::{JobId, JobStatus, JobSummary};

use crate::pages::{self, Page, STYLE, escape};
use crate::view::{Door, View};
use crate::{Portal, guard};

/// The most jobs that are shown.
const MOST: u32 = 100;

/// How often the page looks for jobs, in seconds.
const LOOK_AGAIN: u32 = 2;

/// Answers on our own origin.
pub(crate) async fn answer(
    portal: &Portal,
    door: Door,
    path: &str,
    headers: &HeaderMap,
) -> Response {
    if path == STYLE.0 {
        return pages::asset(STYLE.1, STYLE.2);
    }
    // What is previewed by path is on this origin too, and would be let in everywhere.
    let free = !portal.config.needs_keys && !portal.config.path_previews;
    let invited = free && guard::is_own(headers);
    match path {
        "/" | "/list" if !free => by_link(),
        "/" | "/list" => list(portal, door, invited && path == "/").await.unwrap_or_else(failed),
        _ => match opened(door, path) {
            Some((job, view)) if invited => see_other(&portal.link(job, view, None).url),
            Some(_) if free => see_other("/list"),
            Some(_) => by_link(),
            None => pages::nothing(),
        },
    }
}

/// `/open/<job>/<view>`
fn opened(door: Door, path: &str) -> Option<(JobId, View)> {
    let (job, view) = path.strip_prefix("/open/")?.split_once('/')?;
    let view = match (door, view) {
        (Door::Desktops, "control") => View::Control,
        (Door::Desktops, "watch") => View::Watch,
        (Door::Jupyter, "jupyter") => View::Jupyter,
        _ => return None,
    };
    Some((job.parse().ok()?, view))
}

async fn list(portal: &Portal, door: Door, straight: bool) -> Result<Response, JobError> {
    let (title, view) = match door {
        Door::Desktops => ("Desktops", View::Control),
        Door::Jupyter => ("Jupyter Lab", View::Jupyter),
    };
    let running = vec![JobStatus::Running];
    let request = ListRequest { statuses: running, limit: Some(MOST), after: None };
    let jobs = portal.jobs.list(&request).await?.jobs;
    Ok(match &jobs[..] {
        [job] if straight => see_other(&portal.link(job.id, view, None).url),
        [] => Page::new(StatusCode::OK, "No job is running")
            .text("As soon as one does, this page leads there. `cagent run` gives one.")
            .refresh(LOOK_AGAIN, "/")
            .into(),
        jobs => {
            let rows: String = jobs.iter().map(|job| row(door, job)).collect();
            let page = Page::new(StatusCode::OK, title);
            page.html(&format!("<ul class=\"jobs\">\n{rows}</ul>\n")).refresh(30, "/list").into()
        }
    })
}

fn row(door: Door, job: &JobSummary) -> String {
    let (id, title) = (job.id, escape(&job.title));
    let (view, aside) = match door {
        Door::Jupyter => ("jupyter", String::new()),
        Door::Desktops => {
            let watch = format!(" <a class=\"aside\" href=\"/open/{id}/watch\">only watch</a>");
            ("control", watch)
        }
    };
    format!("<li><a href=\"/open/{id}/{view}\">{title}</a> <small>{id}</small>{aside}</li>\n")
}

fn by_link() -> Response {
    Page::new(StatusCode::FORBIDDEN, "Come by a link")
        .text("This page hands out nothing here. `cagent open JOB` and the dashboard have links into jobs; so has the API: `POST /v1/jobs/{id}/tickets`.")
        .into()
}

fn failed(error: JobError) -> Response {
    tracing::error!("could not list the jobs: {error}");
    Page::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed")
        .text("Its log says why.")
        .into()
}

fn see_other(to: &str) -> Response {
    // Addresses are our own, and plain ASCII.
    let to = HeaderValue::try_from(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    let head =
        [(LOCATION, to), (axum::http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    guard::seal((StatusCode::SEE_OTHER, head).into_response(), "default-src 'none'")
}
