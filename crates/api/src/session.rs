//! Sessions: how a page of ours shows a key. A browser sends no `Authorization` with a link, an
//! `EventSource` or a picture, and a script that kept the key could be made to tell it; so the key is
//! exchanged for a cookie that no script sees.
//!
//! Cookies know no ports: a browser sends ours to every server of this host. So its name has our port
//! in it, for those servers that are ours too; and it alone changes nothing.
//!
//! Invariant: the cookie counts only in requests of our own pages, and changes nothing in one that
//! does not say where it is from and has not the session's token. Not here: what a session is (crate
//! `jobs`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, ORIGIN, SET_COOKIE, UPGRADE};
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

/// How the cookie's name begins; behind TLS it is one that no other host can set.
const COOKIE: &str = "cagent-session";

/// Where a page shows the token of its session; no page elsewhere can send such a header.
const TOKEN: &str = "cagent-token";

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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionBegun {
    /// What may be done in it: what may be done with the key.
    pub scope: Scope,
    /// To be sent as `Cagent-Token` with every call that changes something.
    pub token: String,
    /// When it ends, if the key does not end before.
    #[schema(value_type = String, format = "date-time")]
    pub expires: Timestamp,
}

impl fmt::Debug for SessionBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBegun").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Begin a session
///
/// For pages of this server, which say where they are from (`Origin`): exchanges a key for a cookie
/// that is shown in its place, and a token that is sent beside it (`Cagent-Token`) by calls that
/// change something. It ends with the key, and after 12 hours.
#[utoipa::path(post, path = "/v1/session", tag = "keys", operation_id = "begin_session",
    request_body(content = SessionBody, example = json!({"key": "cagent_0a1b2c3d4e5f_…"})),
    responses((status = 201, description = "The answer sets the cookie", body = SessionBegun),
        SessionProblems, CommonProblems))]
pub(crate) async fn begin(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let is_secure = comes_by_tls(&headers)?;
    extract::expect_json(&headers)?;
    let body = body::at_most(request, MAX_BODY).await?;
    let SessionBody { key } = extract::parse(&body, r#"{"key": "cagent_…"}"#)?;
    let begun = api.jobs.begin_session(key.trim());
    let (session, scope) = begun.map_err(|bad| match api.wrong.take(Instant::now()) {
        true => refused(&bad),
        false => Problem::new(Code::TooManyTries, Code::TooManyTries.advice()),
    })?;
    let age = jobs::SESSION.as_secs();
    let expires = Timestamp::now() + jobs::SESSION;
    let name = name(&headers, is_secure);
    let cookie = format!("{name}={session}; Max-Age={age}; {}", attributes(is_secure));
    let head = [(SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".into())];
    let token = api.jobs.session_token(&session);
    Ok((StatusCode::CREATED, head, Json(SessionBegun { scope, token, expires })).into_response())
}

/// End a session
///
/// It ends, and what was opened with it: streams, and desktops and other views of jobs. Nothing else
/// of the key does.
#[utoipa::path(delete, path = "/v1/session", tag = "keys", operation_id = "end_session",
    responses((status = 204, description = "The answer removes the cookie"), CommonProblems))]
pub(crate) async fn end(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    comes_by_tls(&headers)?;
    shown(&headers).iter().for_each(|session| api.jobs.end_session(session));
    let gone = |is_secure| {
        let (name, attributes) = (name(&headers, is_secure), attributes(is_secure));
        (SET_COOKIE, format!("{name}=; Max-Age=0; {attributes}"))
    };
    Ok((StatusCode::NO_CONTENT, AppendHeaders([gone(false), gone(true)])).into_response())
}

/// Whose session a request shows, if it may.
pub(crate) fn holder(api: &Api, request: &Request) -> Option<Caller> {
    let (headers, is_safe) = (request.headers(), request.method().is_safe());
    let upgrade = headers.get(UPGRADE);
    let only_reads = is_safe && upgrade.is_none();
    let says_where = only_reads || headers.contains_key(ORIGIN);
    if !says_where || !guard::is_from_us(headers, &api.config.hosts) {
        return None;
    }
    // A page that opens one can send no header of its own.
    let is_socket = upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let is_enough = only_reads || (is_safe && is_socket);
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok()).unwrap_or_default();
    let counts = |session: &&str| is_enough || api.jobs.is_session_token(session, token);
    let mut sessions = shown(headers).into_iter().filter(counts);
    sessions.find_map(|session| api.jobs.look_up_session(session))
}

/// The sessions of all the cookies that can be ours.
fn shown(headers: &HeaderMap) -> Vec<&str> {
    let names = [true, false].map(|is_secure| name(headers, is_secure));
    names.iter().flat_map(|name| portal::cookies(headers, name)).collect()
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

/// As the browser knows us; without a port there is but one server of its scheme.
fn name(headers: &HeaderMap, is_secure: bool) -> String {
    let begin = if is_secure { HOST_ONLY } else { "" };
    let port = guard::host(headers).ok().and_then(|host| host.port_u16());
    format!("{begin}{COOKIE}{}", port.map_or_else(String::new, |port| format!("-{port}")))
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
