//! Where a job's things are, as paths of this server.

use serde::{Deserialize, Serialize};
use types::{JobId, Stream};
use utoipa::ToSchema;

/// Paths of this server that belong to one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// Its status.
    pub status: String,
    /// Its events as they come (SSE).
    pub events: String,
    /// The end of its stdout.
    pub logs: String,
    /// Its whole stdout.
    pub stdout: String,
    /// Its whole stderr.
    pub stderr: String,
    /// A picture of its desktop, while it runs.
    pub screenshot: String,
    /// Where to ask (POST) for links into it, while it is not over.
    pub tickets: String,
    /// Its ZIP; null until there is one.
    #[schema(required = true)]
    pub download: Option<String>,
}

impl Links {
    pub(crate) fn new(job: JobId, has_zip: bool) -> Self {
        Self {
            status: format!("/status/{job}"),
            events: format!("/v1/jobs/{job}/events"),
            logs: logs(job),
            stdout: log_file(job, Stream::Stdout),
            stderr: log_file(job, Stream::Stderr),
            screenshot: format!("/v1/jobs/{job}/screenshot.png"),
            tickets: format!("/v1/jobs/{job}/tickets"),
            download: has_zip.then(|| download(job)),
        }
    }
}

pub(crate) fn logs(job: JobId) -> String {
    format!("/logs/{job}")
}

pub(crate) fn log_file(job: JobId, stream: Stream) -> String {
    format!("/logs/{job}/{}", stream.as_str())
}

pub(crate) fn download(job: JobId) -> String {
    format!("/download/{job}")
}
