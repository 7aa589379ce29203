//! Who may make which call.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use api::{Code, Health, KeyList, MadeKey, Problem, Scheduled};
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use types::{JobId, Scope};

use crate::support::{Answer, HELLO, Server, WAIT, request};

const SCOPES: [Scope; 4] = [Scope::Read, Scope::Submit, Scope::Operate, Scope::Admin];

/// A call with a key, and a body if it is a POST.
pub(crate) async fn call(
    server: &Server,
    key: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = if method == Method::POST { body.to_string() } else { String::new() };
    server.send(request(method, path, &headers, &body)).await
}

async fn make(server: &Server, body: &Value) -> MadeKey {
    let answer = call(server, &server.local_key(), Method::POST, "/v1/keys", body).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"));
    serde_json::from_slice(&answer.body).unwrap()
}

pub(crate) async fn made(server: &Server, scope: Scope) -> String {
    make(server, &json!({ "name": "a key", "scope": scope })).await.key
}

async fn jobs(server: &Server, key: &str) -> Answer {
    call(server, key, Method::GET, "/jobs", &Value::Null).await
}

async fn list(server: &Server) -> KeyList {
    call(server, &server.local_key(), Method::GET, "/v1/keys", &Value::Null).await.read()
}

fn refused(answer: &Answer, code: Code) -> Problem {
    let problem = answer.problem(code);
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"cagent\"");
    problem
}

#[tokio::test]
async fn each_scope_may_do_what_those_before_it_may() {
    let server = Server::with_keys().await;
    let submitter = made(&server, Scope::Submit).await;
    let body = json!({ "prompt": HELLO });
    let scheduled = call(&server, &submitter, Method::POST, "/schedule", &body).await;
    let job = scheduled.read::<Scheduled>().job_id;
    let calls = [
        (Method::GET, "/jobs".to_owned(), Scope::Read),
        (Method::HEAD, "/jobs".to_owned(), Scope::Read),
        (Method::GET, format!("/v1/jobs/{job}/files/"), Scope::Read),
        (Method::GET, "/nowhere".to_owned(), Scope::Read),
        (Method::PATCH, "/jobs".to_owned(), Scope::Read),
        (Method::GET, format!("/v1/jobs/{job}/screenshot.png"), Scope::Read),
        (Method::POST, "/schedule".to_owned(), Scope::Submit),
        (Method::POST, "/submit".to_owned(), Scope::Submit),
        (Method::POST, format!("/cancel/{job}"), Scope::Operate),
        (Method::PUT, format!("/v1/jobs/{job}/files/x"), Scope::Operate),
        (Method::POST, format!("/v1/jobs/{job}/messages"), Scope::Operate),
        (Method::POST, format!("/v1/jobs/{job}/tickets"), Scope::Operate),
        (Method::DELETE, format!("/v1/jobs/{job}"), Scope::Operate),
        (Method::GET, "/v1/keys".to_owned(), Scope::Admin),
        (Method::POST, "/v1/keys".to_owned(), Scope::Admin),
        (Method::DELETE, "/v1/keys/1".to_owned(), Scope::Admin),
    ];
    for held in SCOPES {
        let key = made(&server, held).await;
        for (method, path, needed) in &calls {
            let answer = call(&server, &key, method.clone(), path, &json!({})).await;
            if held >= *needed {
                let shut = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                assert!(!shut.contains(&answer.status), "{held:?}: {method} {path}");
                continue;
            }
            let problem = answer.problem(Code::ScopeTooSmall);
            for scope in [held, *needed] {
                let named = format!("`{}`", scope.as_str());
                assert!(problem.detail.contains(&named), "{named} in {problem:?}");
            }
        }
    }
}

#[tokio::test]
async fn who_may_only_look_gets_no_hands() {
    let server = Server::with_keys().await;
    let body = json!({ "prompt": WAIT });
    let admin = server.local_key();
    let scheduled = call(&server, &admin, Method::POST, "/schedule", &body).await;
    let path = format!("/v1/jobs/{}/tickets", scheduled.read::<Scheduled>().job_id);
    let (reader, person) =
        (made(&server, Scope::Submit).await, made(&server, Scope::Operate).await);
    for (view, by_reader) in [("watch", 201), ("control", 403), ("jupyter", 403)] {
        let body = json!({ "view": view });
        for (key, status) in [(&reader, by_reader), (&person, 201)] {
            let answer = call(&server, key, Method::POST, &path, &body).await;
            assert_eq!(answer.status.as_u16(), status, "{view}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn without_a_key_a_stranger_learns_nothing() {
    let server = Server::with_keys().await;
    for (method, path) in [
        (Method::GET, "/jobs".to_owned()),
        (Method::GET, format!("/status/{}", JobId::generate())),
        (Method::GET, "/nowhere".to_owned()),
        (Method::PATCH, "/jobs".to_owned()),
        (Method::POST, "/schedule".to_owned()),
        (Method::GET, "/v1/keys".to_owned()),
    ] {
        let problem = refused(&server.send(request(method, &path, &[], "")).await, Code::KeyNeeded);
        assert!(problem.detail.contains("cagent key create"), "{problem:?}");
    }
    let health: Health = server.get("/").await.read();
    assert_eq!((health.name.as_str(), health.engines.len()), ("cagent", 0));
    let key = made(&server, Scope::Read).await;
    let known: Health = call(&server, &key, Method::GET, "/", &Value::Null).await.read();
    assert_eq!(known.engines, ["fake"]);
    for open in ["/docs", "/docs/problems", "/openapi.json", "/assets/icon.svg", "/docs/start.js"] {
        assert_eq!(server.get(open).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn a_key_counts_also_where_none_is_needed() {
    let server = Server::new().await;
    assert_eq!(server.get("/jobs").await.status, 200);
    let reader = made(&server, Scope::Read).await;
    assert_eq!(jobs(&server, &reader).await.status, 200);
    let body = json!({ "prompt": HELLO });
    let answer = call(&server, &reader, Method::POST, "/schedule", &body).await;
    answer.problem(Code::ScopeTooSmall);
    refused(&jobs(&server, "cagent_1_2").await, Code::KeyRefused);
    refused(&call(&server, "x", Method::GET, "/", &Value::Null).await, Code::KeyRefused);
    // What a stranger made now would still be there when keys are needed.
    refused(
        &server.post("/v1/keys", &json!({"name": "x", "scope": "admin"})).await,
        Code::KeyNeeded,
    );
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let server = Server::with_keys().await;
    let key = made(&server, Scope::Admin).await;
    let bearer = format!("Bearer {key}");
    for (good, value) in [
        (true, bearer.clone()),
        (true, format!("bearer  {key}")),
        (false, key.clone()),
        (false, format!("Basic {key}")),
        (false, format!("Bearer {key}0")),
        (false, format!("Bearer {}", &key[..key.len() - 1])),
        (false, "Bearer".into()),
        (false, "Bearer ".into()),
    ] {
        let headers = [("authorization", value.as_str())];
        let answer = server.send(request(Method::GET, "/jobs", &headers, "")).await;
        if good {
            assert_eq!(answer.status, 200, "{}", answer.text());
        } else {
            let problem = refused(&answer, Code::KeyRefused);
            assert!(!problem.detail.contains(&key[20..]), "{problem:?}");
        }
    }
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    refused(&server.send(request(Method::GET, "/jobs", &twice, "")).await, Code::KeyRefused);
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoked_for_good() {
    let server = Server::with_keys().await;
    let expires = Timestamp::now() + Duration::from_secs(3600);
    let body = json!({ "name": "ci", "scope": "operate", "expires": expires.to_string() });
    let made = make(&server, &body).await;
    assert!(made.key.starts_with(&format!("cagent_{}_", made.about.id)), "its id is in it");
    assert_eq!((made.about.name.as_str(), made.about.scope), ("ci", Scope::Operate));
    assert_eq!(made.about.expires, Some(expires));
    let secret = made.key.rsplit('_').next().unwrap();
    assert!(!format!("{made:?} {:?}", server.jobs).contains(secret));
    assert_eq!(list(&server).await.keys, std::slice::from_ref(&made.about));
    assert_eq!(jobs(&server, &made.key).await.status, 200);

    let path = format!("/v1/keys/{}", made.about.id);
    for _ in 0..2 {
        let answer = call(&server, &server.local_key(), Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.status, 204);
    }
    let problem = refused(&jobs(&server, &made.key).await, Code::KeyRefused);
    assert!(problem.detail.contains("revoked"), "{problem:?}");
    assert!(list(&server).await.keys[0].revoked.is_some());
    for unknown in ["local", "1"] {
        let path = format!("/v1/keys/{unknown}");
        let answer = call(&server, &server.local_key(), Method::DELETE, &path, &Value::Null).await;
        answer.problem(Code::UnknownKey);
    }
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let server = Server::with_keys().await;
    for (body, field) in [
        (json!({ "scope": "read" }), "name"),
        (json!({ "name": " ", "scope": "read" }), "name"),
        (json!({ "name": "a\nb", "scope": "read" }), "name"),
        (json!({ "name": "x".repeat(101), "scope": "read" }), "name"),
        (json!({ "name": "x" }), "scope"),
        (json!({ "name": "x", "scope": "root" }), "scope"),
        (json!({ "name": "x", "scope": "read", "expires": "2001-01-01T00:00:00Z" }), "expires"),
        (json!({ "name": "x", "scope": "read", "expires": "soon" }), "expires"),
        (json!({ "name": "x", "scope": "read", "id": "1" }), "id"),
    ] {
        let answer = call(&server, &server.local_key(), Method::POST, "/v1/keys", &body).await;
        let problem = answer.problem(Code::InvalidField);
        assert_eq!(problem.errors[0].field, field, "{problem:?}");
    }
    assert_eq!(list(&server).await.keys, []);
}

#[tokio::test]
async fn the_local_key_is_for_the_owner_of_the_directory_only() {
    let server = Server::with_keys().await;
    let path = server.data_dir().join("local.key");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(jobs(&server, &server.local_key()).await.status, 200);
}
