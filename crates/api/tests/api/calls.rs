//! Every call, on jobs that are what they should be.

use api::{Cancelled, Code, Health, Job, JobList, Logs, Scheduled, Status};
use axum::http::Method;
use serde_json::{Value, json};
use types::{Event, EventKind, JobStatus, Mode, Reason, Stream};

use crate::support::{Answer, HELLO, Server, request};

#[tokio::test]
async fn programs_get_a_health_answer() {
    let server = Server::new().await;
    let health: Health = server.get("/").await.read();
    assert_eq!((health.status.as_str(), health.engines), ("ok", vec!["fake".to_owned()]));
}

#[tokio::test]
async fn both_names_of_the_call_make_a_job() {
    let server = Server::new().await;
    for (path, field) in [("/schedule", "prompt"), ("/submit", "task")] {
        let body = json!({
            field: HELLO,
            "mode": "runbook",
            "engine": "fake",
            "limits": { "wall_seconds": 60 },
            "include_caches": true,
            "network": "none",
        });
        let scheduled: Scheduled = server.post(path, &body).await.read();
        assert_eq!(scheduled.status, JobStatus::Scheduled);
        let job: Job = server.get(&format!("/job/{}", scheduled.job_id)).await.read();
        assert_eq!(
            (job.prompt.as_str(), job.mode, job.engine.as_str()),
            (HELLO, Mode::Runbook, "fake")
        );
        assert_eq!((job.limits.wall_seconds, job.limits.processes), (60, 512));
        assert!(job.include_caches);
    }
}

#[tokio::test]
async fn the_examples_of_the_docs_run_as_they_are() {
    let server = Server::new().await;
    let document: Value = server.get("/openapi.json").await.read();
    for path in ["/schedule", "/submit"] {
        let call = &document["paths"][path]["post"];
        let example = &call["requestBody"]["content"]["application/json"]["example"];
        let _: Scheduled = server.post(path, example).await.read();
    }
}

#[tokio::test]
async fn a_content_type_may_say_more() {
    let server = Server::new().await;
    let json = [("content-type", "Application/JSON; charset=utf-8")];
    let body = json!({ "prompt": HELLO }).to_string();
    let _: Scheduled = server.send(request(Method::POST, "/schedule", &json, &body)).await.read();
}

#[tokio::test]
async fn the_answers_have_the_fields_that_scripts_know() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let fields =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let has = |value: &Value, wanted: &[&str]| {
        let all = fields(value);
        for field in wanted {
            assert!(all.iter().any(|have| have == field), "{field} in {all:?}");
        }
    };
    let status: Value = server.get(&format!("/status/{job}")).await.read();
    has(&status, &["job_id", "status", "output", "download_link", "logs_link"]);
    let list: Value = server.get("/jobs").await.read();
    has(&list["jobs"][0], &["job_id", "status", "created", "started", "completed", "error"]);
    assert!(list["jobs"][0]["created"].as_str().unwrap().ends_with('Z'), "RFC 3339 UTC");
    let logs: Value = server.get(&format!("/logs/{job}")).await.read();
    assert_eq!(fields(&logs), ["full_log", "job_id", "last_1000_lines", "log_type", "truncated"]);
    let cancelled: Value = server.post(&format!("/cancel/{job}"), &json!({})).await.read();
    assert_eq!(fields(&cancelled), ["cancelled", "job_id", "status"]);
    let full: Value = server.get(&format!("/job/{job}")).await.read();
    assert_eq!(full["waiting"], Value::Null);
    has(&full, &["waiting", "exit_code", "limits", "engine", "usage", "sandbox", "error"]);
}

#[tokio::test]
async fn a_finished_job_has_its_result() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let status: Status = server.get(&format!("/status/{job}")).await.read();
    assert_eq!((status.status, status.reason), (JobStatus::Complete, Some(Reason::Finished)));
    assert_eq!(status.output.as_deref(), server.jobs.zip_path(job).to_str());
    assert_eq!(status.download_link, Some(format!("/download/{job}")));

    let zip = server.get(&status.download_link.unwrap()).await;
    assert_eq!((zip.status.as_u16(), zip.header("content-type")), (200, "application/zip"));
    assert_eq!(zip.header("content-disposition"), format!("attachment; filename=\"{job}.zip\""));
    assert_eq!(zip.header("content-length"), zip.body.len().to_string());
    assert_eq!(zip.body, std::fs::read(server.jobs.zip_path(job)).unwrap());

    let full: Job = server.get(&format!("/job/{job}")).await.read();
    assert_eq!(full.zip_bytes, Some(zip.body.len() as u64));
    assert_eq!((full.exit_code, full.error), (Some(0), None));
    let list: JobList = server.get("/jobs").await.read();
    assert_eq!((full.title.as_str(), list.jobs[0].title.as_str()), ("Hello", "Hello"));
    assert_eq!(list.jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), [job]);
}

#[tokio::test]
async fn every_link_of_a_job_leads_somewhere() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let full: Value = server.get(&format!("/job/{job}")).await.read();
    let mut links = full["links"].as_object().unwrap().clone();
    assert_eq!(links.len(), 8);
    // Into a sandbox, while there is one.
    for (name, method) in [("screenshot", Method::GET), ("tickets", Method::POST)] {
        let link = links.remove(name).unwrap();
        let json = [("content-type", "application/json")];
        let answer = server.send(request(method, link.as_str().unwrap(), &json, "{}")).await;
        answer.problem(Code::JobOver);
    }
    for (name, link) in links {
        assert_eq!(server.get(link.as_str().unwrap()).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn logs_are_text_and_files() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let out: Logs = server.get(&format!("/logs/{job}")).await.read();
    assert_eq!(
        (out.log_type, out.full_log.as_str(), out.truncated),
        (Stream::Stdout, "hello\n", false)
    );
    assert_eq!(out.last_1000_lines, out.full_log);
    let err: Logs = server.get(&format!("/logs/{job}?log_type=stderr")).await.read();
    assert_eq!((err.log_type, err.full_log.as_str()), (Stream::Stderr, "\u{fffd}\n"));

    let file = server.get(&format!("/logs/{job}/stderr")).await;
    assert_eq!(file.body, b"\xff\n".as_slice());
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(file.header("content-length"), "2");
    assert_eq!(
        file.header("content-disposition"),
        format!("attachment; filename=\"{job}-stderr.log\"")
    );
    assert_eq!(file.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_long_log_is_shown_by_its_end() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let line = "0123456789\n";
    let whole = line.repeat(200_000);
    std::fs::write(server.jobs.log_path(job, Stream::Stdout), &whole).unwrap();
    let logs: Logs = server.get(&format!("/logs/{job}?log_type=stdout")).await.read();
    assert!(logs.truncated);
    assert_eq!(logs.full_log.len(), 1024 * 1024);
    assert!(whole.ends_with(&logs.full_log));
    assert_eq!(logs.last_1000_lines, line.repeat(1000));
    let file = server.get(&format!("/logs/{job}/stdout")).await;
    assert_eq!(file.body.len(), whole.len());
}

#[tokio::test]
async fn a_log_that_was_not_begun_is_empty() {
    let server = Server::new().await;
    let job = server.running().await;
    let logs: Logs = server.get(&format!("/logs/{job}")).await.read();
    assert_eq!((logs.full_log.as_str(), logs.truncated), ("", false));
    let file = server.get(&format!("/logs/{job}/stderr")).await;
    assert_eq!((file.status.as_u16(), file.header("content-length"), file.text()), (200, "0", ""));
}

#[tokio::test]
async fn a_job_is_cancelled_once_and_says_so_twice() {
    let server = Server::new().await;
    let job = server.running().await;
    let cancel = format!("/cancel/{job}");
    let first: Cancelled = server.post(&cancel, &json!({})).await.read();
    // Without a body, as `curl -X POST` sends it.
    let second: Cancelled = server.send(request(Method::POST, &cancel, &[], "")).await.read();
    assert!(first.cancelled && second.cancelled);
    server.until(job, |_| false).await;
    let status: Status = server.get(&format!("/status/{job}")).await.read();
    assert_eq!((status.status, status.reason), (JobStatus::Cancelled, Some(Reason::Cancelled)));
    assert!(status.download_link.is_some(), "a cancelled job is packaged too");
}

#[tokio::test]
async fn a_cancel_after_the_end_says_how_it_ended() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    let late: Cancelled = server.post(&format!("/cancel/{job}"), &json!({})).await.read();
    assert_eq!((late.cancelled, late.status), (false, JobStatus::Complete));
    let job = server.running().await;
    let cancel = format!("/cancel/{job}");
    server.post(&cancel, &json!({})).await;
    server.until(job, |_| false).await;
    let late: Cancelled = server.post(&cancel, &json!({})).await.read();
    assert_eq!((late.cancelled, late.status), (true, JobStatus::Cancelled), "it had ended so");
}

#[tokio::test]
async fn events_come_until_the_end_and_from_anywhere() {
    let server = Server::new().await;
    let job = server.schedule(HELLO).await;
    let path = format!("/v1/jobs/{job}/events");
    let live = server.get(&path).await;
    assert_eq!(live.header("content-type"), "text/event-stream");
    let all = events(&live);
    let seqs: Vec<u64> = all.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=all.len() as u64).collect::<Vec<_>>());
    assert!(matches!(all.last().unwrap().event, EventKind::Ended { .. }));
    assert!(all.iter().any(|event| matches!(&event.event, EventKind::Output { text: Some(text), .. } if text == "hello\n")));

    assert_eq!(events(&server.get(&format!("{path}?after=2")).await), all[2..]);
    let header =
        |id: &str| request(Method::GET, &format!("{path}?after=1"), &[("last-event-id", id)], "");
    assert_eq!(events(&server.send(header("3")).await), all[3..], "the header comes first");

    let last = all.len().to_string();
    let over = server.send(header(&last)).await;
    assert_eq!((over.status.as_u16(), over.text()), (204, ""), "a browser stays away then");
}

#[tokio::test]
async fn a_closing_server_ends_its_streams() {
    let server = Server::new().await;
    let job = server.running().await;
    server.closing.cancel();
    let stream = server.get(&format!("/v1/jobs/{job}/events")).await;
    assert_eq!(stream.status, 200, "and it had an end though the job goes on");
}

/// Reads Server-Sent Events, whose `id` and `event` must be those of the event.
fn events(answer: &Answer) -> Vec<Event> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (greeting, rest) = answer.text().split_once("\n\n").expect("a first block");
    assert_eq!(greeting, "retry: 2000", "when to come again, before anything can go wrong");
    let blocks = rest.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    blocks.map(event).collect()
}

fn event(block: &str) -> Event {
    let field = |name: &str| {
        let mut values =
            block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        values.next().unwrap_or_else(|| panic!("{name} in {block:?}"))
    };
    let event: Event = serde_json::from_str(field("data")).unwrap();
    assert_eq!(field("id"), event.seq.to_string());
    assert_eq!(field("event"), serde_json::to_value(&event.event).unwrap()["type"]);
    event
}
