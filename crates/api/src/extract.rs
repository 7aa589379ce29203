//! Extractors whose refusals are [`Problem`]s that say what to do.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use types::JobId;

use crate::problem::{Code, FieldProblem, Problem};

/// A body of JSON: one object with the fields of `T`.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        expect_json(request.headers())?;
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        parse(&body).map(Self)
    }
}

/// The parameters after the `?`.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(e) => Err(Problem::new(Code::InvalidField, e.body_text())),
        }
    }
}

/// The `{id}` of the path.
#[derive(Debug)]
pub(crate) struct JobPath(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let malformed = |why: String| Problem::new(Code::MalformedId, why);
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|e| malformed(e.body_text()))?;
        let text = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, text)| text);
        text.parse().map(Self).map_err(|e| malformed(format!("{text:?} is {e}")))
    }
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let what = match given.as_deref() {
        Some(given) if is_json(given) => return Ok(()),
        Some(given) => format!("the body is announced as {given:?}"),
        None => "the body is not announced".into(),
    };
    let cure = "send JSON and say so: -H 'Content-Type: application/json'";
    Err(Problem::new(Code::MediaType, format!("{what}; {cure}")))
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unread(rejection: BytesRejection) -> Problem {
    let text = rejection.body_text();
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        let most = crate::MAX_BODY_BYTES;
        let detail = format!("the body is larger than {most} bytes; a prompt may have 1 MiB");
        return Problem::new(Code::TooLarge, detail);
    }
    Problem::new(Code::BrokenBody, format!("the body could not be read: {text}"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut reader);
    let not_json = matches!(&parsed, Err(e) if !e.inner().is_data());
    // Our structs could be read from an array too; nobody means that.
    if !not_json && body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(Code::InvalidField, "the body must be a JSON object"));
    }
    let value = parsed.map_err(|e| unparsed(e.inner(), &e.path().to_string()))?;
    reader.end().map_err(|e| unparsed(&e, "."))?;
    Ok(value)
}

fn unparsed(error: &serde_json::Error, path: &str) -> Problem {
    if !error.is_data() {
        let example = r#"{"prompt": "…"}"#;
        let detail = format!("the body is not JSON: {error}; expected something like {example}");
        return Problem::new(Code::InvalidJson, detail);
    }
    let message = error.to_string();
    if path == "." {
        return Problem::new(Code::InvalidField, message);
    }
    let detail = format!("{path}: {message}");
    let errors = vec![FieldProblem { field: path.into(), message }];
    Problem { errors, ..Problem::new(Code::InvalidField, detail) }
}
