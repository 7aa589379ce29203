//! Keys to this API: made, listed, revoked. For administrators.

use std::fmt;

use axum::extract::{Path, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, StatusCode};
use jiff::Timestamp;
use jobs::{JobError, KeyError, NewKey};
use serde::{Deserialize, Serialize};
use types::{ApiKey, Scope};
use utoipa::ToSchema;

use crate::code::Code;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{BodyProblems, CommonProblems, FullProblem};
use crate::{Api, body, extract};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// Whose it is, for people: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What its holder may do.
    scope: Scope,
    /// When it stops working; never if not said.
    #[schema(value_type = Option<String>, format = "date-time")]
    expires: Option<Timestamp>,
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    /// The key itself. Keep it: nobody can tell it again.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub about: ApiKey,
}

impl fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeKey").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The keys, oldest first, also those that work no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// They.
    pub keys: Vec<ApiKey>,
}

/// Make a key
///
/// The answer is the only place where it is ever shown.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", operation_id = "make_key",
    request_body(content = KeyBody, example = json!({"name": "ci", "scope": "submit"})),
    responses((status = 201, description = "It works from now on", body = MadeKey), BodyProblems,
        CommonProblems, FullProblem))]
pub(crate) async fn make(
    State(api): State<Api>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<MadeKey>), Problem> {
    extract::expect_json(request.headers())?;
    let example = r#"{"name": "ci", "scope": "submit"}"#;
    let KeyBody { name, scope, expires } = extract::parse(&body::whole(request).await?, example)?;
    let made = api.jobs.make_key(NewKey { name, scope, expires }).await.map_err(failed)?;
    let made = MadeKey { key: made.key, about: made.about };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(made)))
}

/// List the keys
#[utoipa::path(get, path = "/v1/keys", tag = "keys", operation_id = "keys",
    responses((status = 200, description = "All of them", body = KeyList), CommonProblems))]
pub(crate) async fn list(State(api): State<Api>) -> Json<KeyList> {
    Json(KeyList { keys: api.jobs.list_keys() })
}

/// Revoke a key
///
/// It opens nothing from now on, and streams and connections that it opened end within a second or
/// two; jobs that were given with it go on. It stays in the list.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key's id: what stands after `cagent_` in it")),
    responses((status = 204, description = "It is revoked"), CommonProblems, FullProblem,
        (status = 404, description = "`unknown_key`", body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::new(Code::UnknownKey, Code::UnknownKey.advice())))))]
pub(crate) async fn revoke(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.jobs.revoke_key(&id).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

fn failed(error: KeyError) -> Problem {
    match error {
        KeyError::Name => Problem::field(Code::InvalidField, "name", error.to_string()),
        KeyError::Past(_) => Problem::field(Code::InvalidField, "expires", error.to_string()),
        KeyError::NotFound(_) => {
            Problem::new(Code::UnknownKey, format!("{error}; {}", Code::UnknownKey.advice()))
        }
        KeyError::Store(error) => JobError::Store(error).into(),
    }
}
