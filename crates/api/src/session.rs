//! Sessions: how a page of ours shows a key. A browser sends no `Authorization` with a link, an
//! `EventSource` or a picture, and a script that kept the key could be made to tell it; so the key is
//! exchanged for a cookie that no script sees.
//!
//! Invariant: the cookie counts only in requests of our own pages, and changes nothing in one that
//! does not say where it is from. Not here: what a session is (crate `jobs`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use jiff::Timestamp;
use portal::HOST_ONLY;
use serde::{Deserialize, Serialize};
use types::Scope;
use utoipa::ToSchema;

use crate::access::{Caller, refused};
use crate::code::Code;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{CommonProblems, SessionProblems};
use crate::{Api, body, extract, guard};

/// The cookie's name; behind TLS one that no other host can set.
const COOKIE: &str = "cagent-session";

/// Where it goes, and who sees it.
const ATTRIBUTES: &str = "Path=/; HttpOnly; SameSite=Strict";

/// The most bytes of a request for one.
const MAX_BODY: u64 = 4096;

/// So many wrong keys are told what is wrong with them, within so long.
const MAX_WRONG: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// A key to be exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionBody {
    /// The key.
    key: String,
}

/// A session that was just begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionBegun {
    /// What may be done in it: what may be done with the key.
    pub scope: Scope,
    /// When it ends, if the key does not end before.
    #[schema(value_type = String, format = "date-time")]
    pub expires: Timestamp,
}

/// Begin a session
///
/// For pages of this server, which say where they are from (`Origin`): exchanges a key for a cookie
/// that is shown in its place. It ends with the key, and after 12 hours.
#[utoipa::path(post, path = "/v1/session", tag = "keys", operation_id = "begin_session",
    request_body(content = SessionBody, example = json!({"key": "cagent_0a1b2c3d4e5f_…"})),
    responses((status = 201, description = "The answer sets the cookie", body = SessionBegun),
        SessionProblems, CommonProblems))]
pub(crate) async fn begin(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let is_secure = comes_by_tls(request.headers())?;
    extract::expect_json(request.headers())?;
    let body = body::at_most(request, MAX_BODY).await?;
    let SessionBody { key } = extract::parse(&body, r#"{"key": "cagent_…"}"#)?;
    let begun = api.jobs.begin_session(key.trim());
    let (session, scope) = begun.map_err(|bad| match api.wrong.take(Instant::now()) {
        true => refused(&bad),
        false => Problem::new(Code::TooManyTries, Code::TooManyTries.advice()),
    })?;
    let age = jobs::SESSION.as_secs();
    let expires = Timestamp::now() + jobs::SESSION;
    let cookie = format!("{}={session}; Max-Age={age}; {}", name(is_secure), attributes(is_secure));
    let headers = [(SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".into())];
    Ok((StatusCode::CREATED, headers, Json(SessionBegun { scope, expires })).into_response())
}

/// End a session
///
/// This browser forgets it; nothing else of the key ends.
#[utoipa::path(delete, path = "/v1/session", tag = "keys", operation_id = "end_session",
    responses((status = 204, description = "The answer removes the cookie"), CommonProblems))]
pub(crate) async fn end(headers: HeaderMap) -> Result<Response, Problem> {
    comes_by_tls(&headers)?;
    let gone = |is_secure| {
        (SET_COOKIE, format!("{}=; Max-Age=0; {}", name(is_secure), attributes(is_secure)))
    };
    Ok((StatusCode::NO_CONTENT, AppendHeaders([gone(false), gone(true)])).into_response())
}

/// Whose session a request shows, if it may.
pub(crate) fn holder(api: &Api, request: &Request) -> Option<Caller> {
    let headers = request.headers();
    let says_where = request.method().is_safe() || headers.contains_key(ORIGIN);
    if !says_where || !guard::is_from_us(headers, &api.config.hosts) {
        return None;
    }
    let names = [true, false].map(name);
    let mut shown = names.iter().flat_map(|name| portal::cookies(headers, name));
    shown.find_map(|session| api.jobs.look_up_session(session))
}

/// Whether our page was sent through somebody who speaks TLS; that it is ours, `guard` has seen.
fn comes_by_tls(headers: &HeaderMap) -> Result<bool, Problem> {
    let origin = headers.get(ORIGIN).ok_or_else(|| {
        let detail = "sessions are for pages of this server, which say so in `Origin`; \
                      programs send the key itself";
        Problem::new(Code::OriginRefused, detail)
    })?;
    Ok(origin.as_bytes().starts_with(b"https://"))
}

fn name(is_secure: bool) -> String {
    format!("{}{COOKIE}", if is_secure { HOST_ONLY } else { "" })
}

fn attributes(is_secure: bool) -> String {
    format!("{ATTRIBUTES}{}", if is_secure { "; Secure" } else { "" })
}

/// When wrong keys were shown of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrong(Arc<Mutex<VecDeque<Instant>>>);

impl Wrong {
    /// Counts one; false if there were too many.
    fn take(&self, now: Instant) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|at| now.duration_since(*at) < WINDOW);
        let fits = known.len() < MAX_WRONG;
        if fits {
            known.push_back(now);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wrong_keys_and_no_more_in_a_minute() {
        let (wrong, now) = (Wrong::default(), Instant::now());
        assert!((0..MAX_WRONG).all(|_| wrong.take(now)));
        assert!(!wrong.take(now) && !wrong.take(now + WINDOW / 2));
        assert!(wrong.take(now + WINDOW));
    }
}
