//! Refusals, as RFC 9457 problem bodies.

use std::error::Error;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jobs::JobError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Json;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What a client hears of a failure of ours.
pub(crate) const INTERNAL: &str = "the server failed to answer; its log says why";

/// Seconds after which a client may try a stopping server again: about what a restart takes.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Why a request was refused (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`; `code` tells problems apart.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status code's name.
    pub title: String,
    /// The status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong and what to do, for people.
    pub detail: String,
    /// What was wrong, for programs.
    pub code: Code,
    /// Which field was wrong, where that can be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Its name; `limits.cpus` is a field within a field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// What was wrong with a request, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: the body is not JSON.
    InvalidJson,
    /// 400: the body could not be read to its end.
    BrokenBody,
    /// 403: the `Host` header names something other than this machine's loopback.
    HostRefused,
    /// 403: a page of another origin sent the request.
    OriginRefused,
    /// 404: there is no such call.
    NotFound,
    /// 404: no job can have this id.
    MalformedId,
    /// 404: there is no such job, or its retention is over.
    UnknownJob,
    /// 404: a job has `stdout` and `stderr` only.
    UnknownLog,
    /// 404: the job is over and left no ZIP.
    NoResult,
    /// 405: the call is there, with another method.
    MethodNotAllowed,
    /// 409: the job has no ZIP yet.
    NotReady,
    /// 413: the prompt or the body is too large.
    TooLarge,
    /// 415: the body is not announced as JSON.
    MediaType,
    /// 422: a field is missing, unknown or of the wrong kind.
    InvalidField,
    /// 422: the prompt is empty or white space.
    EmptyPrompt,
    /// 422: the runbook has a mistake.
    BadRunbook,
    /// 422: the prompt is plain language and there is no model to read it.
    NoModel,
    /// 422: there is no such engine.
    UnknownEngine,
    /// 422: a limit is outside its range.
    BadLimits,
    /// 500: the server failed; its log says how.
    Internal,
    /// 503: the server is going down; try again.
    Stopping,
}

impl Code {
    /// The status code it is sent with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidJson | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::HostRefused | Self::OriginRefused => StatusCode::FORBIDDEN,
            Self::NotFound
            | Self::MalformedId
            | Self::UnknownJob
            | Self::UnknownLog
            | Self::NoResult => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotReady => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidField
            | Self::EmptyPrompt
            | Self::BadRunbook
            | Self::NoModel
            | Self::UnknownEngine
            | Self::BadLimits => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Problem {
    /// A problem with this code, told to people as `detail`.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: vec![],
        }
    }

    /// A problem with one field.
    pub(crate) fn field(code: Code, field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = format!("{field}: {message}");
        Self {
            errors: vec![FieldProblem { field: field.into(), message }],
            ..Self::new(code, detail)
        }
    }

    /// A failure of ours: its whole chain goes to the log, nothing of it to the client.
    pub(crate) fn internal(error: &(dyn Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |error| Error::source(*error));
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        tracing::error!("a request failed: {}", causes.join(": "));
        Self::new(Code::Internal, INTERNAL)
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        match error {
            JobError::NotFound(_) => {
                let detail = format!("{error}, or its retention is over; GET /jobs lists them");
                Self::new(Code::UnknownJob, detail)
            }
            JobError::Store(_) => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        let mut response = (code.status(), Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if code == Code::Stopping {
            headers.insert(RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_is_not_the_clients_business() {
        let problem = Problem::internal(&std::io::Error::other("disk full at /secret"));
        assert_eq!(problem.code, Code::Internal);
        assert!(!problem.detail.contains("secret"), "{}", problem.detail);
    }
}
