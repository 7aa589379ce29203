//! The result of a job.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use axum::extract::State;
use axum::response::Response;
use tokio::fs::File;
use types::{JobId, JobRecord};

use crate::Api;
use crate::attachment::{Asked, Attachment, Conditions};
use crate::code::Code;
use crate::extract::JobPath;
use crate::problem::Problem;
use crate::refusals::{JobProblems, PartProblems, malformed_id};

const ZIP: &str = "application/zip";

/// The result, as a ZIP
///
/// The workspace's files at its root, and `.cagent/` with the manifest, the runbook, the events and
/// the logs. Jobs that failed or were cancelled have one too. A job that is over and could not be
/// packaged answers 404 `no_result`.
#[utoipa::path(get, path = "/download/{id}", tag = "results",
    params(("id" = JobId, Path, description = "The job"), Conditions),
    responses((status = 200, description = "The ZIP", content(("application/zip"))),
        PartProblems, JobProblems,
        (status = 404, description = "`malformed_id`, `unknown_job`, `no_result`", body = Problem,
            content_type = "application/problem+json", example = json!(malformed_id())),
        (status = 409, description = "`not_ready`: the job is not over yet", body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::new(Code::NotReady,
                "job 018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f is running; its ZIP is there when it is \
                 over")))))]
pub(crate) async fn download(
    State(api): State<Api>,
    JobPath(id): JobPath,
    asked: Asked,
) -> Result<Response, Problem> {
    let record = api.jobs.get(id).await?;
    if record.zip_bytes.is_none() {
        return Err(nothing_yet(&record));
    }
    match File::open(api.jobs.zip_path(id)).await {
        Ok(zip) => attachment(id, &zip).await?.send_file(&asked, zip).await,
        // Retention came first.
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(Problem::new(Code::NoResult, format!("the ZIP of job {id} was removed")))
        }
        Err(e) => Err(Problem::internal(&e)),
    }
}

/// A ZIP is written once, under its final name when it is whole: size and time tell two apart.
async fn attachment(id: JobId, zip: &File) -> Result<Attachment, Problem> {
    let about = zip.metadata().await.map_err(|e| Problem::internal(&e))?;
    let (bytes, seconds, nanos) = (about.len(), about.mtime(), about.mtime_nsec());
    let etag = format!("\"{id}-{bytes:x}-{seconds:x}.{nanos:x}\"");
    Ok(Attachment { bytes, etag: Some(etag), media_type: ZIP, name: format!("{id}.zip") })
}

fn nothing_yet(record: &JobRecord) -> Problem {
    let JobRecord { id, status, ending, .. } = record;
    if status.is_final() {
        let why = ending.as_ref().and_then(|ending| ending.error.as_deref()).unwrap_or("no reason");
        let detail = format!("job {id} is over ({status}) and left no ZIP: {why}");
        return Problem::new(Code::NoResult, detail);
    }
    let events = format!("/v1/jobs/{id}/events");
    let detail = format!("job {id} is {status}; its ZIP is there when it is over, see {events}");
    Problem::new(Code::NotReady, detail)
}
