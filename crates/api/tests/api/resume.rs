//! Going on after a job, when there is nothing to go on after.

use api::Code;
use axum::http::{Method, StatusCode};
use types::JobId;

use crate::support::{Answer, HELLO, Server, request};

async fn resume(server: &Server, job: impl std::fmt::Display) -> Answer {
    server.send(request(Method::POST, &format!("/v1/jobs/{job}/resume"), &[], "")).await
}

#[tokio::test]
async fn what_did_not_break_off_conflicts_and_hears_why() {
    let server = Server::new().await;
    let runs = server.running().await;
    let over = server.run(HELLO).await;
    for (job, words) in [
        (runs, "the job is running: it goes on by itself"),
        (over, "the job ended as complete. Only a job whose sandbox was lost"),
    ] {
        let answer = resume(&server, job).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        let problem = answer.problem(Code::NotResumable);
        assert!(problem.detail.starts_with(words), "{problem:?}");
        assert!(problem.kind.ends_with("not_resumable"), "{problem:?}");
    }
    resume(&server, JobId::generate()).await.problem(Code::UnknownJob);
}
