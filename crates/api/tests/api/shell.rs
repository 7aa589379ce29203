//! Programs that people run beside a job: who may, where, and why not.

use api::Code;
use axum::http::Method;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use types::{EventKind, JobId, Scope};

use crate::keys::made;
use crate::sockets::{connect, listen};
use crate::support::{HELLO, PATIENCE, Server, request};

const UPGRADE: [(&str, &str); 2] = [("upgrade", "Cagent-Shell"), ("connection", "upgrade")];

fn path(job: JobId, query: &str) -> String {
    format!("/v1/jobs/{job}/shell{query}")
}

#[tokio::test]
async fn a_connection_becomes_one_to_the_program_and_is_recorded() {
    let server = Server::new().await;
    let job = server.running().await;
    let address = listen(server.router.clone()).await;
    let path = path(job, "?command=ls&command=a%20b&tty=true&rows=24&cols=80");
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n\
         Upgrade: cagent-shell\r\n\r\n"
    );
    let mut all = vec![];
    let mut stream = connect(address, &head).await;
    // The agent's part says something and leaves.
    let end = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("an end");
    end.unwrap();
    let text = String::from_utf8_lossy(&all);
    assert!(text.starts_with("HTTP/1.1 101 ") && text.contains("upgrade: cagent-shell"), "{text}");
    assert!(text.ends_with("RFB 003.008\n"), "{text}");
    server.until(job, |event| {
        matches!(event, EventKind::Notice { text, .. } if text == "a person ran ls \"a b\"")
    })
    .await;
}

#[tokio::test]
async fn a_program_that_cannot_be_run() {
    let server = Server::new().await;
    let ask = async |job: JobId, query: &str, headers: &[(&str, &str)]| {
        server.send(request(Method::GET, &path(job, query), headers, "")).await
    };
    let job = server.running().await;
    let problem = ask(job, "", &[]).await.problem(Code::UpgradeNeeded);
    assert!(problem.detail.contains("Upgrade: cagent-shell"), "{problem:?}");
    for query in ["?tty=1", "?rows=-1", "?cols=99999", "?shell=sh", "?command=%00"] {
        ask(job, query, &UPGRADE).await.problem(Code::InvalidField);
    }
    let over = server.run(HELLO).await;
    ask(over, "", &UPGRADE).await.problem(Code::JobOver);
    ask(JobId::generate(), "", &UPGRADE).await.problem(Code::UnknownJob);
    let without = server.schedule("# Wait\n\n```bash\nwait without\n```\n").await;
    server.until(without, |event| matches!(event, EventKind::StepStarted { .. })).await;
    let none = ask(without, "", &UPGRADE).await.problem(Code::SandboxBusy);
    assert_eq!(none.detail, "<b>no Xvnc</b>", "what a sandbox says is but text");
}

#[tokio::test]
async fn who_may_only_give_jobs_runs_nothing_in_them() {
    let server = Server::new().await;
    let job = server.running().await;
    for scope in [Scope::Read, Scope::Submit] {
        let bearer = format!("Bearer {}", made(&server, scope).await);
        let headers = [UPGRADE[0], UPGRADE[1], ("authorization", &*bearer)];
        let answer = server.send(request(Method::GET, &path(job, ""), &headers, "")).await;
        answer.problem(Code::ScopeTooSmall);
    }
}
