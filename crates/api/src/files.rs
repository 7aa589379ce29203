//! Single files of a job's workspace: looked at, read, written. A job that is over shows what its
//! ZIP has.

use std::fmt::Display;
use std::pin::pin;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use jobs::{FileContent, FilesError, InvalidPath, JobError, WorkspacePath};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use types::JobId;
use utoipa::ToSchema;

use crate::attachment::{Asked, Attachment, Conditions};
use crate::code::Code;
use crate::extract::JobPath;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{AwayProblem, JobProblems, PartProblems, UploadProblems, malformed_id};
use crate::{Api, body};

/// Nobody guesses what a file is: it is saved, not shown.
const BYTES: &str = "application/octet-stream";

/// What is in a directory of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileList {
    /// The directory, relative to the workspace; empty for the workspace itself.
    pub path: String,
    /// Its entries, by name.
    pub entries: Vec<FileEntry>,
    /// How many more there are; at most 10,000 are listed.
    pub more: u64,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEntry {
    /// Its name; what is not printable UTF-8 is escaped as in the ZIP.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// How large a file is, in bytes; 0 for all else.
    pub bytes: u64,
    /// When it was last changed.
    #[schema(value_type = String, format = "date-time")]
    pub modified: Timestamp,
}

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file: the only kind that can be read and replaced.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; it is never followed.
    Link,
    /// A device, a socket, a FIFO.
    Other,
}

impl From<jobs::FileEntry> for FileEntry {
    fn from(entry: jobs::FileEntry) -> Self {
        let jobs::FileEntry { name, kind, bytes, modified } = entry;
        let kind = match kind {
            jobs::FileKind::File => FileKind::File,
            jobs::FileKind::Directory => FileKind::Directory,
            jobs::FileKind::Link => FileKind::Link,
            jobs::FileKind::Other => FileKind::Other,
        };
        Self { name, kind, bytes, modified }
    }
}

/// The `{path}` of the path.
#[derive(Debug)]
pub(crate) struct FilePath {
    path: WorkspacePath,
    /// It ended with a slash.
    is_directory: bool,
}

impl<S: Sync> FromRequestParts<S> for FilePath {
    type Rejection = Problem;

    /// Reads what was sent: decoded, a slash within a name looks like one between two.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let sent = parts.uri.path().splitn(6, '/').nth(5).unwrap_or_default();
        let (sent, is_directory) = match sent.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (sent, false),
        };
        if sent.to_ascii_lowercase().contains("%2f") {
            return Err(bad_path(&"a slash within a name is not possible; send `/`, not `%2F`"));
        }
        let path = percent_decode_str(sent).decode_utf8();
        let path = path.map_err(|_| bad_path(&"it is not UTF-8; a list shows its spelling"))?;
        Ok(Self { path: path.parse().map_err(|e: InvalidPath| bad_path(&e))?, is_directory })
    }
}

/// What is in the workspace
///
/// Its own directory. Of a job that is over: what its ZIP has.
#[utoipa::path(get, path = "/v1/jobs/{id}/files/", tag = "files", operation_id = "files",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, description = "The directory", body = FileList), JobProblems,
        (status = 409, description = "`not_ready`: the job is just starting", body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::new(Code::NotReady, Code::NotReady.advice()))),
        AwayProblem))]
pub(crate) async fn root(
    State(api): State<Api>,
    JobPath(id): JobPath,
) -> Result<Json<FileList>, Problem> {
    unless_stopping(&api, list(&api, id, &WorkspacePath::root())).await.map(Json)
}

/// A file of the workspace, or what is in a directory
///
/// A file comes byte for byte (in parts, if asked for with `Range`), a directory as JSON. Slashes in
/// the path are sent as they are, everything else percent-encoded. Of a job that is over: what its
/// ZIP has.
#[utoipa::path(get, path = "/v1/jobs/{id}/files/{*path}", tag = "files", operation_id = "file",
    params(("id" = JobId, Path, description = "The job"),
        ("path" = String, Path, description = "A file or a directory, relative to the workspace"),
        Conditions),
    responses(
        (status = 200, description = "The file, or the directory", content(
            (FileList = "application/json"), ("application/octet-stream"))),
        PartProblems, JobProblems,
        (status = 404, description = "`malformed_id`, `unknown_job`, `no_such_file`",
            body = Problem, content_type = "application/problem+json",
            example = json!(malformed_id())),
        (status = 409, description = "`not_ready`: the job is just starting; `not_a_file`: a link \
            or a device", body = Problem, content_type = "application/problem+json",
            example = json!(Problem::new(Code::NotReady, Code::NotReady.advice()))),
        (status = 422, description = "`bad_path`", body = Problem,
            content_type = "application/problem+json", example = json!(bad_path(&"it is empty"))),
        AwayProblem))]
pub(crate) async fn read(
    State(api): State<Api>,
    FilePath { path, is_directory }: FilePath,
    JobPath(id): JobPath,
    asked: Asked,
) -> Result<Response, Problem> {
    unless_stopping(&api, async {
        if is_directory {
            return Ok(Json(list(&api, id, &path).await?).into_response());
        }
        match api.jobs.read_file(id, &path).await {
            Ok(content) => send(content, &path, &asked).await,
            Err(FilesError::NotAFile) => match list(&api, id, &path).await {
                Ok(list) => Ok(Json(list).into_response()),
                // A link or a device.
                Err(e) if e.code == Code::NoSuchFile => Err(refused(&FilesError::NotAFile)),
                Err(e) => Err(e),
            },
            Err(e) => Err(refused(&e)),
        }
    })
    .await
}

/// What is looked for may be far away, and a server that goes down does not wait for that.
async fn unless_stopping<T>(
    api: &Api,
    looking: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let found = api.config.closing.run_until_cancelled(looking).await;
    found.unwrap_or_else(|| Err(Problem::new(Code::Stopping, Code::Stopping.advice())))
}

/// Write a file
///
/// The body is the file, whatever it is, at most 1 GiB: an input of a job that is scheduled, or into
/// the workspace of one that runs. Directories on the way are made. It appears, or replaces what has
/// its name, when it is complete.
#[utoipa::path(put, path = "/v1/jobs/{id}/files/{*path}", tag = "files", operation_id = "write",
    params(("id" = JobId, Path, description = "The job"),
        ("path" = String, Path, description = "A file, relative to the workspace")),
    request_body(content(("application/octet-stream"))),
    responses((status = 201, description = "It is new"), (status = 204, description = "It was replaced"),
        UploadProblems, JobProblems))]
pub(crate) async fn write(
    State(api): State<Api>,
    FilePath { path, is_directory }: FilePath,
    JobPath(id): JobPath,
    request: Request,
) -> Result<StatusCode, Problem> {
    if is_directory {
        return Err(bad_path(&"it ends with a slash, as a directory's does"));
    }
    let mut pieces = pin!(body::bounded(request.into_body(), crate::MAX_UPLOAD_BYTES)?);
    let begun = async { api.jobs.write_file(id, &path).await.map_err(|e| unwritten(&e)) };
    let mut file = unless_stopping(&api, begun).await?;
    while let Some(piece) = pieces.next().await {
        file.write(piece?).await.map_err(|e| refused(&e))?;
    }
    let is_new = file.finish().await.map_err(|e| unwritten(&e))?;
    Ok(if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT })
}

async fn list(api: &Api, job: JobId, dir: &WorkspacePath) -> Result<FileList, Problem> {
    let listing = api.jobs.files(job, dir).await.map_err(|e| refused(&e))?;
    let entries = listing.entries.into_iter().map(FileEntry::from).collect();
    Ok(FileList { path: dir.to_string(), entries, more: listing.more })
}

async fn send(
    content: FileContent,
    path: &WorkspacePath,
    asked: &Asked,
) -> Result<Response, Problem> {
    let bytes = content.bytes;
    // What still changes has none: it may change twice within one tick of its clock.
    let etag =
        content.is_final.then(|| format!("\"{bytes:x}-{:x}\"", content.modified.as_second()));
    let path = path.to_string();
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let attachment = Attachment { bytes, etag, media_type: BYTES, name };
    attachment.send(asked, async |range| Ok(Body::from_stream(content.stream(range)))).await
}

/// A path that leads nowhere, and why.
pub(crate) fn bad_path(why: &dyn Display) -> Problem {
    Problem::field(Code::BadPath, "path", why.to_string())
}

/// Why a file could not be written.
fn unwritten(error: &FilesError) -> Problem {
    match error {
        FilesError::NoSuchFile => bad_path(&"it leads over something that is no directory"),
        error => refused(error),
    }
}

/// Why a file could not be had, or kept.
pub(crate) fn refused(error: &FilesError) -> Problem {
    let code = match error {
        FilesError::NotFound(job) => return JobError::NotFound(*job).into(),
        FilesError::NoSuchFile | FilesError::NotADirectory => Code::NoSuchFile,
        FilesError::NotAFile => Code::NotAFile,
        FilesError::Over => Code::JobOver,
        FilesError::Elsewhere => {
            return Problem::new(Code::NotReady, format!("{error}; send it along with the job"));
        }
        FilesError::NotYet => Code::NotReady,
        // It says itself what to do.
        FilesError::Away(_) => return Problem::new(Code::SandboxBusy, error.to_string()),
        FilesError::TooLarge { .. } | FilesError::TooMany { .. } => Code::TooLarge,
        FilesError::NoRoom(_) => Code::DiskFull,
        FilesError::Store(_) | FilesError::Io(_) | FilesError::Engine(_) => {
            return Problem::internal(error);
        }
    };
    Problem::new(code, format!("{error}; {}", code.advice()))
}
