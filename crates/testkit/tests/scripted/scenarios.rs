//! The scenarios that come with the crate can be played, and so can those in SCENARIOS.md.

use std::path::Path;

use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::{Provider, Scenario};

use crate::client::Ask;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a file")
}

/// The tools that are called until `finish`, with every call answered by `ok`.
async fn played(name: &str) -> Vec<String> {
    let server = ScriptedModel::start(Scenario::parse(&file(name)).expect("a scenario")).await;
    let mut analysis = Ask::new(Provider::OpenAi, "do it");
    analysis.body["tool_choice"] = json!({ "type": "function", "function": { "name": "plan" } });
    let mut ask = Ask::new(Provider::OpenAi, "do it");
    let mut tools = vec![];
    let mut message = analysis.whole().json(&server).await["choices"][0]["message"].clone();
    loop {
        let call = message["tool_calls"][0].clone();
        tools.push(call["function"]["name"].as_str().expect("a name").to_owned());
        if call["function"]["name"] == "finish" {
            assert_eq!(server.complaints(), [""; 0]);
            return tools;
        }
        ask = ask.and(json!([
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": call["id"], "content": "ok" },
        ]));
        message = ask.clone().whole().json(&server).await["choices"][0]["message"].clone();
    }
}

#[tokio::test]
async fn ours_are_played_to_the_end() {
    assert_eq!(played("scenarios/hello.json").await, ["plan", "shell", "finish"]);
    let tools = ["plan", "write_file", "write_file", "shell", "edit_file", "shell", "finish"];
    assert_eq!(played("scenarios/fibonacci.json").await, tools);
}

/// By turns, a conversation in words goes on as one with native calls does.
#[tokio::test]
async fn plans_are_no_turns_in_words_either() {
    let server =
        ScriptedModel::start(Scenario::parse(&file("scenarios/hello.json")).unwrap()).await;
    let mut ask = Ask::new(Provider::Alchemyst, "do it").and(json!([
        { "role": "assistant", "content": "Plan.\n```json\n{\"tool\": \"plan\", \"arguments\": {}}\n```" },
        { "role": "user", "content": "Result of plan:\nnoted" },
    ]));
    assert!(ask.said(&server).await.0.contains("echo hello"));
    ask = ask.and(json!([
        { "role": "assistant", "content": "```bash\necho hello\n```" },
        { "role": "user", "content": "Result of shell:\nhello" },
    ]));
    assert!(ask.said(&server).await.0.contains("\"finish\""));
    let seen = server.requests();
    let calls: Vec<&str> =
        seen[1].messages.iter().flat_map(|m| &m.calls).map(|c| c.call.tool.as_str()).collect();
    assert_eq!(calls, ["plan", "shell"]);
}

#[tokio::test]
async fn tools_in_words_are_known() {
    let server =
        ScriptedModel::start(Scenario::parse(&file("scenarios/hello.json")).unwrap()).await;
    let mut ask = Ask::new(Provider::Alchemyst, "do it\n\nYour answer must be a call of `plan`.");
    ask.turns()[0]["content"] =
        json!("Agent.\nTools:\n- shell(command: string): runs\n- plan(items: [any]): plans\n");
    assert!(ask.said(&server).await.0.contains("\"plan\""));
    let seen = &server.requests()[0];
    assert_eq!(seen.tools, ["shell", "plan"]);
    assert!(seen.is_analysis() && !seen.is_summary());
}

#[test]
fn examples_in_the_documentation_can_be_read() {
    let text = file("SCENARIOS.md");
    let blocks: Vec<&str> =
        text.split("```json\n").skip(1).map(|b| b.split("\n```").next().unwrap()).collect();
    assert!(blocks.len() >= 4, "{blocks:?}");
    for block in blocks {
        Scenario::parse(block).unwrap_or_else(|e| panic!("{e}: {block}"));
    }
}

/// Every fault has its line in the documentation, and every line is a fault.
#[test]
fn faults_are_documented() {
    let text = file("SCENARIOS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let kinds: Vec<&str> = rows.map(|(kind, _)| kind).filter(|kind| !kind.contains(' ')).collect();
    for kind in &kinds {
        let fault: Value = match *kind {
            "status" => json!({ "kind": kind, "status": 500 }),
            "cut" => json!({ "kind": kind, "at_byte": 1 }),
            "bad_arguments" => json!({ "kind": kind, "how": "cut" }),
            _ => json!({ "kind": kind }),
        };
        let scenario = json!({ "replies": [{ "fault": fault }] }).to_string();
        Scenario::parse(&scenario).unwrap_or_else(|e| panic!("{kind}: {e}"));
    }
    let error = Scenario::parse(r#"{ "replies": [{ "fault": { "kind": "none" } }] }"#).unwrap_err();
    let known: Vec<&str> =
        error.split("expected one of").nth(1).unwrap().split('`').skip(1).step_by(2).collect();
    assert!(known.len() > 20, "{error}");
    for kind in known {
        assert!(kinds.contains(&kind), "{kind} is not in SCENARIOS.md");
    }
}
