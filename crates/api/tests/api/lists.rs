//! The list in pages, waiting for an end, and forgetting.

use std::time::Duration;

use api::{Code, JobList, Status};
use axum::http::Method;
use serde_json::Value;
use types::{JobId, JobStatus};

use crate::support::{HELLO, Server, request};

async fn ids(server: &Server, query: &str) -> (Vec<JobId>, Option<Option<JobId>>) {
    let value: Value = server.get(&format!("/jobs{query}")).await.read();
    let next = value.get("next").map(|next| serde_json::from_value(next.clone()).unwrap());
    let list: JobList = serde_json::from_value(value).unwrap();
    (list.jobs.into_iter().map(|job| job.job_id).collect(), next)
}

#[tokio::test]
async fn pages_make_up_the_whole_list() {
    let server = Server::new().await;
    for _ in 0..5 {
        server.run(HELLO).await;
    }
    let (all, next) = ids(&server, "").await;
    assert_eq!((all.len(), next), (5, None), "the plain call is as it was");
    let (mut paged, mut query) = (vec![], "?limit=2".to_owned());
    loop {
        let (page, next) = ids(&server, &query).await;
        assert!(page.len() <= 2);
        paged.extend(page);
        match next.expect("a cursor with every page") {
            Some(after) => query = format!("?limit=2&after={after}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    assert_eq!(ids(&server, &format!("?after={}", all[3])).await.0, all[4..]);
}

#[tokio::test]
async fn a_list_of_some_statuses() {
    let server = Server::new().await;
    let (over, running) = (server.run(HELLO).await, server.running().await);
    assert_eq!(ids(&server, "?status=complete").await.0, [over]);
    assert_eq!(ids(&server, "?status=running&status=error").await.0, [running]);
    assert_eq!(ids(&server, "?status=running,complete").await.0, [running, over]);
    assert_eq!(ids(&server, "?status=error").await.0, []);
}

#[tokio::test]
async fn a_list_of_what_is_looked_for() {
    let server = Server::new().await;
    let hello = server.run(HELLO).await;
    let odd = server.run("# 100 %_done\\\n\n```bash\necho\n```\n").await;
    assert_eq!(ids(&server, "?search=hELL").await.0, [hello]);
    assert_eq!(ids(&server, "?search=l").await.0, [hello]);
    assert_eq!(ids(&server, "?search=0%20%25_d").await.0, [odd], "it stands for itself");
    assert_eq!(ids(&server, "?search=e%5C").await.0, [odd]);
    assert_eq!(ids(&server, "?search=H_llo").await.0, []);
    assert_eq!(ids(&server, &format!("?search={odd}")).await.0, [odd]);
    let both = &hello.to_string()[..2];
    assert_eq!(
        ids(&server, &format!("?search={both}&limit=1")).await,
        (vec![odd], Some(Some(odd)))
    );
    assert_eq!(ids(&server, &format!("?search={both}&limit=1&after={odd}")).await.0, [hello]);
    assert_eq!(ids(&server, "?search=hello&status=error").await.0, []);
}

#[tokio::test]
async fn parameters_that_are_wrong() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    for (path, field) in [
        ("/jobs?limit=0", "limit"),
        ("/jobs?limit=x", "limit"),
        ("/jobs?after=x", "after"),
        ("/jobs?status=done", "status"),
        ("/jobs?page=2", "page"),
        (&*format!("/status/{job}?wait=61"), "wait"),
        (&*format!("/status/{job}?wait=-1"), "wait"),
        (&*format!("/status/{job}?wait="), "wait"),
        (&*format!("/status/{job}?weight=1"), "weight"),
    ] {
        let problem = server.get(path).await.problem(Code::InvalidField);
        assert_eq!(problem.errors[0].field, field, "{problem:?}");
    }
}

#[tokio::test]
async fn a_status_can_be_waited_for() {
    let server = Server::new().await;
    let job = server.schedule(HELLO).await;
    let status: Status = server.get(&format!("/status/{job}?wait=60")).await.read();
    assert_eq!(status.status, JobStatus::Complete);
}

#[tokio::test]
async fn whoever_waits_gets_an_answer_when_patience_or_the_server_ends() {
    let server = Server::new().await;
    let job = server.running().await;
    let path = format!("/status/{job}?wait=60");
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let status: Status = server.get(&format!("/status/{job}?wait=7")).await.read();
    assert_eq!((status.status, begun.elapsed().as_secs()), (JobStatus::Running, 7));
    tokio::time::resume();
    let closing = server.closing.clone();
    let (answer, ()) = tokio::join!(server.get(&path), async move { closing.cancel() });
    let status: Status = answer.read();
    assert_eq!(status.status, JobStatus::Running);
    assert!(begun.elapsed() < Duration::from_secs(40));
}

#[tokio::test]
async fn a_job_is_deleted_once_it_is_over() {
    let server = Server::new().await;
    let delete = async |job: JobId| {
        server.send(request(Method::DELETE, &format!("/v1/jobs/{job}"), &[], "")).await
    };
    let job = server.running().await;
    let problem = delete(job).await.problem(Code::NotOver);
    assert!(problem.detail.contains("running"), "{problem:?}");
    server.send(request(Method::POST, &format!("/cancel/{job}"), &[], "")).await;
    server.until(job, |_| false).await;
    let gone = delete(job).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    assert!(!server.jobs.zip_path(job).exists());
    delete(job).await.problem(Code::UnknownJob);
    server.get(&format!("/download/{job}")).await.problem(Code::UnknownJob);
}
