//! Measuring works: as little of it as shows that, on the program that the other tests use. What
//! comes out says nothing about speed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::Command;

use serde_json::{Value, json};

#[test]
fn runbooks_are_measured() {
    let rows = measured(&["launch", "status"]);
    let keyed = "GET /status with 50 jobs, showing a key";
    for name in ["POST → first output", "POST → complete", "GET /status with 50 jobs", keyed] {
        assert!(floor(row(&rows, name)) > 0.0, "{rows:#?}");
    }
}

#[test]
fn desktops_are_measured() {
    let rows = measured(&["first-frame", "screenshot", "click", "idle-job", "idle-desktop"]);
    let looks = ["first look at a running job", "screenshot.png", "a click"];
    for name in looks.into_iter().chain(["memory of an idle job", "memory of an idle job with a"]) {
        assert!(floor(row(&rows, name)) > 0.0, "{rows:#?}");
    }
}

#[test]
fn docker_is_measured() {
    let rows = measured(&["docker", "cancel-docker", "idle-docker", "image"]);
    let cancel = "cancel → no process left on Docker";
    for name in ["POST → complete on Docker", cancel, "memory of an idle job on Docker"] {
        assert!(floor(row(&rows, name)) > 0.0, "{rows:#?}");
    }
    row(&rows, "size of containerized-agent:latest");
}

#[test]
fn pressure_is_measured() {
    let rows = measured(&["reattach", "queue", "big-log", "crowd", "flood"]);
    for name in [
        "kill -9 → all of 4 running jobs",
        "GET /status with 100 jobs in the queue",
        "orchestrator with 100 jobs in the queue",
        "20 MB of log through one job: speed",
        "a line → 10 clients that follow 2 jobs",
        "POST → first output beside 10 clients",
        "a job's line beside a flood of events",
    ] {
        assert!(floor(row(&rows, name)) > 0.0, "{rows:#?}");
    }
    row(&rows, "20 MB of log through one job: orchestrator grows by");
}

#[test]
fn agents_are_measured() {
    let rows = measured(&["hello", "step", "long-job", "agents"]);
    for name in ["a task of one command", "an agent's step", "orchestrator with 4 agents"] {
        assert!(floor(row(&rows, name)) > 0.0, "{rows:#?}");
    }
    for name in ["agentd after 10 steps", "a log of a million tokens"] {
        row(&rows, name);
    }
}

/// The rows of these measurements.
fn measured(what: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("results.json");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(what.iter().flat_map(|what| ["--only", what]));
    let output = bench.args(["--quick", "--json"]).arg(&json).output().unwrap();
    assert!(output.status.success(), "{output:#?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["skipped"], json!([]), "`scripts/setup test` and `make testimage` cure that");
    report["rows"].as_array().unwrap().clone()
}

/// The row whose name begins like this, which was measured.
fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    let row = rows.iter().find(|row| row["name"].as_str().unwrap().starts_with(name));
    let row = row.unwrap_or_else(|| panic!("{name} in {rows:#?}"));
    assert!(row["measured"]["n"].as_u64().unwrap() > 0, "{row:#}");
    row
}

/// Its first floor.
fn floor(row: &Value) -> f64 {
    row["floors"][0]["measured"]["median"].as_f64().unwrap()
}
