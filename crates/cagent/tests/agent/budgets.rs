//! What a job may use up, and how it ends when that is gone.

use serde_json::{Value, json};
use testkit::scripted::{Provider, Reply};
use testkit::{Builder, DataDir};
use types::{Event, EventKind, JobStatus, Reason};

use crate::inside::go;
use crate::support::{Ended, Model, SHORT, ended, finish, run_with, shell};

const ONE: &[Provider] = &[Provider::Gemini];

/// A model that never has enough.
async fn insatiable() -> Model {
    Model::with(|seen| shell(&format!("echo {} | tee -a kept.txt", seen.turns()))).await
}

#[tokio::test]
async fn each_budget_ends_the_job_with_its_reason_and_its_work() {
    let model = insatiable().await;
    let server = model.asked_by(ONE).env("GEMINI_PRICE", "10/100").start().await;
    for (limits, reason) in [
        (json!({ "steps": 3 }), Reason::LimitSteps),
        (json!({ "model_calls": 3 }), Reason::LimitModelCalls),
        (json!({ "model_tokens": 10_000 }), Reason::LimitModelTokens),
        (json!({ "cost_usd": 0.2 }), Reason::LimitCost),
    ] {
        let ended = run_with(&server, SHORT, json!({ "limits": limits })).await;
        assert_over(&ended, reason);
        let usage = ended.job.usage.unwrap();
        let (calls, cost) = (usage.model_calls.unwrap(), usage.cost_usd.unwrap().dollars());
        let tokens = usage.input_tokens.unwrap() + usage.output_tokens.unwrap();
        match reason {
            Reason::LimitSteps => assert_eq!(ended.steps().len(), 3),
            Reason::LimitModelCalls => assert_eq!(calls, 3),
            // As far as tokens can be guessed before a call, here a little too low; and as much as
            // there is is made use of.
            Reason::LimitModelTokens => {
                assert!(calls > 3 && tokens <= 10_500, "{calls} calls, {tokens} tokens");
            }
            _ => assert!(cost > 0.0 && cost <= 0.2, "{cost}"),
        }
        let words = limits.as_object().unwrap().keys().next().unwrap();
        assert!(ended.job.error.as_ref().unwrap().contains(words), "{:#?}", ended.job);
    }
}

#[tokio::test]
async fn wall_time_goes_on_while_a_model_or_a_command_takes_its_time() {
    let model = Model::with(|seen| match seen.task().contains("slowly") {
        true if seen.turns() == 1 => Reply { latency_ms: 600_000, ..finish(&[], "") },
        _ if seen.turns() == 0 => shell("echo 0 > kept.txt"),
        _ => shell("sleep 7654395"),
    });
    let model = model.await;
    let server = model.asked_by(ONE).start().await;
    for task in ["Think slowly", "Work on"] {
        let fields = json!({ "limits": { "wall_seconds": 2 } });
        assert_over(&run_with(&server, task, fields).await, Reason::LimitWall);
    }
}

#[tokio::test]
async fn what_an_earlier_server_spent_is_spent() {
    let data = DataDir::new();
    let model = Model::with(|seen| match seen.turns() {
        0 => shell("echo 0 > kept.txt"),
        1 => shell("echo here; until [ -e go ]; do sleep 0.02; done"),
        n => shell(&format!("echo {n}")),
    });
    let model = model.await;
    let builder = || Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data).model(&model, ONE);
    for (limits, reason, requests) in [
        (json!({ "model_calls": 4 }), Reason::LimitModelCalls, 4),
        (json!({ "steps": 3 }), Reason::LimitSteps, 4),
    ] {
        let before = model.counters().requests;
        let server = builder().start().await;
        let body = json!({ "prompt": SHORT, "mode": "agent", "limits": limits });
        let job = server.client().schedule(&body).await;
        let here = |event: &Event| matches!(&event.event, EventKind::Output { step: 2, .. });
        server.client().events_until(job, here).await;
        server.kill().await;
        go(data.path());

        let server = builder().start().await;
        let ended = ended(&server, job).await;
        assert_over(&ended, reason);
        assert_eq!(model.counters().requests - before, requests);
        assert_eq!(ended.job.usage.unwrap().model_calls, Some(requests));
        assert!(server.stop().await.success());
    }
}

#[tokio::test]
async fn nothing_and_less_is_no_budget() {
    let model = insatiable().await;
    let server = model.asked_by(ONE).env("GEMINI_PRICE", "1/2").start().await;
    for field in ["steps", "model_calls", "model_tokens", "cost_usd", "wall_seconds"] {
        for budget in [json!(0), json!(-1), json!(-0.5), json!("x"), json!(1e300)] {
            let (status, problem) = refused(&server, field, &budget).await;
            assert_eq!(status, 422, "{field} {budget}: {problem}");
            assert!(problem.to_string().contains(field), "{field} {budget}: {problem}");
        }
    }
    let (_, problem) = refused(&server, "model_call", &json!(1)).await;
    assert!(problem.to_string().contains("model_call"), "{problem}");
    assert_eq!(model.counters().requests, 0);
    assert!(server.client().jobs().await.jobs.is_empty(), "nothing was kept of them");
}

async fn refused(server: &testkit::Server, field: &str, budget: &Value) -> (u16, Value) {
    let body = json!({ "prompt": SHORT, "mode": "agent", "limits": { field: budget } });
    let answer = server.client().post("/schedule", &body).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// It is no success, says why, and what was made is there.
fn assert_over(ended: &Ended, reason: Reason) {
    let job = &ended.job;
    assert_eq!((job.status, job.reason), (JobStatus::Error, Some(reason)), "{job:#?}");
    assert!(ended.text("kept.txt").starts_with("0\n"), "{job:#?}");
    let manifest: Value = serde_json::from_str(&ended.text(".cagent/manifest.json")).unwrap();
    assert_eq!(manifest["job"]["result"]["status"], "error");
    assert!(ended.files.contains_key(".cagent/runbook.md"));
}
