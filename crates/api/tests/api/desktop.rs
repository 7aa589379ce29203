//! Ways into a job's sandbox: who gets which, and why there is none.

use api::{Code, Ticket};
use axum::http::Method;
use jiff::Timestamp;
use protocol::{Client, Dial, Target};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use types::{EventKind, JobId, Scope};

use crate::keys::{call, made};
use crate::sockets::{connect, listen};
use crate::support::{Server, request};

/// What the desktop looks like.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nas it is now";

/// What it says to whoever connects.
pub(crate) const GREETING: &[u8] = b"RFB 003.008\n";

/// What a sandbox without a desktop says; hostile, as all it says.
const NONE: &str = "<b>no Xvnc</b>";

/// The agent's part, in a sandbox whose desktop is of this kind.
pub(crate) async fn answer(client: &Client, dial: Dial, desktop: &str) {
    let bytes = match (desktop.trim(), dial.to) {
        ("without", _) => return client.refuse(dial.n, NONE).await.unwrap(),
        ("rubbish", _) => b"<script>",
        (_, Target::Screenshot) => PICTURE,
        _ => GREETING,
    };
    let mut stream = client.arrive(dial.n).await.unwrap();
    if dial.to == Target::Shell {
        // Who runs a program hears first which.
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    }
    stream.write_all(bytes).await.unwrap();
    if desktop.trim() == "stays" {
        tokio::spawn(async move { stream.read_to_end(&mut vec![]).await });
        return;
    }
    stream.shutdown().await.unwrap();
}

/// A job whose desktop is of this kind.
pub(crate) async fn running(server: &Server, desktop: &str) -> JobId {
    let body = json!({ "prompt": format!("# Wait\n\n```bash\nwait {desktop}\n```\n") });
    let scheduled = call(server, &server.local_key(), Method::POST, "/schedule", &body).await;
    let job = scheduled.read::<api::Scheduled>().job_id;
    server.until(job, |event| matches!(event, EventKind::StepStarted { .. })).await;
    job
}

fn tickets(job: JobId) -> String {
    format!("/v1/jobs/{job}/tickets")
}

#[tokio::test]
async fn a_link_leads_to_the_job_and_is_kept_by_nobody() {
    let server = Server::new().await;
    let job = server.running().await;
    for (wanted, host) in [
        (json!({}), format!("{job}.localhost:9")),
        (json!({ "view": "control" }), format!("{job}.localhost:9")),
        (json!({ "view": "watch" }), format!("{job}.localhost:9")),
        (json!({ "view": "jupyter" }), format!("lab-{job}.localhost:9")),
        (json!({ "view": "preview", "port": 3000 }), format!("3000-{job}.localhost:9")),
    ] {
        let answer = server.post(&tickets(job), &wanted).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"));
        let Ticket { url, expires } = serde_json::from_slice(&answer.body).unwrap();
        let link = format!("http://{host}/.cagent/enter?ticket=");
        assert!(url.strip_prefix(&link).is_some_and(|ticket| ticket.len() > 40), "{url}");
        let seconds = expires.duration_since(Timestamp::now()).as_secs();
        assert!((50..=60).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn a_link_that_makes_no_sense() {
    let server = Server::new().await;
    let job = server.running().await;
    for (wanted, field) in [
        (json!({ "view": "all" }), "view"),
        (json!({ "views": "watch" }), "views"),
        (json!({ "view": "preview" }), "port"),
        (json!({ "view": "preview", "port": 0 }), "port"),
        (json!({ "view": "preview", "port": 65536 }), "port"),
        (json!({ "view": "watch", "port": 80 }), "port"),
    ] {
        let problem = server.post(&tickets(job), &wanted).await.problem(Code::InvalidField);
        assert_eq!(problem.errors[0].field, field, "{wanted}: {problem:?}");
    }
    server.send(request(Method::POST, &tickets(job), &[], "{}")).await.problem(Code::MediaType);
    let unknown = tickets(JobId::generate());
    server.post(&unknown, &json!({})).await.problem(Code::UnknownJob);
}

#[tokio::test]
async fn who_may_only_read_may_only_watch() {
    let server = Server::with_keys().await;
    let operator = made(&server, Scope::Operate).await;
    let order = json!({ "prompt": "# Wait\n\n```bash\nwait\n```\n" });
    let scheduled = call(&server, &operator, Method::POST, "/schedule", &order).await;
    let job = scheduled.read::<api::Scheduled>().job_id;
    server.until(job, |event| matches!(event, EventKind::StepStarted { .. })).await;
    let reader = made(&server, Scope::Read).await;
    let ask = async |key: &str, wanted: Value| {
        call(&server, key, Method::POST, &tickets(job), &wanted).await
    };
    assert_eq!(ask(&reader, json!({ "view": "watch" })).await.status, 201);
    for more in [
        json!({}),
        json!({ "view": "control" }),
        json!({ "view": "jupyter" }),
        json!({ "view": "preview", "port": 80 }),
    ] {
        ask(&reader, more.clone()).await.problem(Code::ScopeTooSmall);
        assert_eq!(ask(&operator, more).await.status, 201);
    }
    let bearer = format!("Bearer {reader}");
    let headers = [("authorization", &*bearer), ("upgrade", "rfb"), ("connection", "upgrade")];
    for path in [format!("/v1/jobs/{job}/rfb"), format!("/v1/jobs/{job}/rfb?view=control")] {
        server.send(request(Method::GET, &path, &headers, "")).await.problem(Code::ScopeTooSmall);
    }
}

#[tokio::test]
async fn a_picture_is_one_and_nothing_else() {
    let server = Server::new().await;
    let path = |job: JobId| format!("/v1/jobs/{job}/screenshot.png");
    let shot = server.get(&path(server.running().await)).await;
    assert_eq!((shot.status.as_u16(), shot.header("content-type")), (200, "image/png"));
    assert_eq!((&shot.body[..], shot.header("cache-control")), (PICTURE, "no-store"));
    assert_eq!(shot.header("content-security-policy"), "default-src 'none'; sandbox");

    let rubbish = server.get(&path(running(&server, "rubbish").await)).await;
    let problem = rubbish.problem(Code::NoDesktop);
    assert!(!problem.detail.contains("script"), "{problem:?}");
    let none = server.get(&path(running(&server, "without").await)).await;
    assert_eq!(none.problem(Code::NoDesktop).detail, NONE);
    let over = server.run(crate::support::HELLO).await;
    server.get(&path(over)).await.problem(Code::JobOver);
    server.get(&path(JobId::generate())).await.problem(Code::UnknownJob);
}

#[tokio::test]
async fn a_connection_becomes_one_to_the_desktop() {
    let server = Server::new().await;
    let job = server.running().await;
    let address = listen(server.router.clone()).await;
    for view in ["control", "watch"] {
        let head = format!(
            "GET /v1/jobs/{job}/rfb?view={view} HTTP/1.1\r\nHost: localhost\r\n\
             Connection: upgrade\r\nUpgrade: rfb\r\n\r\n"
        );
        let mut all = vec![];
        let mut stream = connect(address, &head).await;
        stream.read_to_end(&mut all).await.unwrap();
        let text = String::from_utf8_lossy(&all);
        assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
        assert!(all.ends_with(&[b"\r\n\r\n", GREETING].concat()), "{text}");
    }
}

/// As noVNC asks in a page of ours, and in one of somebody else.
#[tokio::test]
async fn a_websocket_becomes_one_to_the_desktop() {
    let server = Server::new().await;
    let job = server.running().await;
    let address = listen(server.router.clone()).await;
    for (origin, first) in
        [("http://localhost", "HTTP/1.1 101 "), ("http://evil.example", "HTTP/1.1 403 ")]
    {
        let head = format!(
            "GET /v1/jobs/{job}/rfb?view=watch HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut heard = vec![];
        let mut stream = connect(address, &head).await;
        while !heard.ends_with(GREETING) && stream.read_buf(&mut heard).await.unwrap() > 0 {
            if heard.starts_with(b"HTTP/1.1 403 ") {
                break;
            }
        }
        let text = String::from_utf8_lossy(&heard);
        assert!(text.starts_with(first), "{text}");
        // One binary message (0x82) of twelve bytes.
        let message = [&[0x82, 12], GREETING].concat();
        assert_eq!(heard.ends_with(&message), first.contains("101"), "{text}");
    }
}

#[tokio::test]
async fn a_connection_that_cannot_become_one() {
    let server = Server::new().await;
    let rfb = [("upgrade", "RFB"), ("connection", "upgrade")];
    let ask = async |job: JobId, query: &str, headers: &[(&str, &str)]| {
        let path = format!("/v1/jobs/{job}/rfb{query}");
        server.send(request(Method::GET, &path, headers, "")).await
    };
    let job = server.running().await;
    ask(job, "", &[]).await.problem(Code::UpgradeNeeded);
    ask(job, "", &[("upgrade", "websocket")]).await.problem(Code::UpgradeNeeded);
    ask(job, "?view=all", &rfb).await.problem(Code::InvalidField);
    let without = running(&server, "without").await;
    assert_eq!(ask(without, "", &rfb).await.problem(Code::NoDesktop).detail, NONE);
    let over = server.run(crate::support::HELLO).await;
    ask(over, "", &rfb).await.problem(Code::JobOver);
    ask(JobId::generate(), "", &rfb).await.problem(Code::UnknownJob);
}
