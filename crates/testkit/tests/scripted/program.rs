//! The server as a program.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::HTTP;

/// It plays this scenario; its output, and what it exports.
async fn start(scenario: &str) -> (Child, BufReader<ChildStdout>, Vec<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_scripted-model"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(scenario))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = vec![];
    while !lines.last().is_some_and(|line: &String| line.starts_with("export OLLAMA_MODEL")) {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).await.expect("a line"), 0, "{lines:?}");
        lines.push(line.trim().to_owned());
    }
    (child, out, lines)
}

async fn interrupted(mut child: Child, mut out: BufReader<ChildStdout>) -> (Option<i32>, String) {
    let pid = Pid::from_raw(child.id().expect("it runs").try_into().expect("a pid"));
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    let mut said = String::new();
    out.read_to_string(&mut said).await.expect("text");
    (child.wait().await.expect("its end").code(), said)
}

#[tokio::test]
async fn it_says_where_it_is_and_what_was_wrong() {
    let (child, out, lines) = start("scenarios/hello.json").await;
    let value = |name: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(&format!("export {name}=")));
        line.unwrap_or_else(|| panic!("{name}: {lines:?}")).to_owned()
    };
    assert_eq!(value("CAGENT_MODELS"), "alchemyst,gemini,openai,anthropic,ollama");
    let url = format!("{}/chat/completions", value("OPENAI_BASE_URL"));
    let tools = json!([{ "type": "function", "function": { "name": "shell" } }]);
    let user = json!([{ "role": "user", "content": "hello" }]);
    let body = json!({ "model": value("OPENAI_MODEL"), "messages": user, "tools": tools });
    let request = HTTP.post(&url).bearer_auth(value("OPENAI_API_KEY")).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["arguments"], "{\"command\":\"echo hello\"}", "{answer}");

    HTTP.post(&url).json(&body).send().await.unwrap();
    let (code, said) = interrupted(child, out).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("requests: 2") && said.contains("didn't provide an API key"), "{said}");
}

#[tokio::test]
async fn nothing_wrong_is_a_success() {
    let (child, out, _) = start("scenarios/fibonacci.json").await;
    assert_eq!(interrupted(child, out).await.0, Some(0));
}
