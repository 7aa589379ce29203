//! Talking to an agent: messages, decisions, and what is shown of its work.

use api::{Code, Job, JobList, Recorded, Status};
use axum::http::{Method, StatusCode};
use models::Price;
use serde_json::{Value, json};
use types::{EventKind, JobId, JobStatus, Mode, Waiting};

use crate::support::{Answer, HELLO, Server, request};

/// A job that waits for a decision about its first step.
async fn waiting(server: &Server) -> JobId {
    let body = json!({"prompt": "Look around.", "model": "ollama", "approve": true});
    let scheduled: api::Scheduled = server.post("/schedule", &body).await.read();
    let job = scheduled.job_id;
    server.until(job, |event| matches!(event, EventKind::Waiting { .. })).await;
    job
}

fn recorded(answer: &Answer) -> Recorded {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn say(server: &Server, job: JobId, text: &str) -> Answer {
    server.post(&format!("/v1/jobs/{job}/messages"), &json!({ "text": text })).await
}

async fn decide(server: &Server, job: JobId, body: Value) -> Answer {
    server.post(&format!("/v1/jobs/{job}/approval"), &body).await
}

#[tokio::test]
async fn a_person_decides_and_the_agent_goes_on() {
    let server = Server::with_model(None).await;
    let job = waiting(&server).await;
    let status: Status = server.get(&format!("/status/{job}")).await.read();
    let list: JobList = server.get("/jobs").await.read();
    assert_eq!(list.jobs[0].waiting, status.waiting);
    let Some(Waiting::Approval { step, code, .. }) = status.waiting else { panic!("{status:?}") };
    assert_eq!((status.status, step, code.as_deref()), (JobStatus::Running, 1, Some("ls")));
    assert_eq!((status.summary, status.artifacts, status.checks), (None, None, None));

    let no = json!({"step": 1, "approve": false, "reason": "not that"});
    let decided = recorded(&decide(&server, job, no.clone()).await);
    assert_eq!(recorded(&decide(&server, job, no).await), decided, "the same again is the same");
    let status: Value = server.get(&format!("/status/{job}")).await.read();
    assert_eq!(status["waiting"], Value::Null);
    let list: Value = server.get("/jobs").await.read();
    assert_eq!(list["jobs"][0].get("waiting"), Some(&Value::Null), "there, and null");
    let said = recorded(&say(&server, job, "be brief").await);
    assert_eq!((said.job_id, said.seq > decided.seq), (job, true));

    server.until(job, |_| false).await;
    let job: Job = server.get(&format!("/job/{job}")).await.read();
    assert_eq!(job.status, JobStatus::Complete, "{:?}", job.error);
    assert_eq!((job.title.as_str(), job.mode, job.approve), ("Look around.", Mode::Agent, true));
    assert_eq!((job.model.as_deref(), job.waiting), (Some("ollama"), None));
    assert_eq!((job.summary.as_deref(), job.verified), (Some("be brief"), Some(true)));
    assert_eq!(job.artifacts.unwrap(), ["hello.txt"]);
    assert_eq!(job.checks.unwrap()[0].what, "it is there");
    let late = say(&server, job.job_id, "thanks").await.problem(Code::JobOver);
    assert!(late.detail.contains("complete"), "{late:?}");
    decide(&server, job.job_id, json!({"step": 2, "approve": true})).await.problem(Code::JobOver);
}

#[tokio::test]
async fn what_nobody_waits_for_is_refused() {
    let server = Server::with_model(None).await;
    let job = waiting(&server).await;
    let decided = decide(&server, job, json!({"step": 2, "approve": true})).await;
    let problem = decided.problem(Code::NotWaiting);
    assert!(problem.detail.contains("step 2"), "{problem:?}");
    for (body, word) in [
        (json!({"step": 1}), "`approve`"),
        (json!({"approve": true}), "`step`"),
        (json!({"step": -1, "approve": true}), "step"),
        (json!({"step": 1, "approve": "yes"}), "approve"),
        (json!({"step": 1, "approve": true, "why": "x"}), "`why`"),
    ] {
        let problem = decide(&server, job, body).await.problem(Code::InvalidField);
        assert!(problem.detail.contains(word), "{word}: {problem:?}");
    }
    let long = "x".repeat(64 * 1024 + 1);
    let body = json!({"step": 1, "approve": false, "reason": long});
    let problem = decide(&server, job, body).await.problem(Code::TooLarge);
    assert_eq!(problem.errors[0].field, "reason");
    assert_eq!(say(&server, job, &long).await.problem(Code::TooLarge).errors[0].field, "text");
    for empty in ["", " \n\t"] {
        let problem = say(&server, job, empty).await.problem(Code::InvalidField);
        assert_eq!(problem.errors[0].field, "text");
    }
    let path = format!("/v1/jobs/{job}/messages");
    server.send(request(Method::POST, &path, &[], "{}")).await.problem(Code::MediaType);
    let json = [("content-type", "application/json")];
    for (call, example) in [
        (path.clone(), r#"such as {"text": "…"}"#),
        (format!("/v1/jobs/{job}/approval"), r#"such as {"step": 3, "approve": true}"#),
        ("/schedule".into(), r#"such as {"prompt": "…"}"#),
        ("/submit".into(), r#"such as {"task": "…"}"#),
    ] {
        let cut = server.send(request(Method::POST, &call, &json, "{")).await;
        let problem = cut.problem(Code::InvalidJson);
        assert!(problem.detail.ends_with(example), "{call}: {problem:?}");
    }
    server.send(request(Method::GET, &path, &[], "")).await.problem(Code::MethodNotAllowed);
    let whole = "\u{1}".repeat(64 * 1024);
    recorded(&say(&server, job, &whole).await);
}

#[tokio::test]
async fn nobody_is_there_to_hear_it() {
    let server = Server::with_model(None).await;
    let nobody = JobId::generate();
    say(&server, nobody, "hello").await.problem(Code::UnknownJob);
    decide(&server, nobody, json!({"step": 1, "approve": true})).await.problem(Code::UnknownJob);
    let body = json!({"prompt": HELLO, "mode": "runbook"});
    let runbook: api::Scheduled = server.post("/schedule", &body).await.read();
    say(&server, runbook.job_id, "hello").await.problem(Code::NoAgent);
    let cancelled = waiting(&server).await;
    server.post(&format!("/cancel/{cancelled}"), &json!({})).await;
    say(&server, cancelled, "wait!").await.problem(Code::JobOver);
}

#[tokio::test]
async fn models_and_budgets_are_checked_before_anything_is_made() {
    let server = Server::with_model(None).await;
    let refused = async |field: &str, value: Value, code, words: &[&str]| {
        let body = json!({"prompt": "Look around.", field: value});
        let problem = server.post("/schedule", &body).await.problem(code);
        for word in words {
            assert!(problem.detail.contains(word), "{word}: {problem:?}");
        }
    };
    refused("model", json!("gpt-9"), Code::UnknownModel, &["gpt-9", "ollama/llama"]).await;
    for (field, value) in [
        ("steps", json!(0)),
        ("model_calls", json!(0)),
        ("cost_usd", json!(-1)),
        ("cost_usd", json!(0)),
    ] {
        let limits = json!({ field: value });
        refused("limits", limits, Code::BadLimits, &[&format!("limits.{field}"), "between"]).await;
    }
    let words = ["limits.cost_usd", "docs/models.md", "limits.model_tokens"];
    refused("limits", json!({"cost_usd": 1}), Code::BadLimits, &words).await;
    let list: Value = server.get("/jobs").await.read();
    assert_eq!(list["jobs"], json!([]));

    let server = Server::with_model(Some(Price { input: 1.0, cached: 1.0, output: 1.0 })).await;
    let body = json!({"prompt": "Look around.", "limits": {"cost_usd": 1}});
    let _: api::Scheduled = server.post("/schedule", &body).await.read();
}
