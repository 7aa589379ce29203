//! What a server that is told to stop does first, and what it leaves to the next one.

use std::time::Duration;

use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Builder, DataDir, PATIENCE, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use types::{Event, EventKind, JobId, JobStatus};

use crate::support::{Result, assert_complete};

/// Runs until somebody sends the file `go`; says how often it began.
const PATIENT: &str =
    "```sh\necho begun >> begun\necho waiting\nuntil [ -e go ]; do sleep 0.02; done\n```\n";

fn builder(data: &DataDir) -> Builder {
    Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(data)
}

fn signal(server: &Server, signal: Signal) {
    kill_process(Pid::from_raw(server.pid().cast_signed()).unwrap(), signal).unwrap();
}

async fn begun(server: &Server) -> JobId {
    let job = server.client().run(PATIENT).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;
    job
}

pub(crate) async fn go(server: &Server, job: JobId) {
    let url = format!("{}/v1/jobs/{job}/files/go", server.url());
    let sent = testkit::http_client().request(Method::PUT, url).body("").send().await.unwrap();
    assert!(sent.status().is_success(), "{sent:?}");
}

/// Asks for a job by a name of the request.
async fn ask(server: &Server, key: &str) -> reqwest::Response {
    let http: Client = testkit::http_client();
    let body = json!({ "prompt": "```sh\necho hi\n```\n", "mode": "runbook" });
    let request = http.post(format!("{}/schedule", server.url())).json(&body);
    request.header("Idempotency-Key", key).send().await.unwrap()
}

async fn refused(server: &Server, key: &str) -> bool {
    let answer = ask(server, key).await;
    if answer.status() != 503 {
        return false;
    }
    assert_eq!(answer.headers()["retry-after"], "5");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "stopping");
    true
}

/// From now on no job is taken.
async fn until_refused(server: &Server) {
    let refused = async {
        let mut tries = 0;
        while !refused(server, &format!("try {tries}")).await {
            tries += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("no job is taken any more");
}

#[tokio::test]
async fn a_server_that_drains_waits_for_what_runs_and_begins_nothing() {
    let data = DataDir::new();
    let server = builder(&data).args(["--drain", "--concurrency=1"]).start().await;
    let running = begun(&server).await;
    let accepted: Value = ask(&server, "mine").await.json().await.unwrap();
    let queued: JobId = accepted["job_id"].as_str().unwrap().parse().unwrap();
    signal(&server, Signal::TERM);
    until_refused(&server).await;

    let repeated = ask(&server, "mine").await;
    assert_eq!(repeated.status(), 200, "what was accepted is told again");
    assert_eq!(repeated.json::<Value>().await.unwrap()["job_id"], accepted["job_id"]);
    assert_eq!(server.client().status(running).await.status, JobStatus::Running);
    let ready = server.client().get("/readyz").await;
    assert_eq!(ready.status(), 503);

    go(&server, running).await;
    assert!(server.ended().await.success());

    let server = builder(&data).start().await;
    assert_complete(&server.client().job(running).await);
    assert_eq!(Result::of(&server, running).await.text("begun"), "begun\n");
    assert_complete(&server.client().wait_end(queued).await);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_the_wait_and_leaves_the_job_running() {
    let data = DataDir::new();
    let server = builder(&data).arg("--drain").start().await;
    let job = begun(&server).await;
    signal(&server, Signal::INT);
    until_refused(&server).await;
    assert!(server.stop().await.success());

    let server = builder(&data).start().await;
    assert_eq!(server.client().job(job).await.status, JobStatus::Running);
    go(&server, job).await;
    assert_complete(&server.client().wait_end(job).await);
    assert_eq!(Result::of(&server, job).await.text("begun"), "begun\n");
}

/// A request is half-sent when the signal comes: it is answered, and so is who comes in between.
#[tokio::test]
async fn answers_in_flight_finish_and_who_comes_late_is_told_so() {
    let data = DataDir::new();
    let server = builder(&data).start().await;
    let job = begun(&server).await;
    let address = server.url().strip_prefix("http://").unwrap();
    let body = json!({ "prompt": "```sh\necho hi\n```\n" }).to_string();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /schedule HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // Its handler reads.
    let mut heard = [0; 25];
    slow.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HTTP/1.1 100 Continue\r\n\r\n");
    let stream = server.client().get(&format!("/v1/jobs/{job}/events")).await;

    signal(&server, Signal::TERM);
    let events = stream.text().await.expect("a whole body");
    assert!(events.contains("retry: 2000\n"), "{events}");
    assert!(!events.contains("event: ended"), "{events}");
    until_refused(&server).await;
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5"), "{answer}");
    assert!(server.ended().await.success());

    let server = builder(&data).start().await;
    go(&server, job).await;
    assert_complete(&server.client().wait_end(job).await);
}
