//! Jobs with files, with a network and an environment, and requests that are sent twice.

use std::fmt::Write as _;

use api::{Code, FileList, Job, JobList, Scheduled};
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, HELLO, Server, WAIT, request};

const FORM: &str = "multipart/form-data; boundary=b";

/// A form of these parts: name, file name, content.
fn form(parts: &[(&str, Option<&str>, &str)]) -> String {
    let mut body = String::new();
    for (name, filename, content) in parts {
        let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let disposition = format!("form-data; name=\"{name}\"{filename}");
        write!(body, "--b\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n").unwrap();
    }
    body + "--b--\r\n"
}

async fn send(server: &Server, headers: &[(&str, &str)], body: &str) -> Answer {
    server.send(request(Method::POST, "/schedule", headers, body)).await
}

async fn submit(server: &Server, parts: &[(&str, Option<&str>, &str)]) -> Answer {
    send(server, &[("content-type", FORM)], &form(parts)).await
}

fn job(prompt: &str) -> String {
    json!({ "prompt": prompt }).to_string()
}

async fn jobs(server: &Server) -> usize {
    let list: JobList = server.get("/jobs").await.read();
    list.jobs.len()
}

#[tokio::test]
async fn files_lie_in_the_workspace_when_a_job_begins() {
    let server = Server::new().await;
    let wait = job(WAIT);
    let parts = [
        ("file", Some("data/in.csv"), "a,b\r\n1,2\r\n"),
        ("job", None, wait.as_str()),
        ("file", Some("empty"), ""),
    ];
    let scheduled: Scheduled = submit(&server, &parts).await.read();
    let id = scheduled.job_id;
    server.until(id, |event| matches!(event, types::EventKind::StepStarted { .. })).await;
    let file = server.get(&format!("/v1/jobs/{id}/files/data/in.csv")).await;
    assert_eq!((file.status.as_u16(), file.text()), (200, "a,b\r\n1,2\r\n"));
    let root: FileList = server.get(&format!("/v1/jobs/{id}/files/")).await.read();
    assert!(root.entries.iter().any(|entry| entry.name == "empty" && entry.bytes == 0));
}

#[tokio::test]
async fn forms_that_are_wrong() {
    use Code::{BadMultipart, BadPath, EmptyPrompt, InvalidJson, TooLarge};
    let server = Server::new().await;
    let hello = job(HELLO);
    let (job, file) = (("job", None, hello.as_str()), ("file", Some("a"), "x"));
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| ("file", Some(name.as_str()), "")).collect();
    let large = "x".repeat(api::MAX_BODY_BYTES + 1);
    for (what, parts, code) in [
        ("no job", &[file][..], BadMultipart),
        ("nothing", &[], BadMultipart),
        ("two jobs", &[job, job], BadMultipart),
        ("a file twice", &[job, file, file], BadMultipart),
        ("a file without a name", &[job, ("file", None, "x")], BadMultipart),
        ("another part", &[job, ("data", Some("a"), "x")], BadMultipart),
        ("out of the workspace", &[job, ("file", Some("../a"), "x")], BadPath),
        ("absolute", &[job, ("file", Some("/etc/passwd"), "x")], BadPath),
        ("reserved", &[job, ("file", Some(".cagent/x"), "x")], BadPath),
        ("a file in a file", &[job, file, ("file", Some("a/b"), "x")], BadPath),
        ("a file around a file", &[job, ("file", Some("a/b/c"), "x"), file], BadPath),
        ("like an upload", &[job, ("file", Some("a/.cagent-upload-1"), "x")], BadPath),
        ("no name", &[job, ("file", Some(""), "x")], BadPath),
        ("no JSON", &[("job", None, "x"), file], InvalidJson),
        ("an empty prompt", &[("job", None, r#"{"prompt": ""}"#), file], EmptyPrompt),
        ("a large job", &[("job", None, large.as_str())], TooLarge),
        ("many files", &many, TooLarge),
    ] {
        let answer = submit(&server, parts).await;
        assert_eq!(answer.problem(code).code, code, "{what}");
    }
    let whole = form(&[job, file]);
    for end in (0..whole.len() - 4).step_by(7) {
        send(&server, &[("content-type", FORM)], &whole[..end]).await.problem(BadMultipart);
    }
    for media_type in ["multipart/form-data", "multipart/form-data; boundary="] {
        send(&server, &[("content-type", media_type)], &whole).await.problem(BadMultipart);
    }
    assert_eq!(jobs(&server).await, 0);
}

#[tokio::test]
async fn files_larger_than_the_workspace_are_refused() {
    let server = Server::new().await;
    let limits = json!({ "disk_bytes": 16 << 20 });
    let job = json!({ "prompt": HELLO, "limits": limits }).to_string();
    let large = "x".repeat((16 << 20) + 1);
    let parts = [("file", Some("large"), large.as_str()), ("job", None, job.as_str())];
    let problem = submit(&server, &parts).await.problem(Code::TooLarge);
    assert_eq!(problem.errors[0].field, "file");
}

#[tokio::test]
async fn a_job_says_what_it_may_reach_and_the_names_of_its_variables() {
    let server = Server::new().await;
    let body = json!({
        "prompt": HELLO,
        "network": ["a.example.org", "example.org"],
        "environment": { "TOKEN": "s3cr3t", "A_1": "" },
    });
    let scheduled: Scheduled = server.post("/schedule", &body).await.read();
    server.until(scheduled.job_id, |_| false).await;
    let answer = server.get(&format!("/job/{}", scheduled.job_id)).await;
    let job: Job = answer.read();
    assert_eq!(job.environment, ["A_1", "TOKEN"]);
    assert_eq!(json!(job.network), json!(["a.example.org", "example.org"]));
    assert!(!answer.text().contains("s3cr3t"));
    let usage: Value = answer.read();
    assert!(usage["usage"].as_object().unwrap().contains_key("egress_sent_bytes"));
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_the_same_job() {
    let server = Server::new().await;
    let keyed = |key| [("content-type", "application/json"), ("idempotency-key", key)];
    let first: Scheduled = send(&server, &keyed("a b"), &job(HELLO)).await.read();
    let again: Scheduled = send(&server, &keyed("a b"), &job(HELLO)).await.read();
    assert_eq!(first, again);
    let other: Scheduled = send(&server, &keyed("c"), &job(HELLO)).await.read();
    assert_ne!(first, other);
    let reused = send(&server, &keyed("a b"), &job(WAIT)).await.problem(Code::KeyReused);
    assert!(reused.detail.contains(&first.job_id.to_string()), "{reused:?}");
    let task = json!({ "task": HELLO }).to_string();
    let elsewhere = request(Method::POST, "/submit", &keyed("a b"), &task);
    server.send(elsewhere).await.problem(Code::KeyReused);
    assert_eq!(jobs(&server).await, 2);
}

#[tokio::test]
async fn a_form_that_is_sent_again_is_the_same_job_however_it_is_written() {
    let server = Server::new().await;
    let hello = job(HELLO);
    let (job, a, b) =
        (("job", None, hello.as_str()), ("file", Some("a"), "x"), ("file", Some("b"), "y"));
    let send = async |parts: &[(&str, Option<&str>, &str)], boundary: &str| {
        let body = form(parts).replace("--b", &format!("--{boundary}"));
        let media_type = format!("multipart/form-data; boundary={boundary}");
        send(&server, &[("content-type", &media_type), ("idempotency-key", "k")], &body).await
    };
    let first: Scheduled = send(&[job, a, b], "one").await.read();
    let again: Scheduled = send(&[b, a, job], "two").await.read();
    assert_eq!(first, again);
    let swapped = [job, ("file", Some("a"), "y"), ("file", Some("b"), "x")];
    for other in [&[job, a][..], &[job, a, ("file", Some("b"), "z")], &swapped] {
        send(other, "one").await.problem(Code::KeyReused);
    }
}

#[tokio::test]
async fn keys_that_are_none() {
    let server = Server::new().await;
    let long = "k".repeat(256);
    for key in ["", "\u{e4}", "a\tb", &long] {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        send(&server, &headers, &job(HELLO)).await.problem(Code::BadKey);
    }
    let two =
        [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "b")];
    send(&server, &two, &job(HELLO)).await.problem(Code::BadKey);
    assert_eq!(jobs(&server).await, 0);
}

#[tokio::test]
async fn three_hundred_at_once_with_one_key_are_one_job() {
    let server = Server::new().await;
    let body = job(HELLO);
    let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
    let all = (0..300).map(|_| send(&server, &headers, &body));
    let answers = futures_util::future::join_all(all).await;
    let first: Scheduled = answers[0].read();
    assert!(answers.iter().all(|answer| answer.read::<Scheduled>() == first));
    assert_eq!(jobs(&server).await, 1);
}
