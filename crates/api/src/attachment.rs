//! Something a job made, as a download: streamed, so that memory stays flat however large it is,
//! and in parts for who has some of it already.

use std::io;
use std::ops::Range;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderValue,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

use crate::code::Code;
use crate::problem::Problem;
use crate::range::{Wanted, wanted};

/// How much is read at a time, in bytes: large enough that thread switches do not count.
const CHUNK_BYTES: usize = 64 * 1024;

/// The headers of whoever has some of it already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the description; `range` reads the headers")]
pub(crate) struct Conditions {
    /// Some of its bytes only: `bytes=0-99`, `bytes=100-`, `bytes=-100`.
    #[param(rename = "Range", required = false, value_type = String)]
    range: (),
    /// Nothing, if this is its `ETag` still.
    #[param(rename = "If-None-Match", required = false, value_type = String)]
    if_none_match: (),
    /// All of it instead of the `Range`, unless this is its `ETag` still.
    #[param(rename = "If-Range", required = false, value_type = String)]
    if_range: (),
}

/// How a client asked: what decides about parts.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self { method: parts.method.clone(), headers: parts.headers.clone() })
    }
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Its size now; a log that grows meanwhile is sent up to here.
    pub(crate) bytes: u64,
    /// Its entity tag, quotes included; none for what still changes.
    pub(crate) etag: Option<String>,
    pub(crate) media_type: &'static str,
    /// The name under which it is saved.
    pub(crate) name: String,
}

impl Attachment {
    /// Sends a file, or what is wanted of it.
    pub(crate) async fn send_file(self, asked: &Asked, file: File) -> Result<Response, Problem> {
        self.send(asked, |range| part(file, range)).await
    }

    /// Sends what is wanted of it; `bytes` gives them.
    pub(crate) async fn send(
        self,
        asked: &Asked,
        bytes: impl AsyncFnOnce(Range<u64>) -> io::Result<Body>,
    ) -> Result<Response, Problem> {
        let (status, range) =
            match wanted(&asked.method, &asked.headers, self.etag.as_deref(), self.bytes) {
                Wanted::Whole => (StatusCode::OK, 0..self.bytes),
                Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
                Wanted::NotModified => return self.not_modified(),
                Wanted::Beyond => return self.beyond(),
            };
        let headers = self.headers(status, &range)?;
        if asked.method == Method::HEAD || range.is_empty() {
            return Ok((status, headers).into_response());
        }
        let body = bytes(range).await.map_err(|e| Problem::internal(&e))?;
        Ok((status, headers, body).into_response())
    }

    fn headers(&self, status: StatusCode, range: &Range<u64>) -> Result<HeaderMap, Problem> {
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (CONTENT_LENGTH, HeaderValue::from(range.end - range.start)),
            (CONTENT_DISPOSITION, header(disposition(&self.name))?),
            (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        ]);
        if let Some(etag) = &self.etag {
            headers.insert(ETAG, header(etag.clone())?);
        }
        if status == StatusCode::PARTIAL_CONTENT {
            let (first, last) = (range.start, range.end - 1);
            let part = header(format!("bytes {first}-{last}/{}", self.bytes))?;
            headers.insert(CONTENT_RANGE, part);
        }
        Ok(headers)
    }

    fn not_modified(self) -> Result<Response, Problem> {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        if let Some(etag) = self.etag {
            response.headers_mut().insert(ETAG, header(etag)?);
        }
        Ok(response)
    }

    fn beyond(self) -> Result<Response, Problem> {
        let bytes = self.bytes;
        let problem = Problem::new(Code::BadRange, format!("it has {bytes} bytes, not so many"));
        let length = header(format!("bytes */{bytes}"))?;
        Ok(([(CONTENT_RANGE, length)], problem).into_response())
    }
}

async fn part(mut file: File, range: Range<u64>) -> io::Result<Body> {
    file.seek(SeekFrom::Start(range.start)).await?;
    let part = file.take(range.end - range.start);
    Ok(Body::from_stream(ReaderStream::with_capacity(part, CHUNK_BYTES)))
}

fn header(value: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(value).map_err(|e| Problem::internal(&e))
}

/// The name is a job's: in plain ASCII for old clients, and as it is (RFC 6266, RFC 8187).
fn disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+ ".contains(c);
    let ascii: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let whole = utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_within_its_quotes() {
        assert_eq!(disposition("a b-1.log"), "attachment; filename=\"a b-1.log\"");
        assert_eq!(
            disposition("\"; x=\r\n\u{e4}"),
            "attachment; filename=\"__ x____\"; filename*=UTF-8''%22%3B%20x%3D%0D%0A%C3%A4"
        );
    }
}
