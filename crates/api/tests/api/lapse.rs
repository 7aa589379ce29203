//! What was opened with a key or a session ends with it.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use jobs::{MadeKey, NewKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;
use types::{JobId, Scope};

use crate::desktop::{GREETING, running};
use crate::sessions::{begun, end};
use crate::sockets::{connect, listen};
use crate::support::{PATIENCE, Server, request};

async fn key(server: &Server, expires: Option<Timestamp>) -> MadeKey {
    let new = NewKey { name: "watcher".into(), scope: Scope::Operate, expires };
    server.jobs.make_key(new).await.unwrap()
}

/// A stream that never ends by itself, and has begun.
async fn stream(server: &Server, path: &str, shown: (&str, &str)) -> Body {
    let request = request(Method::GET, path, &[("host", "localhost:8000"), shown], "");
    let answer = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.into_body()
}

async fn ends(body: Body) {
    let mut pieces = body.into_data_stream();
    let end = async { while pieces.next().await.is_some() {} };
    timeout(PATIENCE, end).await.expect("it ends");
}

/// Streams of both kinds.
async fn streams(server: &Server, job: JobId, shown: (&str, &str)) -> [Body; 2] {
    let one = stream(server, &format!("/v1/jobs/{job}/events"), shown).await;
    [one, stream(server, "/v1/events?list=true", shown).await]
}

async fn upgraded(server: &Server, path: &str, to: &str, key: &str) -> TcpStream {
    let address = listen(server.router.clone()).await;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
         Connection: upgrade\r\nUpgrade: {to}\r\n\r\n"
    );
    let (mut stream, mut heard) = (connect(address, &head).await, vec![]);
    let greeted = async {
        while !heard.ends_with(GREETING) {
            assert!(stream.read_buf(&mut heard).await.unwrap() > 0, "{heard:?}");
        }
    };
    timeout(PATIENCE, greeted).await.expect("a greeting");
    stream
}

#[tokio::test]
async fn streams_end_with_the_key_that_opened_them() {
    let server = Server::with_keys().await;
    let job = running(&server, "").await;
    let bearer = |key: &MadeKey| format!("Bearer {}", key.key);
    let soon = Timestamp::now() + Duration::from_secs(10);
    let expires = key(&server, Some(soon)).await;
    let late = streams(&server, job, ("authorization", &bearer(&expires))).await;
    let (other, revoked) = (key(&server, None).await, key(&server, None).await);
    let [kept, _] = streams(&server, job, ("authorization", &bearer(&other))).await;
    let early = streams(&server, job, ("authorization", &bearer(&revoked))).await;
    server.jobs.revoke_key(&revoked.about.id).await.unwrap();
    for stream in early.into_iter().chain(late) {
        ends(stream).await;
    }
    assert!(Timestamp::now() >= soon, "not before its time");
    server.jobs.cancel(job).await.unwrap();
    ends(kept).await;
}

#[tokio::test]
async fn connections_into_a_sandbox_end_with_the_key_that_opened_them() {
    let server = Server::with_keys().await;
    let key = key(&server, None).await;
    let job = running(&server, "stays").await;
    let shell = format!("/v1/jobs/{job}/shell");
    let mut shell = upgraded(&server, &shell, "cagent-shell", &key.key).await;
    let path = format!("/v1/jobs/{job}/rfb?view=");
    let mut control = upgraded(&server, &format!("{path}control"), "rfb", &key.key).await;
    let mut watch = upgraded(&server, &format!("{path}watch"), "rfb", &key.key).await;
    for viewer in [&mut control, &mut watch] {
        viewer.write_all(b"RFB 003.008\n\x01\x01").await.unwrap();
    }
    server.jobs.revoke_key(&key.about.id).await.unwrap();
    for stream in [&mut shell, &mut control, &mut watch] {
        // To be cut off is an end too.
        drop(timeout(PATIENCE, stream.read_to_end(&mut vec![])).await.expect("an end"));
    }
}

#[tokio::test]
async fn what_a_page_opened_ends_when_its_session_does() {
    let server = Server::with_keys().await;
    let key = key(&server, None).await;
    let job = running(&server, "").await;
    let [(one, _), (other, _)] = [begun(&server, &key.key).await, begun(&server, &key.key).await];
    let open = streams(&server, job, ("cookie", &one)).await;
    let [kept, _] = streams(&server, job, ("cookie", &other)).await;
    end(&server, &one).await;
    for stream in open {
        ends(stream).await;
    }
    server.jobs.cancel(job).await.unwrap();
    ends(kept).await;
}
