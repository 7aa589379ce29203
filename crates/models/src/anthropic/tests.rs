use std::time::Duration;

use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Stop, TokenUsage, Turn};

use super::Anthropic;
use crate::dialect::{Dialect as _, Reply};
use crate::fixtures::{conversation, provider, question, read};
use crate::fuzz::{asked, frame};
use crate::{Kind, ModelError, Provider, Secret};

fn claude() -> Provider {
    provider(Kind::Anthropic)
}

fn body(request: &ModelRequest) -> Value {
    Anthropic.question(&claude(), request).body
}

fn answer(frames: &[&str]) -> Result<Reply, ModelError> {
    read(&Anthropic, &claude(), &question("Go."), frames)
}

#[test]
fn the_key_is_in_a_header_only() {
    let key = Some(Secret::new("s3cret"));
    let asked = Anthropic.question(&Provider { key, ..claude() }, &question("Hi"));
    assert_eq!(asked.path, "v1/messages");
    assert!(asked.headers["x-api-key"] == "s3cret" && asked.headers["x-api-key"].is_sensitive());
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
    assert!(!asked.body.to_string().contains("s3cret"));
}

#[test]
fn a_conversation() {
    let source = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
    let mark = json!({"type": "ephemeral"});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "shell", "input": {"command": "ls"}});
    let expected = json!({
        "model": "anthropic-1",
        "max_tokens": 1000,
        "stream": true,
        "system": [{"type": "text", "text": "You are an agent.", "cache_control": mark}],
        "tools": [{
            "name": "shell",
            "description": "Runs a command.",
            "input_schema": {
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
                "additionalProperties": false,
            },
        }],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Draw a circle."}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me look."},
                call("call_1"),
                call("call_2"),
            ]},
            {"role": "user", "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "call_1",
                    "content": [{"type": "text", "text": "no such file"}],
                    "is_error": true,
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "call_2",
                    "content": [
                        {"type": "text", "text": "screen.png"},
                        {"type": "image", "source": source},
                    ],
                },
                {"type": "text", "text": "In red.", "cache_control": mark},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "It is red."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "Like this:"},
                {"type": "image", "source": source, "cache_control": mark},
            ]},
        ],
    });
    assert_eq!(body(&conversation()), expected);
}

#[test]
fn the_one_tool_it_must_call() {
    let request = ModelRequest { must_call: Some("shell".into()), ..conversation() };
    assert_eq!(body(&request)["tool_choice"], json!({"type": "tool", "name": "shell"}));
}

#[test]
fn without_a_system_the_tools_are_cached() {
    let request = ModelRequest { system: String::new(), ..conversation() };
    assert_eq!(body(&request)["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body(&request)["system"], Value::Null);
}

const START: &str = r#"{"type":"message_start","message":{"model":"claude","id":"msg_1","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}"#;
const THINK: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#;
const THOUGHT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}"#;
const SIGNED: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#;
const HIDDEN: &str = r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"ZGF0YQ=="}}"#;
const TEXT: &str =
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#;
const SAID: &str = r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"I will look."}}"#;
const CALL: &str = r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"shell","input":{}}}"#;
const HALF: &str = r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"command\": \"l"}}"#;
const REST: &str = r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"s\"}"}}"#;
const PING: &str = r#"{"type":"ping"}"#;
const STOP: &str = r#"{"type":"content_block_stop","index":3}"#;
const DELTA: &str = r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}"#;
const END: &str = r#"{"type":"message_stop"}"#;

const ALL: &[&str] =
    &[START, PING, THINK, THOUGHT, SIGNED, HIDDEN, TEXT, SAID, CALL, HALF, REST, STOP, DELTA, END];

#[test]
fn an_answer_with_all_there_is() {
    let Reply { turn, stop, usage } = answer(ALL).unwrap();
    assert_eq!((turn.text.as_str(), stop), ("I will look.", Stop::Done));
    assert_eq!((turn.calls[0].id.as_str(), turn.calls[0].name.as_str()), ("toolu_1", "shell"));
    assert_eq!(turn.calls[0].arguments, json!({"command": "ls"}));
    let expected = TokenUsage {
        input_tokens: 1112,
        cached_tokens: 1000,
        output_tokens: 89,
        reasoning_tokens: 0,
        estimated: false,
    };
    assert_eq!(usage, Some(expected));
}

/// The answer as it is sent back after it.
fn back(turn: ModelTurn, provider: &Provider) -> Value {
    let mut request = question("Go.");
    request.turns.push(Turn::Model(turn));
    Anthropic.question(provider, &request).body["messages"][1]["content"].clone()
}

#[test]
fn thinking_goes_back_as_it_came_and_to_nobody_else() {
    let turn = answer(ALL).unwrap().turn;
    let said = json!([
        {"type": "text", "text": "I will look."},
        {"type": "tool_use", "id": "toolu_1", "name": "shell", "input": {"command": "ls"}},
    ]);
    let thought = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        said[0],
        said[1],
    ]);
    assert_eq!(back(turn.clone(), &claude()), thought);
    let other = Provider { model: "claude-2".into(), ..claude() };
    assert_eq!(back(turn, &other), said);
}

#[test]
fn an_answer_in_one_piece() {
    let whole = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"toolu_1","name":"shell","input":{"command":"ls"}}],"stop_reason":"tool_use","usage":{"input_tokens":5,"output_tokens":7}}"#;
    let reply = answer(&[whole]).unwrap();
    assert_eq!(reply.turn.text, "Hi");
    assert_eq!(reply.turn.calls[0].arguments, json!({"command": "ls"}));
    assert_eq!(reply.usage.unwrap().input_tokens, 5);
}

#[test]
fn arguments_that_were_cut_are_a_flaw() {
    let delta = DELTA.replace("tool_use", "max_tokens");
    let reply = answer(&[START, CALL, HALF, &delta, END]).unwrap();
    assert_eq!(reply.stop, Stop::Length);
    assert_eq!(reply.turn.calls[0].arguments, json!("{\"command\": \"l"));
    assert!(reply.turn.calls[0].flaw.is_some());
}

fn ended(reason: &str) -> Result<Stop, ModelError> {
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": reason}}).to_string();
    answer(&[START, TEXT, SAID, &delta, END]).map(|reply| reply.stop)
}

#[test]
fn every_end_has_a_meaning() {
    for reason in ["end_turn", "stop_sequence", "tool_use", "pause_turn", "something_new"] {
        assert_eq!(ended(reason), Ok(Stop::Done), "{reason}");
    }
    assert_eq!(ended("max_tokens"), Ok(Stop::Length));
    assert_eq!(ended("refusal"), Ok(Stop::Refused { why: "I will look.".into() }));
    assert_eq!(ended("model_context_window_exceeded"), Err(ModelError::TooLong { window: None }));
    let why = r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber","explanation":"Not this."}}}"#;
    let stop = answer(&[START, why, END]).unwrap().stop;
    assert_eq!(stop, Stop::Refused { why: "Not this.".into() });
}

#[test]
fn an_answer_without_an_end_broke_off() {
    for frames in [&[START, TEXT, SAID][..], &[], &[START, "{\"type\":\"content_bl"]] {
        assert!(matches!(answer(frames), Err(ModelError::BrokenOff(_))), "{frames:?}");
    }
}

#[test]
fn an_error_may_come_in_the_middle() {
    let error = |kind: &str| {
        let error = json!({"type": "error", "error": {"type": kind, "message": "No"}}).to_string();
        answer(&[START, TEXT, SAID, &error]).unwrap_err()
    };
    assert!(matches!(error("overloaded_error"), ModelError::Unavailable { .. }));
    assert!(matches!(error("api_error"), ModelError::Unavailable { .. }));
    assert!(matches!(error("rate_limit_error"), ModelError::RateLimited { .. }));
    assert!(matches!(error("authentication_error"), ModelError::Auth(_)));
}

#[test]
fn every_refusal_has_a_meaning() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("7"));
    let refusal = |status: u16, kind: &str, message: &str| {
        let error = json!({"type": "error", "error": {"type": kind, "message": message}});
        Anthropic.refusal(status, &headers, &error.to_string())
    };
    let invalid = |message: &str| refusal(400, "invalid_request_error", message);
    let long = "prompt is too long: 213462 tokens > 200000 maximum";
    assert_eq!(invalid(long), ModelError::TooLong { window: Some(200_000) });
    let long = "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000";
    assert!(matches!(invalid(long), ModelError::TooLong { .. }));
    let poor = "Your credit balance is too low to access the Anthropic API.";
    assert!(matches!(invalid(poor), ModelError::Exhausted(_)));
    for text in [
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified",
    ] {
        assert!(matches!(invalid(text), ModelError::Signature(_)), "{text}");
    }
    let pairs = "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1";
    assert!(matches!(invalid(pairs), ModelError::Invalid(_)));
    let key = refusal(401, "authentication_error", "invalid x-api-key");
    assert!(matches!(key, ModelError::Auth(_)));
    assert!(matches!(refusal(402, "billing_error", "Pay"), ModelError::Exhausted(_)));
    assert!(matches!(refusal(403, "permission_error", "No"), ModelError::Auth(_)));
    assert!(matches!(refusal(404, "not_found_error", "model: x"), ModelError::NotFound(_)));
    let large = refusal(413, "request_too_large", "Request exceeds the maximum size");
    assert!(matches!(large, ModelError::TooLarge(_)));
    let wait = Some(Duration::from_secs(7));
    let rate = refusal(429, "rate_limit_error", "This request would exceed your rate limit");
    assert!(matches!(rate, ModelError::RateLimited { after, .. } if after == wait));
    let spent = refusal(429, "rate_limit_error", "You have reached your monthly spend limit");
    assert!(matches!(spent, ModelError::Exhausted(_)));
    for (status, kind) in [(500, "api_error"), (504, "timeout_error"), (529, "overloaded_error")] {
        let error = refusal(status, kind, "Overloaded");
        assert!(
            matches!(error, ModelError::Unavailable { after, .. } if after == wait),
            "{status}"
        );
    }
}

#[test]
fn what_an_answer_took_is_known_whatever_becomes_of_it() {
    let provider = crate::fixtures::provider(crate::Kind::Anthropic);
    let mut reader = Anthropic.reader(&provider, &crate::fixtures::question("Hello?"));
    for frame in [
        r#"{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hello"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"model_context_window_exceeded"},"usage":{"output_tokens":2}}"#,
    ] {
        reader.frame("", frame).unwrap();
    }
    let spent = reader.spent();
    let usage = spent.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, spent.bytes), (7, 2, 5));
}

proptest! {
    #[test]
    fn every_question_is_in_order(request in asked(&claude())) {
        let body = body(&request);
        let messages = body["messages"].as_array().unwrap();
        let mut open: Vec<Value> = vec![];
        for (at, message) in messages.iter().enumerate() {
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            prop_assert_eq!(&message["role"], role);
            let blocks = message["content"].as_array().unwrap();
            let is_result = |block: &&Value| block["type"] == "tool_result";
            let results: Vec<_> = blocks.iter().take_while(is_result).collect();
            let ids: Vec<_> = results.iter().map(|block| block["tool_use_id"].clone()).collect();
            prop_assert_eq!(ids, open, "all results, at the beginning, in order");
            prop_assert!(!blocks[results.len()..].iter().any(|block| is_result(&block)));
            let empty = |block: &Value| block["text"].as_str().is_some_and(|t| t.trim().is_empty());
            prop_assert!(!blocks.iter().any(empty));
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
            prop_assert!(calls.clone().all(|call| call["input"].is_object()));
            open = calls.map(|call| call["id"].clone()).collect();
        }
        prop_assert!(open.is_empty());
        prop_assert!(body.to_string().matches("cache_control").count() <= 4);
    }

    #[test]
    fn no_frame_does_harm(
        frames in prop::collection::vec((prop::sample::select(EVENTS), frame(ALL)), 0..20),
    ) {
        let mut reader = Anthropic.reader(&claude(), &question("Go."));
        for (event, data) in frames {
            let _ = reader.frame(event, &data);
        }
        let _ = reader.end();
    }
}

const EVENTS: &[&str] = &[
    "",
    "message",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "message_delta",
    "message_stop",
    "error",
];
