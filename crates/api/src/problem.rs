//! Refusals, as RFC 9457 problem bodies.

use std::error::Error;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use jobs::JobError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::code::Code;
use crate::json::Json;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What a client hears of a failure of ours.
pub(crate) const INTERNAL: &str = "the server failed to answer; its log says why";

/// Seconds after which a client may try a stopping server again: about what a restart takes.
const AFTER_RESTART: HeaderValue = HeaderValue::from_static("5");

/// Seconds after which there may be room again, for retention looks about every minute; and after
/// which wrong keys are counted anew.
const AFTER_MINUTE: HeaderValue = HeaderValue::from_static("60");

/// How to show a key (RFC 6750).
const BY_KEY: HeaderValue = HeaderValue::from_static("Bearer realm=\"cagent\"");

/// Why a request was refused (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where `code` is explained: `/docs/problems#` and the code.
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

impl Problem {
    /// A problem with this code, told to people as `detail`.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self {
            kind: code.uri(),
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
            JobError::Store(ref failed) if failed.is_disk_full() => {
                tracing::error!("a request failed: {error}");
                let advice = Code::DiskFull.advice();
                Self::new(Code::DiskFull, format!("the server could not record it; {advice}"))
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
        match code {
            Code::KeyNeeded | Code::KeyRefused => drop(headers.insert(WWW_AUTHENTICATE, BY_KEY)),
            Code::Stopping => drop(headers.insert(RETRY_AFTER, AFTER_RESTART)),
            Code::DiskFull | Code::TooManyTries => drop(headers.insert(RETRY_AFTER, AFTER_MINUTE)),
            _ => {}
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

    #[test]
    fn who_comes_too_early_is_told_when_to_come_again() {
        for (code, after) in [(Code::DiskFull, "60"), (Code::Stopping, "5")] {
            let answer = Problem::new(code, "").into_response();
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()[RETRY_AFTER], after);
        }
    }
}
