//! Our own page: which jobs run. It leads straight into the only one. It hands out the ways in
//! itself, but only where nobody needs a key, and only to who came by themselves: then whoever
//! reaches this port can reach the API as well.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use jobs::{JobError, ListRequest};
use types::{JobId, JobStatus, JobSummary};

use crate::pages::{self, Page, escape};
use crate::view::{Door, View};
use crate::{Portal, guard};

/// The most jobs that are shown.
const MOST: u32 = 100;

/// How much of a job's id is shown.
const NAME_LENGTH: usize = 12;

/// How often the page looks for jobs, in seconds: for the first, and for more.
const FIRST_LOOK: u32 = 2;
const NEXT_LOOK: u32 = 5;

/// Answers on our own origin.
pub(crate) async fn answer(
    portal: &Portal,
    door: Door,
    path: &str,
    headers: &HeaderMap,
) -> Response {
    // What is previewed by path is on this origin too, and would be let in everywhere.
    let free = !portal.config.needs_keys && !portal.config.path_previews;
    let invited = free && guard::is_own(headers);
    match path {
        "/" | "/list" if !free => pages::by_link("cagent open JOB"),
        "/" | "/list" => list(portal, door, invited && path == "/").await.unwrap_or_else(failed),
        _ => match opened(door, path) {
            Some((job, view)) if invited => pages::see_other(&portal.link(job, view, None).url),
            Some(_) if free => pages::see_other("/list"),
            Some(_) => pages::by_link("cagent open JOB"),
            None => pages::nothing("/list"),
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
    let jobs = running(portal).await?;
    Ok(match &jobs[..] {
        [job] if straight => pages::see_other(&portal.link(job.id, view, None).url),
        [] => Page::new(StatusCode::OK, "No job is running")
            .text("As soon as one does, this page leads there. `cagent run` gives one.")
            .refresh(FIRST_LOOK, "/")
            .into(),
        jobs => {
            let rows: String = jobs.iter().map(|job| row(door, job)).collect();
            let page = Page::new(StatusCode::OK, title);
            page.html(&format!("<ul class=\"jobs\">\n{rows}</ul>\n"))
                .refresh(NEXT_LOOK, "/list")
                .into()
        }
    })
}

/// The jobs that run, newest first.
pub(crate) async fn running(portal: &Portal) -> Result<Vec<JobSummary>, JobError> {
    let statuses = vec![JobStatus::Running];
    let request = ListRequest { statuses, limit: Some(MOST), ..ListRequest::default() };
    Ok(portal.jobs.list(&request).await?.jobs)
}

fn row(door: Door, job: &JobSummary) -> String {
    let (id, title) = (job.id, escape(&job.title));
    let name = id.to_string();
    // Its end tells it from others, and names it on the command line.
    let name = &name[name.len() - NAME_LENGTH..];
    let age = age(Timestamp::now().duration_since(job.started.unwrap_or(job.created)));
    let (view, aside) = match door {
        Door::Jupyter => ("jupyter", String::new()),
        Door::Desktops => {
            let watch = format!("<a class=\"aside\" href=\"/open/{id}/watch\">only watch</a>");
            ("control", watch)
        }
    };
    format!(
        "<li><a href=\"/open/{id}/{view}\">{title}</a>\
         <small>job <span title=\"{id}\">{name}</span>, running for {age}</small>{aside}</li>\n"
    )
}

fn age(age: SignedDuration) -> String {
    let (seconds, minutes) = (age.as_secs().max(0), age.as_mins());
    match (seconds, minutes) {
        (..60, _) => format!("{seconds} s"),
        (_, ..120) => format!("{minutes} min"),
        _ => format!("{} h", age.as_hours()),
    }
}

fn failed(error: JobError) -> Response {
    tracing::error!("could not list the jobs: {error}");
    Page::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed")
        .text("Its log says why.")
        .into()
}
