//! A memory against a counted window, without a model.

mod disk;
mod fits;
mod learns;
mod needle;
mod prefix;
mod recalls;
mod speed;

use std::collections::BTreeMap;
use std::fs::File;

use serde_json::{Value, json};
use types::{
    ModelAnswer, ModelFacts, ModelRequest, ModelTurn, Part, Plan, PlanItem, Stop, TokenUsage,
    ToolCall, ToolResult, ToolSpec, Turn,
};

use super::cut::json_size;
use super::measure::picture_tokens;
use super::{Context, Entry, Frame};

fn facts(window_tokens: u64) -> ModelFacts {
    ModelFacts { provider: "scripted".into(), model: "m".into(), window_tokens, images: true }
}

/// A memory in a file that is gone afterwards; another handle of the file.
fn memory(window: u64) -> (Context, File) {
    let file = tempfile::Builder::new().append(true).tempfile().unwrap().into_file();
    (Context::open(file.try_clone().unwrap(), facts(window)).unwrap(), file)
}

fn reopened(file: &File, window: u64) -> Context {
    Context::open(file.try_clone().unwrap(), facts(window)).unwrap()
}

fn frame() -> Frame {
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: "Does what its name says, in the sandbox.".into(),
        parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}}),
    };
    Frame {
        system: "You are an agent in a sandbox.".into(),
        tools: ["shell", "recall", "finish"].map(tool).into(),
        must_call: None,
        max_output_tokens: 8000,
    }
}

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments, flaw: None }
}

fn model(text: &str, calls: Vec<ToolCall>) -> Entry {
    Entry::Model { turn: ModelTurn { text: text.into(), calls, ..ModelTurn::default() } }
}

fn result(id: &str, name: &str, text: &str) -> ToolResult {
    let parts = vec![Part::text(text)];
    ToolResult { call: id.into(), name: name.into(), parts, is_error: false }
}

/// One call of the shell and what it printed.
fn step(context: &mut Context, n: u64, written: &str, printed: &str) {
    let id = format!("c{n}");
    let arguments = json!({ "command": written });
    context.append(model("", vec![call(&id, "shell", arguments)])).unwrap();
    let results = vec![result(&id, "shell", printed)];
    context.append(Entry::Results { results }).unwrap();
}

fn plan(items: &[&str]) -> Plan {
    let item = |text: &&str| PlanItem { text: (*text).into(), state: types::PlanState::Open };
    Plan { items: items.iter().map(item).collect(), ..Plan::default() }
}

/// Text that no two lines of which are alike.
fn noise(seed: u64, bytes: usize) -> String {
    let mut text = String::new();
    for line in 0.. {
        if text.len() >= bytes {
            break;
        }
        text += &format!(
            "{:016x} \"line\" {line}\n",
            (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ line)
        );
    }
    text
}

/// Tokens of a request as the scripted model counts: 4 bytes of its JSON, pictures by their size.
fn tokens(request: &ModelRequest) -> u64 {
    let mut request = request.clone();
    let mut pictures = 0;
    for part in request.turns.iter_mut().flat_map(parts) {
        if let Part::Image { base64, width, height, .. } = part {
            base64.clear();
            pictures += picture_tokens(*width, *height);
        }
    }
    (json_size(&request) as u64).div_ceil(4) + pictures
}

fn parts(turn: &mut Turn) -> Vec<&mut Part> {
    match turn {
        Turn::User { parts } => parts.iter_mut().collect(),
        Turn::Results { results } => results.iter_mut().flat_map(|r| &mut r.parts).collect(),
        Turn::Model(_) => vec![],
    }
}

/// What every provider wants of a conversation.
fn assert_sound(request: &ModelRequest) {
    let turns = &request.turns;
    assert!(matches!(turns.first(), Some(Turn::User { .. })), "{turns:?}");
    assert!(!matches!(turns.last(), Some(Turn::Model(_))), "ends with the model's words");
    let mut ids = BTreeMap::new();
    for pair in turns.windows(2) {
        match (&pair[0], &pair[1]) {
            (Turn::Model(turn), Turn::Results { results }) => {
                let called: Vec<_> = turn.calls.iter().map(|c| (&c.id, &c.name)).collect();
                let answered: Vec<_> = results.iter().map(|r| (&r.call, &r.name)).collect();
                assert_eq!(called, answered);
                assert!(!called.is_empty());
            }
            (Turn::Model(turn), Turn::User { .. }) => assert!(turn.calls.is_empty(), "{turn:?}"),
            (Turn::User { .. }, Turn::Model(_))
            | (Turn::Results { .. }, Turn::Model(_) | Turn::User { .. }) => {}
            wrong => panic!("{wrong:?}"),
        }
    }
    for turn in turns {
        if let Turn::Model(turn) = turn {
            assert!(
                !turn.text.trim().is_empty() || !turn.calls.is_empty() || turn.replay.is_some()
            );
            turn.calls.iter().for_each(|c| *ids.entry(c.id.clone()).or_insert(0) += 1);
        }
        for part in parts(&mut turn.clone()) {
            assert!(!matches!(part, Part::Text { text } if text.trim().is_empty()));
        }
    }
    assert!(ids.values().all(|count| *count == 1), "a call is shown twice");
}

fn all_text(request: &ModelRequest) -> String {
    let mut turns = request.turns.clone();
    let texts = turns.iter_mut().flat_map(parts).filter_map(|part| match part {
        Part::Text { text } => Some(text.clone()),
        Part::Image { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn answered(window: u64, input_tokens: u64) -> ModelAnswer {
    let usage = TokenUsage { input_tokens, ..TokenUsage::default() };
    let turn = ModelTurn::default();
    ModelAnswer::Turn { turn, stop: Stop::Done, usage, facts: facts(window) }
}
