//! The log as JSON.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use testkit::scripted::{Fault, Provider, Reply, Scenario};
use testkit::{Builder, ScriptedModel};
use types::JobId;

use crate::support::{CAGENT, bash, finish};

/// What must be in no line of the log.
const PROMPT: &str = "canary-prompt-2f7a";
const OUTPUT: &str = "canary-output-91be";
const VARIABLE: &str = "canary-variable-c03d";
const ANSWER: &str = "canary-answer-77e1";

/// `cagent`, whose log goes into a file.
fn program(folder: &Path, log: &Path) -> std::path::PathBuf {
    let script = format!("#!/bin/sh\nexec '{CAGENT}' \"$@\" 2>'{}'\n", log.display());
    let path = folder.join("cagent");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[tokio::test]
async fn every_line_is_an_object_with_its_job_and_without_what_jobs_hold() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let echo = format!("echo {OUTPUT}");
    let call = Reply::call("shell", json!({ "command": echo }));
    let call = Reply { text: ANSWER.into(), ..call };
    let leak = Some(format!("no, {} is over its limit", Provider::Gemini.key()));
    let call = call.but(1, Fault::Status { status: 503, message: leak });
    let model = ScriptedModel::start(Scenario::of([call, finish()])).await;
    let server = Builder::new(program(folder.path(), &log))
        .model(&model, &[Provider::Gemini])
        .env("RUST_LOG", "debug")
        .arg("--log-format")
        .arg("json")
        .start()
        .await;
    let client = server.client();
    let block = bash(&format!("echo {OUTPUT} $NAME; echo {OUTPUT} >&2; exit 3"));
    let fails = json!({ "prompt": format!("# {PROMPT}\n\n{block}"), "mode": "runbook",
        "environment": { "NAME": VARIABLE } });
    let agent = json!({ "prompt": format!("Do {PROMPT}"), "mode": "agent" });
    let jobs = [client.schedule(&fails).await, client.schedule(&agent).await];
    for job in jobs {
        client.wait_end(job).await;
        assert_eq!(client.get(&format!("/v1/jobs/{job}/files/no/such")).await.status(), 404);
    }
    server.stop().await;

    let text = fs::read_to_string(&log).unwrap();
    for canary in [PROMPT, OUTPUT, VARIABLE, ANSWER, Provider::Gemini.key()] {
        assert!(!text.contains(canary), "{canary} is in the log:\n{text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        for field in ["time", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field} of {line}");
        }
        line["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    assert_each_has_its_job(&lines, &jobs);
    let said_of = |job: JobId, message: &str| {
        let of = |line: &&Value| line["job"] == job.to_string() && line["message"] == message;
        lines.iter().find(of).unwrap_or_else(|| panic!("{message} of {job} in:\n{text}"))
    };
    let ended = said_of(jobs[0], "ended");
    assert_eq!((&ended["engine"], &ended["status"]), (&json!("local"), &json!("error")));
    // By another crate, which knows no job.
    assert_eq!(said_of(jobs[1], "a model did not answer")["engine"], "local");
}

/// Whatever names a job in its text has it as a field.
fn assert_each_has_its_job(lines: &[Value], jobs: &[JobId]) {
    for line in lines {
        for job in jobs.iter().map(ToString::to_string) {
            let names = line.to_string().contains(&job);
            assert!(!names || line["job"] == job, "{line}");
        }
    }
}
