//! `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Builder, PATIENCE, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use types::EventKind;

use crate::support::{CAGENT, Numbers, bash, readiness};

/// What is said to be wrong with one of the checks.
fn problem<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    let checks = body["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(check["ok"], check["problem"].is_null(), "{body}");
    check["problem"].as_str()
}

#[tokio::test]
async fn a_server_that_is_well_says_so() {
    let server = Server::start(CAGENT).await;
    let alive = server.client().get("/healthz").await;
    assert_eq!((alive.status(), &*alive.text().await.unwrap()), (StatusCode::OK, "ok\n"));
    let (status, body) = readiness(server.client()).await;
    assert_eq!((status, &body["ready"]), (StatusCode::OK, &json!(true)));
    for name in ["store", "engine:local", "disk", "results", "accepting"] {
        assert_eq!(problem(&body, name), None);
    }
}

#[tokio::test]
async fn strangers_learn_the_outcome_alone() {
    let server = Builder::new(CAGENT).env("CAGENT_PUBLIC_NAMES", "agent.example.org").start().await;
    let client = server.client();
    assert_eq!(client.get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(readiness(client).await, (StatusCode::OK, json!({ "ready": true, "checks": [] })));
    assert_eq!(client.get("/metrics").await.status(), StatusCode::UNAUTHORIZED);
    let server = server.with_own_key();
    let (_, body) = readiness(server.client()).await;
    assert_eq!(problem(&body, "store"), None);
    Numbers::of(server.client()).await;
}

#[tokio::test]
async fn too_little_disk_is_not_ready() {
    let server = Builder::new(CAGENT).env("CAGENT_RESERVE", "1000000G").start().await;
    let (status, body) = readiness(server.client()).await;
    assert_eq!((status, &body["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert!(problem(&body, "disk").unwrap().contains("full"), "{body}");
    assert_eq!(problem(&body, "store"), None);
    assert_eq!(server.client().get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_engine_that_is_away_is_named_and_counted() {
    let nobody = "unix:///nonexistent/docker.sock";
    let server = with_docker_at(nobody).await;
    let (status, body) = readiness(server.client()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(problem(&body, "engine:docker").is_some(), "{body}");
    assert_eq!(problem(&body, "engine:local"), None);
    let numbers = Numbers::of(server.client()).await;
    let failed =
        numbers.sum("cagent_engine_errors_total", &[("engine", "docker"), ("call", "ready")]);
    assert!(failed >= 1.0, "{numbers:#?}");
}

/// Nor is it asked by each of many who come.
#[tokio::test]
async fn an_engine_that_does_not_answer_keeps_nobody_waiting() {
    let (address, silence) = daemon().await;
    let server = with_docker_at(&format!("tcp://{address}")).await;
    silence.cancel();
    let began = Instant::now();
    let asked = (0..20).map(|_| readiness(server.client()));
    for (status, body) in futures_util::future::join_all(asked).await {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(problem(&body, "engine:docker").unwrap().contains("answer"), "{body}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// Where there is something that hangs up on everybody, and what makes it take connections and say
/// nothing.
async fn daemon() -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, silence) = (listener.local_addr().unwrap(), CancellationToken::new());
    let silent = silence.clone();
    tokio::spawn(async move {
        let mut held = vec![];
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if silent.is_cancelled() {
                held.push(stream);
            }
        }
    });
    (address, silence)
}

async fn with_docker_at(host: &str) -> Server {
    Builder::new(CAGENT).arg("--engine").arg("local,docker").env("DOCKER_HOST", host).start().await
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready_and_lives() {
    let server = Builder::new(CAGENT).arg("--drain").start().await;
    let client = server.client();
    let job = client.run(&bash("echo begun; sleep 1000")).await;
    client.events_until(job, |event| matches!(event.event, EventKind::Output { .. })).await;
    kill_process(Pid::from_raw(server.pid().cast_signed()).unwrap(), Signal::TERM).unwrap();
    let draining = async {
        loop {
            let (status, body) = readiness(client).await;
            if status == StatusCode::SERVICE_UNAVAILABLE {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let body = tokio::time::timeout(PATIENCE, draining).await.unwrap();
    assert!(problem(&body, "accepting").unwrap().contains("draining"), "{body}");
    assert_eq!(client.get("/healthz").await.status(), StatusCode::OK);
    client.cancel(job).await;
}
