//! The one stream of a page: what changes in the list of jobs, and the events of the jobs it follows.
//! Browsers open no more than six connections to a server, in all of a person's tabs together.
//!
//! Not here: a job's events for programs, with their text (`events`).

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use axum::response::sse;
use futures_util::stream::{self, BoxStream, select_all};
use futures_util::{Stream, StreamExt as _};
use jobs::{Follower, JobError, ListChange, Watcher};
use serde::Serialize;
use types::{Event, JobId};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::code::Code;
use crate::events::{RECONNECT, until_closing};
use crate::extract::Params;
use crate::list::JobSummary;
use crate::problem::Problem;
use crate::refusals::{CommonProblems, InvalidParams};

/// The most jobs of one stream.
const MAX_FOLLOWED: usize = 16;

const NO_FOLLOW: &str =
    "must be a job's id, `:` and the `seq` of the last event already seen, or 0";

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the description; `wanted` reads the parameters")]
pub(crate) struct LiveParams {
    /// Whether to tell what changes in the list of jobs.
    list: Option<bool>,
    /// Jobs whose events to tell: each as its id, `:` and the `seq` after which to begin. At most 16.
    #[param(max_items = 16, pattern = "^[0-9a-f-]{36}:[0-9]{1,19}$",
        example = json!(["018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f:0"]))]
    follow: Option<Vec<String>>,
}

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    list: Option<bool>,
    follow: Vec<(JobId, u64)>,
}

/// What is sent of it: its `event` says which of these the `data` is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the description; `sent` makes them")]
pub(crate) struct SentLive {
    /// `ready`, `job`, `gone`, `reload` or `event`.
    event: String,
    /// As JSON: of `job` a `JobSummary`, of `gone` a `GoneJob`, of `event` a `JobEvent`, else `{}`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// A job that is not there, or not any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GoneJob {
    /// Its id.
    job_id: JobId,
}

/// The next event of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobEvent<'a> {
    /// Whose.
    job_id: JobId,
    /// It; of output only where it lies in the log.
    #[schema(value_type = Event)]
    event: &'a Event,
}

type Lines = BoxStream<'static, Result<sse::Event, JobError>>;

/// What happens, live
///
/// For a page that shows many jobs: one stream of Server-Sent Events instead of one for each.
/// `ready` comes first: of what happens from then on nothing is missed, so lists are read after it.
/// With `list=true`, `job` is a line of the list of jobs that is new or has changed, `gone` a job
/// that was deleted, and `reload` says that too much has changed at once: read the list again. For
/// each `follow`, `event` is the next event of that job, without the text of output: `offset` and
/// `bytes` are its place in `GET /logs/{id}/{stream}`. A job that is not there is `gone`. The stream
/// ends only with the server.
#[utoipa::path(get, path = "/v1/events", tag = "jobs", operation_id = "live", params(LiveParams),
    responses((status = 200, description = "What happens", body = SentLive,
        content_type = "text/event-stream"), InvalidParams, CommonProblems))]
pub(crate) async fn live(
    State(api): State<Api>,
    Params(params): Params<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let Wanted { list, follow } = wanted(&params)?;
    let mut lines: Vec<Lines> = vec![];
    if list.unwrap_or(false) {
        lines.push(watched(api.jobs.watch_list()).boxed());
    }
    for (job, after) in follow {
        lines.push(followed(&api, job, after).await?);
    }
    // Also when all that is followed is over.
    lines.push(stream::pending().boxed());
    let ready = sent("ready", &serde_json::json!({})).retry(RECONNECT);
    Ok(until_closing(&api, ready, select_all(lines)))
}

fn wanted(params: &[(String, String)]) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::default();
    for (name, value) in params {
        let wrong = |message: &str| Err(Problem::field(Code::InvalidField, name, message));
        match (name.as_str(), value.as_str()) {
            ("list", "true") if wanted.list.is_none() => wanted.list = Some(true),
            ("list", "false") if wanted.list.is_none() => wanted.list = Some(false),
            ("list", _) => return wrong("must be `true` or `false`, once"),
            ("follow", value) => match place(value) {
                Some(place) => wanted.follow.push(place),
                None => return wrong(NO_FOLLOW),
            },
            _ => return wrong("unknown; expected `list` or `follow`"),
        }
    }
    let each: BTreeSet<_> = wanted.follow.iter().map(|(job, _)| job).collect();
    if each.len() < wanted.follow.len() || each.len() > MAX_FOLLOWED {
        let message = format!("at most {MAX_FOLLOWED} jobs can be followed, each once");
        return Err(Problem::field(Code::InvalidField, "follow", message));
    }
    Ok(wanted)
}

fn place(value: &str) -> Option<(JobId, u64)> {
    let (job, after) = value.split_once(':')?;
    // A plus sign is no digit.
    let after = after.bytes().all(|byte| byte.is_ascii_digit()).then(|| after.parse().ok())??;
    Some((job.parse().ok()?, after))
}

fn watched(watcher: Watcher) -> impl Stream<Item = Result<sse::Event, JobError>> {
    let changes = stream::unfold(watcher, |mut watcher| async move {
        let changes = watcher.next().await.inspect_err(tell);
        Some((changes, watcher))
    });
    changes.flat_map(|changes| match changes {
        Ok(changes) => stream::iter(changes).map(|change| Ok(line(change))).left_stream(),
        Err(e) => stream::iter([Err(e)]).right_stream(),
    })
}

fn line(change: ListChange) -> sse::Event {
    match change {
        ListChange::Job(summary) => sent("job", &JobSummary::from(*summary)),
        ListChange::Gone(job_id) => sent("gone", &GoneJob { job_id }),
        ListChange::Reload => sent("reload", &serde_json::json!({})),
    }
}

/// A job that is not there must not cost a page the others.
async fn followed(api: &Api, job_id: JobId, after: u64) -> Result<Lines, Problem> {
    let last = match api.jobs.get(job_id).await {
        Ok(record) => record.last_seq,
        Err(JobError::NotFound(_)) => {
            return Ok(stream::iter([Ok(sent("gone", &GoneJob { job_id }))]).boxed());
        }
        Err(e) => return Err(e.into()),
    };
    if after > last {
        let message = format!("{after} is too high: job {job_id} has {last} events so far");
        return Err(Problem::field(Code::InvalidField, "follow", message));
    }
    let follower = api.jobs.follow(job_id, after).await?.without_text();
    Ok(events(job_id, follower).boxed())
}

fn events(job_id: JobId, follower: Follower) -> impl Stream<Item = Result<sse::Event, JobError>> {
    let pages = stream::unfold(follower, |mut follower| async move {
        let page = follower.next().await.inspect_err(tell).transpose()?;
        Some((page, follower))
    });
    pages.flat_map(move |page| match page {
        Ok(page) => {
            let count = page.len();
            let event = move |n: usize| Ok(sent("event", &JobEvent { job_id, event: &page[n] }));
            stream::iter((0..count).map(event)).left_stream()
        }
        Err(e) => stream::iter([Err(e)]).right_stream(),
    })
}

/// The client comes back, and asks for what it has not seen.
fn tell(error: &JobError) {
    tracing::error!("a live stream breaks off: {error}");
}

fn sent(name: &str, data: &impl Serialize) -> sse::Event {
    // Our own types can be written as JSON.
    let data = serde_json::to_string(data).unwrap_or_default();
    sse::Event::default().event(name).data(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f";

    fn asked(query: &[(&str, &str)]) -> Result<Wanted, String> {
        let query: Vec<_> = query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        wanted(&query).map_err(|problem| problem.detail)
    }

    #[test]
    fn what_is_followed_has_a_place() {
        let follow = format!("{JOB}:7");
        let wanted = asked(&[("follow", &follow), ("list", "true")]).unwrap();
        let follow = vec![(JOB.parse().unwrap(), 7)];
        assert_eq!(wanted, Wanted { list: Some(true), follow });
        assert_eq!(asked(&[]), Ok(Wanted::default()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in ["", "7", ":7", JOB, "JOB:", "JOB:+7", "JOB:-1", "JOB:18446744073709551616"] {
            let wrong = wrong.replace("JOB", JOB);
            let problem = asked(&[("follow", &wrong)]).unwrap_err();
            assert!(problem.contains("follow") && problem.contains("seq"), "{wrong}: {problem}");
        }
        let (one, same) = (format!("{JOB}:7"), format!("{JOB}:8"));
        assert!(asked(&[("follow", &one), ("follow", &same)]).unwrap_err().contains("each once"));
        let many: Vec<_> = (0..=MAX_FOLLOWED).map(|_| format!("{}:0", JobId::generate())).collect();
        let many: Vec<_> = many.iter().map(|one| ("follow", one.as_str())).collect();
        assert!(asked(&many).unwrap_err().contains("at most 16"));
        assert!(asked(&many[1..]).is_ok());
        for (name, value) in [("list", "yes"), ("jobs", "1")] {
            assert!(asked(&[(name, value)]).unwrap_err().contains("expected") || name == "list");
        }
        assert!(asked(&[("list", "true"), ("list", "true")]).unwrap_err().contains("once"));
    }
}
