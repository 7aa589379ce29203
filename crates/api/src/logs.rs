//! What a job wrote to stdout and stderr: the end as JSON, the whole as a file.

use std::io::ErrorKind;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use types::{JobId, Stream};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::attachment::{Asked, Attachment, Conditions};
use crate::code::Code;
use crate::extract::{JobPath, Params};
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{JobProblems, PartProblems, malformed_id};
use crate::tail::{self, Tail};

/// How many lines `last_1000_lines` has.
const LINES: usize = 1000;

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// The end of a job's log. Bytes that are no UTF-8 are replaced by U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// The job.
    pub job_id: JobId,
    /// Which of its logs.
    pub log_type: Stream,
    /// The last 1000 lines of `full_log`.
    pub last_1000_lines: String,
    /// The log, at most its last 1 MiB.
    pub full_log: String,
    /// Whether the log is longer than that.
    pub truncated: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// Which log; `stdout` if not said.
    log_type: Option<Stream>,
}

/// The end of a log
#[utoipa::path(get, path = "/logs/{id}", tag = "results",
    params(("id" = JobId, Path, description = "The job"), LogParams),
    responses((status = 200, description = "The end of the log", body = Logs),
        (status = 422, description = "`invalid_field`: no such log", body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::field(Code::InvalidField, "log_type",
                "unknown value `stdin`, expected `stdout` or `stderr`"))),
        JobProblems))]
pub(crate) async fn logs(
    State(api): State<Api>,
    JobPath(job_id): JobPath,
    Params(params): Params<LogParams>,
) -> Result<Json<Logs>, Problem> {
    api.jobs.get(job_id).await?;
    let log_type = params.log_type.unwrap_or(Stream::Stdout);
    let tail = read_tail(api.jobs.log_path(job_id, log_type)).await?;
    let last_1000_lines = tail.last_lines(LINES).to_owned();
    let Tail { text: full_log, truncated } = tail;
    Ok(Json(Logs { job_id, log_type, last_1000_lines, full_log, truncated }))
}

async fn read_tail(path: PathBuf) -> Result<Tail, Problem> {
    tokio::task::spawn_blocking(move || tail::read(&path, tail::MAX_BYTES))
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))
}

/// A whole log, as a file
///
/// Of a job that still runs: as much as there is now.
#[utoipa::path(get, path = "/logs/{id}/{stream}", tag = "results",
    params(("id" = JobId, Path, description = "The job"),
        ("stream" = Stream, Path, description = "Which log"), Conditions),
    responses((status = 200, description = "The log, byte for byte", body = String,
            content_type = "text/plain; charset=utf-8"),
        PartProblems, JobProblems,
        (status = 404, description = "`malformed_id`, `unknown_job`, `unknown_log`",
            body = Problem, content_type = "application/problem+json",
            example = json!(malformed_id()))))]
pub(crate) async fn log_file(
    State(api): State<Api>,
    JobPath(id): JobPath,
    Path((_, stream)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    let stream = known(&stream)?;
    let over = api.jobs.get(id).await?.status.is_final();
    let path = api.jobs.log_path(id, stream);
    let file = match File::open(&path).await {
        // Nothing was written yet.
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        opened => Some(opened.map_err(|e| Problem::internal(&e))?),
    };
    let bytes = match &file {
        Some(file) => file.metadata().await.map_err(|e| Problem::internal(&e))?.len(),
        None => 0,
    };
    // A log only grows, and not after the job's end.
    let etag = over.then(|| format!("\"{id}-{}-{bytes:x}\"", stream.as_str()));
    let name = format!("{id}-{}.log", stream.as_str());
    let attachment = Attachment { bytes, etag, media_type: PLAIN_TEXT, name };
    match file {
        Some(file) => attachment.send_file(&asked, file).await,
        None => attachment.send(&asked, async |_| Ok(Body::empty())).await,
    }
}

fn known(stream: &str) -> Result<Stream, Problem> {
    let both = [Stream::Stdout, Stream::Stderr];
    both.into_iter().find(|known| known.as_str() == stream).ok_or_else(|| {
        let detail = format!("a job has the logs stdout and stderr, not {stream:?}");
        Problem::new(Code::UnknownLog, detail)
    })
}
