//! Which reply comes when.

use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::{Provider, Reply, Scenario, Seen};

use crate::client::Ask;

async fn server(scenario: &str) -> ScriptedModel {
    ScriptedModel::start(Scenario::parse(scenario).expect("a scenario")).await
}

async fn says(server: &ScriptedModel, ask: Ask) -> String {
    ask.said(server).await.0
}

fn ask(text: &str) -> Ask {
    Ask::new(Provider::OpenAi, text)
}

#[tokio::test]
async fn replies_come_one_after_the_other_and_repeat() {
    let server = server(
        r#"{ "replies": [ { "text": "a" }, { "text": "b{{n}}", "repeat": 3 }, { "text": "c" } ] }"#,
    )
    .await;
    for wanted in ["a", "b1", "b2", "b3", "c"] {
        assert_eq!(says(&server, ask("x")).await, wanted);
    }
    assert_eq!(ask("x").refusal(&server).await.0, 400);
    assert!(server.complaints()[0].contains("nothing more to say"), "{:?}", server.complaints());
}

#[tokio::test]
async fn faults_use_nothing_up() {
    let server = server(
        r#"{ "replies": [
            { "fault": { "kind": "status", "status": 503, "times": 2 } },
            { "text": "a", "fault": { "kind": "status", "status": 500 } },
            { "text": "b" } ] }"#,
    )
    .await;
    for status in [503, 503, 500] {
        assert_eq!(ask("x").refusal(&server).await.0, status);
    }
    assert_eq!(says(&server, ask("x")).await, "a");
    assert_eq!(says(&server, ask("x")).await, "b");
    assert_eq!(server.counters().faults, 3);
}

#[tokio::test]
async fn rules_come_first_and_know_what_is_asked() {
    let server = server(
        r#"{ "rules": [
            { "when": { "provider": "gemini", "from": 2 }, "reply": { "fault": { "kind": "status", "status": 503 } } },
            { "when": { "analysis": true }, "reply": { "text": "analysis" } },
            { "when": { "summary": true }, "reply": { "text": "summary" } },
            { "when": { "last_contains": "now" }, "times": 1, "reply": { "text": "now" } },
            { "when": { "task": "special", "contains": "special" }, "reply": { "text": "special" } }
        ], "replies": [ { "text": "{{n}}", "repeat": 9 } ] }"#,
    )
    .await;
    assert_eq!(says(&server, Ask::new(Provider::Gemini, "x")).await, "1");
    assert_eq!(Ask::new(Provider::Gemini, "x").refusal(&server).await.0, 503);
    let mut forced = ask("x");
    forced.body["tools"][0]["function"]["name"] = json!("plan");
    forced.body["tool_choice"] = json!({ "type": "function", "function": { "name": "plan" } });
    assert_eq!(says(&server, forced).await, "analysis");
    let mut bare = ask("x");
    bare.body["tools"] = json!([]);
    assert_eq!(says(&server, bare).await, "summary");
    assert_eq!(says(&server, ask("now")).await, "now");
    assert_eq!(says(&server, ask("now")).await, "2");
    assert_eq!(says(&server, ask("special")).await, "special");
}

#[tokio::test]
async fn conversations_have_their_own_cursors() {
    let server = server(
        r#"{ "conversations": [
            { "match": "job one", "replies": [ { "text": "one a" }, { "text": "one b" } ] },
            { "match": "job two", "replies": [ { "text": "two a" }, { "text": "two b" } ] }
        ], "replies": [ { "text": "else" } ] }"#,
    )
    .await;
    for (task, wanted) in [
        ("job one", "one a"),
        ("job two", "two a"),
        ("job one", "one b"),
        ("x", "else"),
        ("job two", "two b"),
    ] {
        assert_eq!(says(&server, ask(task)).await, wanted);
    }
}

#[tokio::test]
async fn tasks_are_told_apart() {
    let server =
        server(r#"{ "by": "task", "replies": [ { "text": "a" }, { "text": "b" } ] }"#).await;
    for (task, wanted) in [("1", "a"), ("2\nmore", "a"), ("1", "b"), ("2\nother", "b")] {
        assert_eq!(says(&server, ask(task)).await, wanted);
    }
}

#[tokio::test]
async fn turns_decide() {
    let server = server(
        r#"{ "by": "turns", "replies": [
            { "text": "a", "fault": { "kind": "status", "status": 500 } },
            { "text": "b{{n}}", "repeat": 2 }, { "text": "c" } ] }"#,
    )
    .await;
    let after = |turns: usize| {
        let turn =
            json!([{ "role": "assistant", "content": "y" }, { "role": "user", "content": "z" }]);
        (0..turns).fold(ask("x"), |ask, _| ask.and(turn.clone()))
    };
    assert_eq!(after(0).refusal(&server).await.0, 500);
    for (turns, wanted) in [(0, "a"), (0, "a"), (2, "b2"), (1, "b1"), (3, "c"), (3, "c")] {
        assert_eq!(says(&server, after(turns)).await, wanted);
    }
}

#[tokio::test]
async fn a_program_answers() {
    let server = ScriptedModel::with(|seen: &Seen| {
        let sum: i64 = seen.last().split('+').filter_map(|n| n.trim().parse::<i64>().ok()).sum();
        Reply::call("answer", json!({ "sum": sum, "by": seen.provider.as_str() }))
    })
    .await;
    let (_, calls) = Ask::new(Provider::Anthropic, "3 + 4").said(&server).await;
    let arguments: Value = serde_json::from_str(&calls[0].1).unwrap();
    assert_eq!(arguments, json!({ "sum": 7, "by": "anthropic" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_are_answered_and_counted() {
    let scenario = r#"{ "by": "task", "replies": [ { "text": "{{task}}", "repeat": 10 } ] }"#;
    let builder = ScriptedModel::builder(Scenario::parse(scenario).unwrap());
    let server = std::sync::Arc::new(builder.forget().start().await);
    let mut agents = tokio::task::JoinSet::new();
    for agent in 0..50 {
        let server = std::sync::Arc::clone(&server);
        agents.spawn(async move {
            for _ in 0..10 {
                let ask = Ask::new(Provider::ALL[agent % 5], &format!("task {agent}"));
                assert_eq!(ask.said(&server).await.0, format!("task {agent}"));
            }
        });
    }
    while let Some(ended) = agents.join_next().await {
        ended.unwrap();
    }
    server.wait_for(500).await;
    assert_eq!(server.counters().requests, 500);
    assert_eq!((server.requests().len(), server.complaints().len()), (0, 0));
}

#[tokio::test]
async fn what_is_wrong_in_a_scenario_is_said_with_its_place() {
    for (scenario, words) in [
        (r#"{ "replys": [] }"#, "replys"),
        (r#"{ "replies": [ { "text": 3 } ] }"#, "replies[0].text"),
        (r#"{ "replies": [ { "fault": { "kind": "flood" } } ] }"#, "flood"),
        (r#"{ "rules": [ { "when": { "provider": "acme" } } ] }"#, "acme"),
    ] {
        let error = Scenario::parse(scenario).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
