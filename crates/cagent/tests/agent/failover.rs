//! Jobs that another provider finishes, and another orchestrator.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use testkit::DataDir;
use testkit::scripted::{By, Fault, Limit, Provider, Reply, Rule, Scenario, When};
use types::{Event, EventKind};

use crate::inside::go;
use crate::support::{Ended, Model, SHORT, ended, finish, run, shell};

const TASK: &str = "Create a Python script that calculates Fibonacci numbers, with tests";

/// From its `from`th answer on, this one has nothing but a fault.
fn dies(provider: Provider, from: u32, fault: Fault) -> Rule {
    let when = When { provider: Some(provider), from: Some(from), ..When::default() };
    Rule { when, times: None, reply: Reply::default().but(u32::MAX, fault) }
}

#[tokio::test]
async fn alchemyst_dies_and_gemini_goes_on() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/scenarios/fibonacci.json");
    let mut scenario = Scenario::read(path.as_ref()).unwrap();
    let overloaded = Fault::Status { status: 503, message: None };
    scenario.rules.insert(0, dies(Provider::Alchemyst, 4, overloaded));
    let model = Model::plays(scenario).await;
    let ended = model.runs(&[Provider::Alchemyst, Provider::Gemini], TASK).await;
    ended.assert_verified();
    assert_eq!(who_answered(&ended), "alchemyst alchemyst alchemyst gemini gemini gemini gemini");
    assert_eq!(ended.errors().len(), 3, "three tries: {:?}", ended.errors());
    ended.assert_usage(&model);
    let whole = Model::file("fibonacci.json").await.runs(&[Provider::Gemini], TASK).await;
    assert_eq!(ended.steps(), whole.steps(), "the same steps as without");
    assert_eq!(ended.text("fib.py"), whole.text("fib.py"));
}

fn who_answered(ended: &Ended) -> String {
    let calls = ended.calls().into_iter().filter(|call| call.error.is_none());
    calls.map(|call| &*call.provider).collect::<Vec<_>>().join(" ")
}

/// Whoever comes after whomever: the conversation is one that it takes, with all that was done.
#[tokio::test]
async fn everybody_goes_on_where_anybody_stopped() {
    let pairs = Provider::ALL.into_iter().flat_map(|first| {
        Provider::ALL.into_iter().filter(move |next| *next != first).map(move |next| (first, next))
    });
    join_all(pairs.map(|(first, next)| hands_over(first, next))).await;
}

async fn hands_over(first: Provider, next: Provider) {
    let think = |thoughts: &str, reply: Reply| Reply { thoughts: thoughts.into(), ..reply };
    let two = Reply::text("Now two.").and_call("shell", json!({ "command": "echo 2 >> count" }));
    let two = match first {
        Provider::Alchemyst => two,
        _ => two.and_call("shell", json!({ "command": "echo 3 >> count; echo three" })),
    };
    let replies = [
        think("One is first.", shell("echo 1 >> count; echo one")),
        think("Then two.", two),
        think("Then four.", shell("echo 4 >> count; echo four")),
        finish(&["count"], "grep 4 count"),
    ];
    let rules = vec![dies(first, 3, Fault::Quota)];
    let model = Model::plays(Scenario { by: By::Turns, rules, ..Scenario::of(replies) }).await;
    let ended = model.runs(&[first, next], SHORT).await;
    ended.assert_verified();
    let wanted = if first == Provider::Alchemyst { "1\n2\n4\n" } else { "1\n2\n3\n4\n" };
    assert_eq!(ended.text("count"), wanted, "{first:?} {next:?}");
    let (a, b) = (first.as_str(), next.as_str());
    assert_eq!(who_answered(&ended), format!("{a} {a} {b} {b}"));
    let taken_over = &model.requests_to(next)[0];
    assert!(taken_over.contains("one") && taken_over.contains("Now two."), "{first:?} {next:?}");
}

#[tokio::test]
async fn a_conversation_goes_on_in_a_much_smaller_window() {
    let noise = |n: u32| shell(&format!("echo {n} >> count; seq {n}00000 {n}01500"));
    let replies = (1..=6).map(noise).chain([finish(&["count"], "test $(wc -l < count) = 6")]);
    let limit = Limit { tokens: 8192, bytes_per_token: 4, overflow: Default::default() };
    let scenario = Scenario {
        rules: vec![
            dies(Provider::Gemini, 6, Fault::Quota),
            Rule {
                when: When { summary: Some(true), ..When::default() },
                times: None,
                reply: Reply::text("Five are there."),
            },
        ],
        limits: [(Provider::Ollama, limit)].into(),
        ..Scenario::of(replies)
    };
    let model = Model::plays(scenario).await;
    let builder = model.asked_by(&[Provider::Gemini, Provider::Ollama]);
    let server = builder.env("OLLAMA_WINDOW", "8192").start().await;
    let ended = run(&server, SHORT).await;
    ended.assert_verified();
    assert_eq!(ended.text("count"), "1\n2\n3\n4\n5\n6\n");
    let counted = model.counters();
    assert!(counted.max_tokens_by_provider[&Provider::Gemini] > 8192, "{counted:?}");
    assert_eq!(counted.overflows, 0, "nothing was sent that does not fit");
}

/// Dies in the middle of a model's answer; the agent asks its successor.
#[tokio::test]
async fn an_orchestrator_is_killed_while_a_model_answers() {
    let asked = AtomicUsize::new(0);
    let model = Model::with(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => shell("echo 1 >> count"),
        1 => shell("echo 2 >> count").but(1, Fault::Stall { after_frames: 1 }),
        2 => shell("echo 2 >> count"),
        _ => finish(&["count"], "test $(wc -l < count) = 2"),
    });
    let (model, data) = (model.await, DataDir::new());
    let start = || model.asked_by(&[Provider::OpenAi]).data_dir(&data).start();
    let server = start().await;
    let body = json!({ "prompt": SHORT, "mode": "agent" });
    let job = server.client().schedule(&body).await;
    model.wait_for(2).await;
    server.kill().await;

    let server = start().await;
    let ended = ended(&server, job).await;
    ended.assert_verified();
    assert_eq!(ended.text("count"), "1\n2\n");
    assert_eq!(model.counters().requests, 4, "asked once more, and nothing else twice");
    let used = ended.job.usage.unwrap();
    assert_eq!((used.model_calls, ended.calls().len()), (Some(4), 3), "the lost one counts");
    let recorded: u64 = ended.calls().iter().map(|call| call.usage.output_tokens).sum();
    assert!(used.output_tokens.unwrap() >= recorded + 256, "and what it may have taken: {used:?}");
}

/// Dies while a step is running; it is done once.
#[tokio::test]
async fn an_orchestrator_is_killed_while_a_step_runs() {
    let wait = "echo 1 >> count; echo begun; until [ -e go ]; do sleep 0.02; done";
    let replies = [shell(wait), finish(&["count"], "test $(wc -l < count) = 1")];
    let (model, data) = (Model::says(replies).await, DataDir::new());
    let start = || model.asked_by(&[Provider::Anthropic]).data_dir(&data).start();
    let server = start().await;
    let job = server.client().schedule(&json!({ "prompt": SHORT, "mode": "agent" })).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;
    server.kill().await;

    // While nobody is there, the step comes to its end.
    go(data.path());
    let server = start().await;
    let ended = ended(&server, job).await;
    ended.assert_verified();
    assert_eq!(ended.text("count"), "1\n");
    assert_eq!(ended.steps().len(), 2, "the step and the check");
    ended.assert_usage(&model);
}
