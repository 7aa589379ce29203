//! Sessions of browsers: a key in a cookie.

use std::time::Duration;

use api::{Code, SessionBegun};
use axum::http::Method;
use jiff::Timestamp;
use jobs::NewKey;
use serde_json::json;
use types::Scope;

use crate::desktop::running;
use crate::support::{Answer, HELLO, Server, request};

const ORIGIN: &str = "http://localhost:8000";

async fn begin(server: &Server, origin: &str, key: &str) -> Answer {
    let headers = [("origin", origin), ("content-type", "application/json")];
    let body = json!({ "key": key }).to_string();
    server.send(request(Method::POST, "/v1/session", &headers, &body)).await
}

/// Name and value of the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// The cookie and the token of a session that was just begun.
pub(crate) async fn begun(server: &Server, key: &str) -> (String, String) {
    let answer = begin(server, ORIGIN, key).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let begun: SessionBegun = serde_json::from_slice(&answer.body).unwrap();
    (cookie(&answer), begun.token)
}

/// Ends a session.
pub(crate) async fn end(server: &Server, cookie: &str) -> Answer {
    let own = [("origin", ORIGIN)];
    let ended = with(server, cookie, Method::DELETE, "/v1/session", &own).await;
    assert_eq!(ended.status, 204);
    ended
}

async fn key(server: &Server, scope: Scope) -> jobs::MadeKey {
    server.jobs.make_key(NewKey { name: "page".into(), scope, expires: None }).await.unwrap()
}

async fn with(
    server: &Server,
    cookie: &str,
    method: Method,
    path: &str,
    more: &[(&str, &str)],
) -> Answer {
    let headers = [&[("cookie", cookie), ("content-type", "application/json")], more].concat();
    let body = json!({ "prompt": HELLO }).to_string();
    server.send(request(method, path, &headers, &body)).await
}

#[tokio::test]
async fn a_session_opens_what_its_key_does_until_that_ends() {
    let server = Server::with_keys().await;
    let key = key(&server, Scope::Submit).await;
    let answer = begin(&server, ORIGIN, &key.key).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let begun: SessionBegun = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(begun.scope, Scope::Submit);
    assert!(begun.expires <= Timestamp::now() + Duration::from_secs(12 * 60 * 60));
    let set = answer.header("set-cookie");
    for attribute in ["Max-Age=43200", "Path=/", "HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(attribute), "{set}");
    }
    let secret = key.key.rsplit('_').next().unwrap();
    assert!(!set.contains(secret) && !set.contains("Secure"), "{set}");

    let cookie = format!("a=b; cagent-session-8000=x; {}", cookie(&answer));
    let own = [("origin", ORIGIN), ("cagent-token", &*begun.token)];
    assert_eq!(with(&server, &cookie, Method::GET, "/jobs", &[]).await.status, 200);
    assert_eq!(with(&server, &cookie, Method::POST, "/schedule", &own).await.status, 200);
    with(&server, &cookie, Method::GET, "/v1/keys", &[]).await.problem(Code::ScopeTooSmall);
    let wrong = "cagent-session-8000=x";
    with(&server, wrong, Method::GET, "/jobs", &[]).await.problem(Code::KeyNeeded);

    server.jobs.revoke_key(&key.about.id).await.unwrap();
    with(&server, &cookie, Method::GET, "/jobs", &[]).await.problem(Code::KeyNeeded);
}

#[tokio::test]
async fn a_session_counts_for_our_own_pages_only() {
    let server = Server::with_keys().await;
    let (cookie, token) = begun(&server, &key(&server, Scope::Operate).await.key).await;
    let post =
        async |more: &[(&str, &str)]| with(&server, &cookie, Method::POST, "/schedule", more).await;
    let token = ("cagent-token", &*token);
    post(&[token]).await.problem(Code::KeyNeeded);
    post(&[token, ("origin", "http://evil.example")]).await.problem(Code::OriginRefused);
    assert_eq!(post(&[token, ("origin", ORIGIN)]).await.status, 200);
    let get =
        async |more: &[(&str, &str)]| with(&server, &cookie, Method::GET, "/jobs", more).await;
    get(&[("origin", "http://8080-x.localhost:6080")]).await.problem(Code::KeyNeeded);
    get(&[("sec-fetch-site", "same-site")]).await.problem(Code::OriginRefused);
    assert_eq!(get(&[("sec-fetch-site", "same-origin")]).await.status, 200);
    begin(&server, "http://evil.example", "x").await.problem(Code::OriginRefused);
    let json = [("content-type", "application/json")];
    let nowhere = request(Method::POST, "/v1/session", &json, r#"{"key": "x"}"#);
    server.send(nowhere).await.problem(Code::OriginRefused);
}

/// Whatever listens on another port of this host is sent the cookie by browsers.
#[tokio::test]
async fn a_cookie_alone_changes_nothing_and_is_of_one_port() {
    let server = Server::with_keys().await;
    let key = key(&server, Scope::Operate).await;
    let (cookie, _) = begun(&server, &key.key).await;
    let (_, other) = begun(&server, &key.key).await;
    assert!(cookie.starts_with("cagent-session-8000="), "{cookie}");
    let job = running(&server, "").await;
    let path = format!("/v1/jobs/{job}/shell");
    let shell = [("upgrade", "cagent-shell"), ("connection", "upgrade")];
    let own = ("origin", ORIGIN);
    for token in [None, Some(""), Some("00"), Some(&*other)] {
        let token = token.map(|token| ("cagent-token", token));
        let more: Vec<_> = [own].into_iter().chain(token).collect();
        let post = with(&server, &cookie, Method::POST, "/schedule", &more).await;
        post.problem(Code::KeyNeeded);
        let more = [&shell, &more[..]].concat();
        with(&server, &cookie, Method::GET, &path, &more).await.problem(Code::KeyNeeded);
    }
    let elsewhere = [("host", "localhost:8001")];
    let elsewhere = with(&server, &cookie, Method::GET, "/jobs", &elsewhere).await;
    elsewhere.problem(Code::KeyNeeded);
}

#[tokio::test]
async fn a_session_that_was_ended_opens_nothing_also_for_who_has_copied_it() {
    let server = Server::with_keys().await;
    let key = key(&server, Scope::Operate).await;
    let [(one, token), (other, _)] =
        [begun(&server, &key.key).await, begun(&server, &key.key).await];
    end(&server, &one).await;
    with(&server, &one, Method::GET, "/jobs", &[]).await.problem(Code::KeyNeeded);
    let both = [("origin", ORIGIN), ("cagent-token", &*token)];
    with(&server, &one, Method::POST, "/schedule", &both).await.problem(Code::KeyNeeded);
    assert_eq!(with(&server, &other, Method::GET, "/jobs", &[]).await.status, 200);
}

#[tokio::test]
async fn a_session_of_the_owner_of_the_directory_and_its_end() {
    let server = Server::with_keys().await;
    let cookie = cookie(&begin(&server, ORIGIN, &server.local_key()).await);
    assert_eq!(with(&server, &cookie, Method::GET, "/v1/keys", &[]).await.status, 200);
    let ended = end(&server, &cookie).await;
    let gone: Vec<_> = ended.headers.get_all("set-cookie").iter().collect();
    assert!(gone.len() == 2 && gone.iter().all(|one| one.to_str().unwrap().contains("Max-Age=0")));
    // Where nobody is asked, it may do more than a stranger.
    let server = Server::new().await;
    let cookie = self::cookie(&begin(&server, ORIGIN, &server.local_key()).await);
    assert_eq!(with(&server, &cookie, Method::GET, "/v1/keys", &[]).await.status, 200);
}

#[tokio::test]
async fn wrong_keys_are_refused_and_their_rate_is_bounded() {
    let server = Server::with_keys().await;
    for _ in 0..10 {
        begin(&server, ORIGIN, "cagent_local_x").await.problem(Code::KeyRefused);
    }
    let many = begin(&server, ORIGIN, "cagent_local_x").await;
    many.problem(Code::TooManyTries);
    assert_eq!(many.header("retry-after"), "60");
    let right = begin(&server, ORIGIN, &server.local_key()).await;
    assert_eq!(right.status, 201, "nobody keeps others out by that");
    begin(&server, ORIGIN, &"x".repeat(5000)).await.problem(Code::TooLarge);
}
