//! Who may make which call: a table of every route, and the keys that callers show, or sessions in
//! their place.
//!
//! Where the server asks for no key a stranger is taken for an operator of jobs, and for no more:
//! keys made then would outlast that. A key that is shown is checked and counts everywhere.

use axum::extract::{MatchedPath, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use jobs::Holder;
use types::Scope;
use utoipa::IntoResponses as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};

use crate::code::Code;
use crate::problem::Problem;
use crate::refusals::KeyProblems;
use crate::{Api, session};

/// The name of the way to show a key, in the API's description.
const SCHEME: &str = "key";

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Nothing: it says nothing about jobs.
    Open,
    /// A key of at least this scope.
    Needs(Scope),
}

use Access::{Needs, Open};
use Scope::{Admin, Operate, Read, Submit};

/// Every call. A route that is not here is for administrators only.
const CALLS: &[(Method, &str, Access)] = &[
    (Method::GET, "/status/{id}", Needs(Read)),
    (Method::GET, "/jobs", Needs(Read)),
    (Method::GET, "/job/{id}", Needs(Read)),
    (Method::GET, "/v1/jobs/{id}/events", Needs(Read)),
    (Method::GET, "/v1/events", Needs(Read)),
    (Method::GET, "/logs/{id}", Needs(Read)),
    (Method::GET, "/logs/{id}/{stream}", Needs(Read)),
    (Method::GET, "/download/{id}", Needs(Read)),
    (Method::GET, "/v1/jobs/{id}/files", Needs(Read)),
    (Method::GET, "/v1/jobs/{id}/files/", Needs(Read)),
    (Method::GET, "/v1/jobs/{id}/files/{*path}", Needs(Read)),
    (Method::GET, "/v1/jobs/{id}/screenshot.png", Needs(Read)),
    // To watch; to work in it `may` asks for more.
    (Method::GET, "/v1/jobs/{id}/rfb", Needs(Read)),
    (Method::POST, "/v1/jobs/{id}/tickets", Needs(Read)),
    (Method::POST, "/schedule", Needs(Submit)),
    (Method::POST, "/submit", Needs(Submit)),
    (Method::POST, "/v1/jobs/{id}/resume", Needs(Submit)),
    (Method::POST, "/cancel/{id}", Needs(Operate)),
    (Method::GET, "/v1/jobs/{id}/shell", Needs(Operate)),
    (Method::POST, "/v1/jobs/{id}/messages", Needs(Operate)),
    (Method::POST, "/v1/jobs/{id}/approval", Needs(Operate)),
    (Method::PUT, "/v1/jobs/{id}/files/{*path}", Needs(Operate)),
    (Method::DELETE, "/v1/jobs/{id}", Needs(Operate)),
    (Method::GET, "/v1/keys", Needs(Admin)),
    (Method::POST, "/v1/keys", Needs(Admin)),
    (Method::DELETE, "/v1/keys/{id}", Needs(Admin)),
    (Method::POST, "/v1/session", Open),
    (Method::DELETE, "/v1/session", Open),
    (Method::GET, "/metrics", Needs(Read)),
    (Method::GET, "/v1/system", Needs(Read)),
    // It makes a sandbox.
    (Method::GET, "/v1/doctor", Needs(Operate)),
    (Method::GET, "/healthz", Open),
    (Method::GET, "/readyz", Open),
    (Method::GET, "/", Open),
    (Method::GET, "/new", Open),
    (Method::GET, "/system", Open),
    (Method::GET, "/jobs/{id}", Open),
    (Method::GET, "/assets/{file}", Open),
    (Method::GET, "/assets/icon.svg", Open),
    (Method::GET, "/assets/page.css", Open),
    (Method::GET, "/docs", Open),
    (Method::GET, "/docs/start.js", Open),
    (Method::GET, "/docs/problems", Open),
    (Method::GET, "/docs/{file}", Open),
    (Method::GET, "/openapi.json", Open),
];

/// Who calls, in the request for handlers; not there for a stranger who makes an open call to a
/// server that asks for keys.
pub(crate) type Caller = Holder;

/// Finds out who calls, and lets through who may.
pub(crate) fn admit(api: &Api, request: &mut Request) -> Result<(), Problem> {
    let key = presented(request.headers())?;
    let key = key.map(|key| api.jobs.look_up_key(key)).transpose().map_err(|bad| refused(&bad))?;
    let key = key.or_else(|| session::holder(api, request));
    let stranger = if api.config.needs_keys { None } else { Some(Operate) };
    let held = key.or(stranger.map(|scope| Caller { scope, key: None, session: None }));
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    match needed(request.method(), path) {
        Needs(scope) if held.is_none_or(|held| held.scope < scope) => {
            Err(too_little(scope, key.map(|key| key.scope)))
        }
        Needs(_) | Open => {
            if let Some(caller) = held {
                request.extensions_mut().insert(caller);
            }
            Ok(())
        }
    }
}

/// Lets a caller through for what needs more than the call it is part of.
pub(crate) fn may(caller: Caller, needed: Scope) -> Result<(), Problem> {
    let held = caller.scope;
    if held < needed { Err(too_little(needed, Some(held))) } else { Ok(()) }
}

/// `path` is the route's; none where nothing is.
fn needed(method: &Method, path: Option<&str>) -> Access {
    let Some(path) = path else { return Needs(Read) };
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let of_path = || CALLS.iter().filter(|(_, of, _)| *of == path);
    match of_path().find(|(of, ..)| of == method) {
        Some((.., access)) => *access,
        // A method that the path does not take.
        None if of_path().next().is_some() => Needs(Read),
        None => Needs(Admin),
    }
}

/// The key that the caller shows.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let words = first.to_str().ok().and_then(|text| text.split_once(' '));
    match (words, given.next()) {
        (Some((scheme, key)), None) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(key.trim()))
        }
        _ => Err(refused(&"the Authorization header is none that this server takes")),
    }
}

pub(crate) fn refused(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::KeyRefused, format!("{why}; {}", Code::KeyRefused.advice()))
}

fn too_little(needed: Scope, key: Option<Scope>) -> Problem {
    let call = format!("this call needs a key of scope `{}`", needed.as_str());
    let (code, more) = match key {
        Some(held) => (Code::ScopeTooSmall, format!("this one has `{}`", held.as_str())),
        None => (Code::KeyNeeded, Code::KeyNeeded.advice().into()),
    };
    Problem::new(code, format!("{call}; {more}"))
}

/// Says in the API's description what each call needs.
pub(crate) fn describe(document: &mut OpenApi) {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description =
        Some("A key: `cagent key create NAME` makes one, see docs/keys.md.".into());
    let parts = document.components.get_or_insert_with(Components::new);
    parts.add_security_scheme(SCHEME, SecurityScheme::Http(bearer));
    for (method, path, access) in CALLS {
        let item = document.paths.paths.get_mut(&path.replace("{*", "{"));
        let operation = item.and_then(|item| operation(item, method));
        if let (Some(operation), Needs(scope)) = (operation, access) {
            describe_one(operation, *scope);
        }
    }
}

fn describe_one(operation: &mut Operation, scope: Scope) {
    let key = SecurityRequirement::new(SCHEME, [scope.as_str()]);
    let none = SecurityRequirement::default();
    operation.security = Some(if scope > Operate { vec![key] } else { vec![none, key] });
    let needs = format!("Where keys are asked for, it needs one of scope `{}`.", scope.as_str());
    let description = operation.description.get_or_insert_default();
    *description = format!("{description}\n\n{needs}").trim_start().into();
    operation.responses.responses.extend(KeyProblems::responses());
}

fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Whoever adds a route says here who may use it.
    #[test]
    fn every_documented_call_is_in_the_table() {
        let table: BTreeSet<_> = CALLS
            .iter()
            .map(|(method, path, _)| (method.as_str(), path.replace("{*", "{")))
            .collect();
        assert_eq!(table.len(), CALLS.len(), "each once");
        let mut documented = BTreeSet::new();
        for (path, mut item) in crate::openapi().paths.paths {
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let is_open = needed(&method, Some(&path)) == Open;
                let Some(operation) = operation(&mut item, &method) else { continue };
                assert_eq!(operation.security.is_none(), is_open, "{method} {path}");
                documented.insert((method.as_str().to_owned(), path.clone()));
            }
        }
        let documented: BTreeSet<_> =
            documented.iter().map(|(method, path)| (method.as_str(), path.clone())).collect();
        let missing: Vec<_> = documented.difference(&table).collect();
        assert!(missing.is_empty(), "crates/api/src/access.rs does not say who may: {missing:?}");
        let hidden = [
            "/new",
            "/system",
            "/jobs/{id}",
            "/assets/{file}",
            "/assets/icon.svg",
            "/assets/page.css",
            "/docs/start.js",
            "/docs/{file}",
        ];
        let more = table.difference(&documented).map(|(_, path)| path.as_str());
        assert!(more.clone().all(|path| hidden.contains(&path) || path.ends_with("/files")));
    }

    #[test]
    fn what_is_not_in_the_table_is_shut() {
        assert_eq!(needed(&Method::GET, Some("/newer")), Needs(Admin));
        assert_eq!(needed(&Method::GET, None), Needs(Read));
        assert_eq!(needed(&Method::PATCH, Some("/v1/keys")), Needs(Read), "it is a 405");
        assert_eq!(needed(&Method::HEAD, Some("/download/{id}")), Needs(Read));
    }
}
