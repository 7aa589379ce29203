//! A file as an answer, streamed: memory stays flat however large it is.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use crate::problem::Problem;

/// How much is read at a time, in bytes: large enough that thread switches do not count.
const CHUNK_BYTES: usize = 64 * 1024;

/// Sends the file as it is now; a log that grows meanwhile is sent up to where it was.
pub(crate) async fn streamed(
    file: File,
    media_type: &'static str,
    name: &str,
) -> Result<Response, Problem> {
    let length = file.metadata().await.map_err(|e| Problem::internal(&e))?.len();
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), CHUNK_BYTES));
    answer(body, length, media_type, name)
}

/// Sends a file without content.
pub(crate) fn empty(media_type: &'static str, name: &str) -> Result<Response, Problem> {
    answer(Body::empty(), 0, media_type, name)
}

/// `name` is our own: plain ASCII without quotes.
fn answer(
    body: Body,
    length: u64,
    media_type: &'static str,
    name: &str,
) -> Result<Response, Problem> {
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
        .map_err(|e| Problem::internal(&e))?;
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_LENGTH, HeaderValue::from(length)),
        (CONTENT_DISPOSITION, disposition),
    ]);
    Ok((headers, body).into_response())
}
