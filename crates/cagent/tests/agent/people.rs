//! People in between: what they say is heard, what they reject is not run.

use std::process::Stdio;

use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply};
use testkit::{Builder, DataDir, Server};
use types::{EventKind, JobId, JobStatus, Reason, Speaker, StepOutcome, Waiting};

use crate::inside::{agent, go};
use crate::support::{Model, SHORT, ended, finish, shell};

const ONE: &[Provider] = &[Provider::Gemini];

/// Says that it is there, and goes on when there is a file `go`.
const PATIENT: &str = "echo here; until [ -e go ]; do sleep 0.02; done";

#[tokio::test]
async fn what_is_said_while_a_step_runs_is_in_the_next_request() {
    let model = Model::says([shell(PATIENT), finish(&[], "")]).await;
    let server = model.asked_by(ONE).start().await;
    let job = give(&server, json!({})).await;
    until(&server, job, |event| matches!(event, EventKind::Output { .. })).await;
    say(&server, job, "use port 8080").await;
    let told = cagent(&server, &["say", &job.to_string(), "and", "be quick"]).await;
    assert!(told.contains("next turn"), "{told}");
    go(server.data_dir().path());
    let ended = ended(&server, job).await;
    ended.assert_complete();
    let heard = model.requests()[1].last();
    let (port, quick) = (heard.find("use port 8080"), heard.find("and be quick"));
    assert!(port.is_some() && port < quick, "{heard}");
    let by_person =
        |event: &EventKind| matches!(event, EventKind::Said { by: Speaker::Person, .. });
    assert_eq!(ended.events.iter().filter(|event| by_person(&event.event)).count(), 2);
    let body = String::from_utf8_lossy(&model.requests()[1].body).into_owned();
    assert_eq!(body.matches("use port 8080").count(), 1, "{body}");
}

#[tokio::test]
async fn what_is_said_before_a_job_begins_is_in_its_first_request() {
    let model = Model::with(|seen| match seen.task().contains("first") {
        true if seen.turns() == 0 => shell(PATIENT),
        _ => finish(&[], ""),
    });
    let model = model.await;
    let server = model.asked_by(ONE).arg("--concurrency=1").start().await;
    let first = give(&server, json!({ "prompt": "the first" })).await;
    until(&server, first, |event| matches!(event, EventKind::Output { .. })).await;
    let second = give(&server, json!({ "prompt": "the second" })).await;
    say(&server, second, "mind the gap").await;
    go(server.data_dir().path());
    ended(&server, second).await.assert_complete();
    let requests = model.requests();
    let asked = requests.iter().find(|seen| seen.task().contains("second")).unwrap();
    assert!(asked.contains("mind the gap"), "{:#?}", asked.messages);
}

#[tokio::test]
async fn a_claim_waits_for_what_a_person_said_meanwhile() {
    let model = Model::with(|seen| match seen.contains("one more thing") {
        true => finish(&[], "test -d ."),
        false => finish(&[], PATIENT),
    });
    let model = model.await;
    let server = model.asked_by(ONE).start().await;
    let job = give(&server, json!({})).await;
    until(&server, job, |event| matches!(event, EventKind::Output { .. })).await;
    say(&server, job, "one more thing").await;
    go(server.data_dir().path());
    ended(&server, job).await.assert_verified();
    assert!(model.requests()[1].contains("a person has said something meanwhile"));
}

#[tokio::test]
async fn nobody_hears_what_is_said_to_a_job_that_is_over_or_to_a_runbook() {
    let model = Model::says([finish(&[], "")]).await;
    let server = model.asked_by(ONE).start().await;
    let job = give(&server, json!({})).await;
    ended(&server, job).await;
    let refused = post(&server, job, "messages", json!({ "text": "hello?" })).await;
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("job_over")), "{}", refused.1);
    let refused = post(&server, job, "approval", json!({ "step": 1, "approve": true })).await;
    assert_eq!(refused.0, 409, "{}", refused.1);
    let runbook = server.client().run(&format!("```sh\n{PATIENT}\n```\n")).await;
    until(&server, runbook, |event| matches!(event, EventKind::Output { .. })).await;
    let refused = post(&server, runbook, "messages", json!({ "text": "hello?" })).await;
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("no_agent")), "{}", refused.1);
}

#[tokio::test]
async fn each_step_waits_for_approval_and_a_no_is_heard_with_its_reason() {
    let write = json!({ "path": "two.txt", "content": "two\n" });
    let model = Model::says([
        shell("echo one > one.txt"),
        shell("rm one.txt"),
        Reply::call("write_file", write),
        finish(&["one.txt", "two.txt"], "grep -q one one.txt"),
    ]);
    let model = model.await;
    let server = model.asked_by(ONE).start().await;
    let job = give(&server, json!({ "approve": true })).await;
    let id = job.to_string();

    assert_eq!(waiting(&server, job, 1).await, "echo one > one.txt");
    let wrong = post(&server, job, "approval", json!({ "step": 2, "approve": true })).await;
    assert_eq!((wrong.0, &wrong.1["code"]), (409, &json!("not_waiting")), "{}", wrong.1);
    decide(&server, job, json!({ "step": 1, "approve": true })).await;
    // Twice is once.
    decide(&server, job, json!({ "step": 1, "approve": true })).await;
    assert_eq!(waiting(&server, job, 2).await, "rm one.txt");
    let told = cagent(&server, &["approve", &id, "--reject", "it is needed"]).await;
    assert!(told.contains("rejected step 2"), "{told}");
    assert_eq!(waiting(&server, job, 3).await, "two\n");
    assert!(cagent(&server, &["approve", &id]).await.contains("approved step 3"));
    // The check is a step, too.
    assert!(waiting(&server, job, 4).await.contains("grep -q one one.txt"));
    decide(&server, job, json!({ "step": 4, "approve": true })).await;

    let ended = ended(&server, job).await;
    ended.assert_verified();
    use StepOutcome::{Ok, Rejected};
    assert_eq!(ended.steps(), [Ok, Rejected, Ok, Ok]);
    assert_eq!((ended.text("one.txt"), ended.text("two.txt")), ("one\n".into(), "two\n".into()));
    let heard = model.requests()[2].last();
    assert!(heard.contains("it is needed"), "{heard}");
    assert!(ended.job.waiting.is_none());
}

#[tokio::test]
async fn a_job_that_waits_goes_on_waiting_with_the_next_server() {
    let data = DataDir::new();
    let model = Model::says([shell("echo one >> one.txt"), finish(&["one.txt"], "")]).await;
    let builder = || Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data).model(&model, ONE);
    let server = builder().start().await;
    let job = give(&server, json!({ "approve": true })).await;
    waiting(&server, job, 1).await;
    server.kill().await;

    let server = builder().start().await;
    assert_eq!(waiting(&server, job, 1).await, "echo one >> one.txt");
    say(&server, job, "well done").await;
    decide(&server, job, json!({ "step": 1, "approve": true })).await;
    let ended = ended(&server, job).await;
    ended.assert_verified();
    assert_eq!(ended.text("one.txt"), "one\n");
    assert_eq!(model.counters().requests, 2, "nothing is asked twice");
    assert!(model.requests()[1].contains("well done"));
}

#[tokio::test]
async fn a_decision_that_its_server_could_not_pass_on_is_obeyed_with_the_next_one() {
    let data = DataDir::new();
    let model = Model::says([shell("echo one >> one.txt"), finish(&["one.txt"], "")]).await;
    let builder = || Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data).model(&model, ONE);
    let server = builder().start().await;
    let job = give(&server, json!({ "approve": true })).await;
    waiting(&server, job, 1).await;
    let agent = agent(data.path()).unwrap();
    signal(&agent, "STOP");
    decide(&server, job, json!({ "step": 1, "approve": true })).await;
    say(&server, job, "well done").await;
    server.kill().await;
    signal(&agent, "CONT");

    let server = builder().start().await;
    let ended = ended(&server, job).await;
    ended.assert_verified();
    assert_eq!(ended.text("one.txt"), "one\n");
    assert!(model.requests()[1].contains("well done"));
}

fn signal(process: &std::path::Path, signal: &str) {
    let pid = process.file_name().unwrap();
    let sent = std::process::Command::new("kill").args(["-s", signal]).arg(pid).status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn a_job_that_waits_can_be_cancelled() {
    let model = Model::says([shell("touch ran")]).await;
    let server = model.asked_by(ONE).start().await;
    let job = give(&server, json!({ "approve": true })).await;
    waiting(&server, job, 1).await;
    assert!(server.client().cancel(job).await.cancelled);
    let ended = ended(&server, job).await;
    assert_eq!(ended.job.status, JobStatus::Cancelled, "{:#?}", ended.job);
    assert!(ended.job.waiting.is_none() && !ended.files.contains_key("ran"));
}

#[tokio::test]
async fn steps_of_a_runbook_wait_too_and_a_no_ends_it() {
    let server = Server::start(env!("CARGO_BIN_EXE_cagent")).await;
    let runbook = "```sh\necho one > one\n```\n```sh\necho two > two\n```\n```sh\nexit 1\n```\n";
    let job = give(&server, json!({ "prompt": runbook, "mode": "runbook", "approve": true })).await;
    for step in [1, 2] {
        waiting(&server, job, step).await;
        decide(&server, job, json!({ "step": step, "approve": true })).await;
    }
    waiting(&server, job, 3).await;
    let no = json!({ "step": 3, "approve": false, "reason": "enough" });
    decide(&server, job, no).await;
    let ended = ended(&server, job).await;
    assert_eq!(ended.job.reason, Some(Reason::Rejected), "{:#?}", ended.job);
    assert!(ended.job.error.as_ref().unwrap().contains("enough"), "{:#?}", ended.job);
    assert!(ended.files.contains_key("one") && ended.files.contains_key("two"));
}

async fn give(server: &Server, fields: Value) -> JobId {
    let mut body = json!({ "prompt": SHORT, "mode": "agent" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.client().schedule(&body).await
}

async fn until(server: &Server, job: JobId, wanted: impl Fn(&EventKind) -> bool) {
    server.client().events_until(job, |event| wanted(&event.event)).await;
}

/// Waits until a job waits for this step's approval; what would be run.
async fn waiting(server: &Server, job: JobId, step: u32) -> String {
    let this = |event: &EventKind| matches!(event, EventKind::Waiting { waiting: Waiting::Approval { step: of, .. } } if *of == step);
    until(server, job, this).await;
    let record = server.client().job(job).await;
    let Some(Waiting::Approval { step: of, code, .. }) = record.waiting else {
        panic!("{record:#?}")
    };
    assert_eq!((of, record.status), (step, JobStatus::Running));
    assert!(server.client().status(job).await.waiting.is_some());
    code.unwrap_or_default()
}

async fn say(server: &Server, job: JobId, text: &str) {
    let (status, answer) = post(server, job, "messages", json!({ "text": text })).await;
    assert_eq!(status, 202, "{answer}");
}

async fn decide(server: &Server, job: JobId, decision: Value) {
    let (status, answer) = post(server, job, "approval", decision).await;
    assert_eq!(status, 202, "{answer}");
}

async fn post(server: &Server, job: JobId, what: &str, body: Value) -> (u16, Value) {
    let answer = server.client().post(&format!("/v1/jobs/{job}/{what}"), &body).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the program says when it is called on this server; it must succeed.
async fn cagent(server: &Server, args: &[&str]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cagent"));
    let command = command.args(["--server", server.url()]).args(args).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
