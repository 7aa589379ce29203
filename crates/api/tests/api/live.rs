//! The one stream of a page.

use std::collections::BTreeSet;

use api::{Code, JobSummary};
use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use types::{Event, EventKind, JobId, JobStatus};

use crate::support::{HELLO, PATIENCE, Server, request};

/// What a page hears.
struct Tab {
    body: BodyDataStream,
    heard: String,
}

impl Tab {
    async fn open(server: &Server, query: &str) -> Self {
        let host = [("host", "localhost:8000")];
        let request = request(Method::GET, &format!("/v1/events{query}"), &host, "");
        let answer = server.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let body: Body = answer.into_body();
        let mut tab = Self { body: body.into_data_stream(), heard: String::new() };
        assert_eq!(tab.next().await, Some(("ready".into(), json!({}))));
        tab
    }

    /// The next event and its data; none at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        while !self.heard.contains("\n\n") {
            let more = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("more");
            self.heard += std::str::from_utf8(&more?.unwrap()).unwrap();
        }
        let (block, rest) = self.heard.split_once("\n\n").unwrap();
        let field = |name: &str| {
            let mut lines = block.lines();
            lines.find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{block:?}"))
        };
        let told = (field("event: ").into(), serde_json::from_str(field("data: ")).unwrap());
        self.heard = rest.into();
        Some(told)
    }

    /// The events of jobs, until all of these have ended.
    async fn events(&mut self, of: &[JobId]) -> Vec<(JobId, Event)> {
        let (mut open, mut events) = (of.iter().copied().collect::<BTreeSet<_>>(), vec![]);
        while !open.is_empty() {
            let (name, data) = self.next().await.expect("all events");
            assert_eq!(name, "event");
            let job = serde_json::from_value(data["job_id"].clone()).unwrap();
            let event: Event = serde_json::from_value(data["event"].clone()).unwrap();
            if matches!(event.event, EventKind::Ended { .. }) {
                open.remove(&job);
            }
            events.push((job, event));
        }
        events
    }

    /// Lines of the list, until one is as wanted.
    async fn line(&mut self, job: JobId, status: JobStatus) -> JobSummary {
        loop {
            let (name, data) = self.next().await.expect("a line");
            assert_eq!(name, "job");
            let line: JobSummary = serde_json::from_value(data).unwrap();
            if (line.job_id, line.status) == (job, status) {
                return line;
            }
        }
    }
}

#[tokio::test]
async fn the_list_changes_before_ones_eyes() {
    let server = Server::new().await;
    let mut tab = Tab::open(&server, "?list=true").await;
    let running = server.running().await;
    assert_eq!(tab.line(running, JobStatus::Running).await.title, "Wait");
    let over = server.run(HELLO).await;
    let line = tab.line(over, JobStatus::Complete).await;
    assert!(line.completed.is_some() && line.reason.is_some());
    let path = format!("/v1/jobs/{over}");
    assert_eq!(server.send(request(Method::DELETE, &path, &[], "")).await.status, 204);
    assert_eq!(tab.next().await, Some(("gone".into(), json!({ "job_id": over }))));
    server.closing.cancel();
    assert_eq!(tab.next().await, None, "though a job goes on");
}

#[tokio::test]
async fn jobs_are_followed_side_by_side_each_without_gaps() {
    let server = Server::new().await;
    let old = server.run(HELLO).await;
    let new = server.schedule(HELLO).await;
    let mut tab = Tab::open(&server, &format!("?follow={old}:2&follow={new}:0")).await;
    let events = tab.events(&[old, new]).await;
    for (job, after) in [(old, 2), (new, 0)] {
        let of_job = || events.iter().filter(|(of, _)| *of == job).map(|(_, event)| event);
        let seqs: Vec<_> = of_job().map(|event| event.seq).collect();
        assert_eq!(seqs, (after + 1..=after + seqs.len() as u64).collect::<Vec<_>>());
        let mut outputs = of_job().filter_map(|event| match &event.event {
            EventKind::Output { bytes, offset, text, .. } => Some((*offset, *bytes, text.clone())),
            _ => None,
        });
        assert_eq!(outputs.next(), Some((0, 6, None)), "where it lies, not what it is");
    }
    // All is over, and the stream goes on: it would be opened again and again.
    let ended = tokio::time::timeout(std::time::Duration::from_millis(50), tab.body.next()).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let all = Tab::open(&server, &format!("?follow={job}:0")).await.events(&[job]).await;
    for seen in 0..all.len() {
        let query = format!("?list=false&follow={job}:{seen}");
        assert_eq!(Tab::open(&server, &query).await.events(&[job]).await, all[seen..]);
    }
}

#[tokio::test]
async fn a_job_that_is_gone_costs_nobody_the_others() {
    let server = Server::new().await;
    let (job, gone) = (server.run(HELLO).await, JobId::generate());
    let mut tab = Tab::open(&server, &format!("?follow={gone}:7&follow={job}:0")).await;
    let (mut told, mut events) = (0, 0);
    while told == 0 || events == 0 {
        match tab.next().await.unwrap() {
            (name, data) if name == "gone" => {
                assert_eq!(data, json!({ "job_id": gone }));
                told += 1;
            }
            _ => events += 1,
        }
    }
    let path = format!("/v1/events?follow={job}:1000");
    server.get(&path).await.problem(Code::InvalidField);
    server.get("/v1/events?list=maybe").await.problem(Code::InvalidField);
}
