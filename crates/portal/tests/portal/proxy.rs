//! Previews and Jupyter Lab: what passes, what does not.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use jobs::NewKey;
use portal::View;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;
use types::{JobId, JobStatus, Scope};

use crate::support::{PATIENCE, Stage, path_of};
use crate::upstream::{APP, ENDLESS, HEARD, MUTE, NOBODY, RUDE};

const FROM_ELSEWHERE: [(&str, &str); 3] = [
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

pub(crate) fn host(stage: &Stage, job: JobId, port: u16) -> String {
    format!("{port}-{}", stage.host(job))
}

/// The cookie of somebody who came by a link to a preview.
async fn cookie(stage: &Stage, job: JobId, port: u16) -> String {
    let link = stage.portal.link(job, View::Preview { port }, None);
    let entered = stage.get(&host(stage, job, port), path_of(&link.url), &[]).await;
    assert_eq!(entered.status, 200, "{}", entered.body);
    entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn header<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = seen["headers"].as_array().unwrap().iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

async fn send(stage: &Stage, request: Request<Body>) -> Response<Body> {
    let answer = stage.portal.desktops().oneshot(request);
    tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_request_reaches_the_job_as_it_was_meant() {
    let stage = Stage::with(true).await;
    let job = stage.running("work").await;
    let (host, session) = (host(&stage, job, APP), cookie(&stage, job, APP).await);
    let cookies = format!("theirs=1; {session}; cagent-control=x");
    let headers = [
        ("cookie", &*cookies),
        ("origin", &*format!("http://{host}")),
        ("authorization", "Bearer theirs"),
        ("x-forwarded-proto", "https"),
    ];
    let answer = stage.get(&host, "/a%20b/../c?d=e&f", &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(seen["uri"], "/a%20b/../c?d=e&f");
    assert_eq!(header(&seen, "host"), [&*host]);
    assert_eq!(header(&seen, "origin"), [&*format!("http://{host}")]);
    assert_eq!(header(&seen, "cookie"), ["theirs=1"], "ours stay with us");
    assert_eq!(header(&seen, "authorization"), ["Bearer theirs"]);
    assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin");
    let policies: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
    assert_eq!(policies[0], "frame-ancestors 'self'");
    let confined = policies[1].to_str().unwrap();
    assert!(confined.starts_with("default-src 'self' "), "the job may reach nothing: {confined}");

    let key = [("cookie", &*session), ("authorization", "Bearer cagent_0123_secret")];
    let seen = stage.get(&host, "/", &key).await.body;
    assert!(!seen.contains("cagent_") && !seen.contains("cagent-"), "{seen}");
    let cookies = stage.get(&host, "/cookies", &[("cookie", &session)]).await;
    assert_eq!(cookies.headers["set-cookie"], "mine=1");
    let login = stage.get(&host, "/login", &[("cookie", &session)]).await;
    assert_eq!(login.headers["location"], "/home");
}

/// One would see every answer on its origin, tickets too.
#[tokio::test]
async fn no_service_worker_is_registered() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let worker = [("service-worker", "script"), ("sec-fetch-dest", "serviceworker")];
    let refused = stage.get(&host(&stage, job, APP), "/worker.js", &worker).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

#[tokio::test]
async fn what_was_had_with_a_key_ends_with_it() {
    let stage = Stage::with(true).await;
    let job = stage.running("work").await;
    let (host, view) = (host(&stage, job, APP), View::Preview { port: APP });
    let new = NewKey { name: "bot".into(), scope: Scope::Operate, expires: None };
    let made = stage.jobs.make_key(new).await.unwrap();
    let holder = stage.jobs.look_up_key(&made.key).ok();
    let [used, unused] = [(); 2].map(|()| stage.portal.link(job, view, holder).url);
    let entered = stage.get(&host, path_of(&used), &[]).await;
    let cookie = entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    assert_eq!(stage.get(&host, "/", &[("cookie", cookie)]).await.status, 200);
    stage.jobs.revoke_key(&made.about.id).await.unwrap();
    assert_eq!(stage.get(&host, "/", &[("cookie", cookie)]).await.status, 403);
    assert_eq!(stage.get(&host, path_of(&unused), &[]).await.status, 403);
}

#[tokio::test]
async fn every_view_has_its_own_session() {
    let stage = Stage::with(true).await;
    let (one, two) = (stage.running("one").await, stage.running("two").await);
    let session = cookie(&stage, one, APP).await;
    let at = async |host: String, cookie: &str| {
        stage.get(&host, "/", &[("cookie", cookie)]).await.status
    };
    assert_eq!(at(host(&stage, one, APP), &session).await, 200);
    assert_eq!(at(host(&stage, one, 3002), &session).await, 403, "of another port");
    assert_eq!(at(host(&stage, two, APP), &session).await, 403, "of another job");
    let desktop = stage.cookie(one, View::Control).await;
    assert_eq!(at(host(&stage, one, APP), &desktop).await, 403);
    let forged = desktop.replace("cagent-control", "cagent-preview");
    assert_eq!(at(host(&stage, one, APP), &forged).await, 403);
    let forged = session.replace("cagent-preview", "cagent-control");
    assert_eq!(at(stage.host(one), &forged).await, 403);
    // Two jobs may be one site, whose cookies a browser sends along.
    let led = [&[("cookie", &*session)], &FROM_ELSEWHERE[..]].concat();
    assert_eq!(stage.get(&host(&stage, one, APP), "/delete", &led).await.status, 403);
    // A ticket of a job is for none of the others, and used up by whoever tries.
    let link = stage.portal.link(one, View::Preview { port: APP }, None);
    assert_eq!(stage.get(&host(&stage, two, APP), path_of(&link.url), &[]).await.status, 403);
    assert_eq!(stage.get(&host(&stage, one, APP), path_of(&link.url), &[]).await.status, 403);
}

#[tokio::test]
async fn without_keys_who_types_the_address_is_let_in_and_no_other_page() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let host = host(&stage, job, APP);
    let status = async |headers: &[(&str, &str)]| stage.get(&host, "/", headers).await.status;
    assert_eq!(status(&[("sec-fetch-site", "none")]).await, 200);
    assert_eq!(status(&[("sec-fetch-site", "same-origin")]).await, 200);
    assert_eq!(status(&[]).await, 200, "programs too");
    let led = stage.get(&host, "/delete?id=1", &FROM_ELSEWHERE).await;
    assert_eq!(led.status, 403);
    assert!(led.body.contains(r#"href="""#), "a person may go on: {}", led.body);
    for from in ["same-site", "cross-site"] {
        assert_eq!(status(&[("sec-fetch-site", from)]).await, 403);
    }
    let elsewhere = format!("http://{job}.localhost:{}", stage.address.port());
    for origin in [&*elsewhere, "null", "http://localhost:6080"] {
        assert_eq!(status(&[("origin", origin)]).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn whoever_cannot_answer_is_excused() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let at = async |port| stage.get(&host(&stage, job, port), "/", &[]).await;
    let nobody = at(NOBODY).await;
    assert_eq!(nobody.status, 502);
    assert!(nobody.body.contains("nothing &lt;b&gt;listens"), "{}", nobody.body);
    assert!(nobody.body.contains(r#"content="2;url=""#), "it looks again: {}", nobody.body);
    assert_eq!(nobody.headers["x-frame-options"], "DENY");
    for rude in [RUDE[0].0, RUDE[1].0, ENDLESS] {
        let answer = at(rude).await;
        assert_eq!(answer.status, 502, "{rude}: {}", answer.body);
    }
    assert_eq!(at(RUDE[2].0).await.body, "hello", "the length is that of the body");
    assert_eq!(at(RUDE[3].0).await.body, "ok");
    stage.jobs.cancel(job).await.unwrap();
    stage.until(job, async || stage.jobs.get(job).await.unwrap().status.is_final()).await;
    assert_eq!(stage.jobs.get(job).await.unwrap().status, JobStatus::Cancelled);
    assert_eq!(at(APP).await.status, 410);
    let unknown = format!("{APP}-{}", stage.host(JobId::generate()));
    assert_eq!(stage.get(&unknown, "/", &[]).await.status, 404);
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let request = Request::get("/").header("host", host(&stage, job, MUTE)).body(Body::empty());
    let answer = tokio::spawn(stage.portal.desktops().oneshot(request.unwrap()));
    tokio::time::timeout(PATIENCE, HEARD.notified()).await.unwrap();
    // From here on, time passes as soon as nothing else is left to do.
    tokio::time::pause();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn bodies_flow_both_ways() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let host = host(&stage, job, APP);
    let chunks =
        futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![1; 65_536])));
    let request = Request::post("/upload").header("host", &host).body(Body::from_stream(chunks));
    let answer = send(&stage, request.unwrap()).await;
    let seen: Value =
        serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap();
    assert_eq!((seen["method"].as_str(), seen["length"].as_u64()), (Some("POST"), Some(6_553_600)));
    assert_eq!(header(&seen, "transfer-encoding"), ["chunked"]);

    let request = Request::get("/big").header("host", &host).body(Body::empty()).unwrap();
    let big = to_bytes(send(&stage, request).await.into_body(), usize::MAX).await.unwrap();
    assert!(big.len() == 8 << 20 && big.iter().all(|byte| *byte == 7));

    // An event stream: what is there is there at once.
    let request = Request::get("/forever").header("host", &host).body(Body::empty()).unwrap();
    let mut body = send(&stage, request).await.into_body();
    let first = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
}

/// Connections that are in use are counted, and given back when a page leaves.
#[tokio::test]
async fn a_job_has_only_so_many_connections() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let request = |path: &str| {
        Request::get(path).header("host", host(&stage, job, APP)).body(Body::empty()).unwrap()
    };
    let mut held = vec![];
    for _ in 0..64 {
        held.push(send(&stage, request("/forever")).await);
    }
    let next = stage.portal.desktops().oneshot(request("/"));
    let mut next = std::pin::pin!(next);
    assert!(futures_util::poll!(&mut next).is_pending());
    held.pop();
    let next = tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
    assert_eq!(next.status(), 200);
}

/// As bytes: what one server takes for the end of a request, the other must too.
#[tokio::test]
async fn a_request_is_one_request() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let host = host(&stage, job, APP);
    let mut answers = vec![];
    for framing in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nG",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\nG",
    ] {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        let request = format!("POST /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{framing}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        // A server that refuses may cut us off.
        drop(tokio::time::timeout(PATIENCE, read).await.unwrap());
        answers.push(answer);
    }
    for answer in &answers[..2] {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""length":0"#), "{answer}");
        assert!(!answer.contains("content-length\",\"6"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    for answer in &answers[2..] {
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    }
}
