use proptest::prelude::*;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use types::{ModelRequest, Stop, TokenUsage};

use super::Ollama;
use crate::dialect::{Dialect as _, Reply};
use crate::fixtures::{conversation, provider, question, read};
use crate::fuzz::{asked, frame};
use crate::{Kind, ModelError, Provider, Secret};

fn local() -> Provider {
    Provider { window_tokens: 8192, ..provider(Kind::Ollama) }
}

fn body(request: &ModelRequest) -> Value {
    Ollama.question(&local(), request).body
}

fn answer(frames: &[&str]) -> Result<Reply, ModelError> {
    read(&Ollama, &local(), &question("Go."), frames)
}

#[test]
fn a_key_is_sent_if_there_is_one() {
    let asked = Ollama.question(&local(), &question("Hi"));
    assert_eq!((asked.path.as_str(), asked.headers.len()), ("api/chat", 0));
    let key = Some(Secret::new("s3cret"));
    let asked = Ollama.question(&Provider { key, ..local() }, &question("Hi"));
    assert_eq!(asked.headers["authorization"], "Bearer s3cret");
}

#[test]
fn a_conversation() {
    let call =
        |id: &str| json!({"id": id, "function": {"name": "shell", "arguments": {"command": "ls"}}});
    let result = |id: &str, text: &str| json!({"role": "tool", "content": text, "tool_name": "shell", "tool_call_id": id});
    let expected = json!({
        "model": "ollama-1",
        "stream": true,
        "truncate": false,
        "shift": false,
        "options": {"num_ctx": 8192, "num_predict": 1000},
        "tools": [{"type": "function", "function": {
            "name": "shell",
            "description": "Runs a command.",
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
                "additionalProperties": false,
            },
        }}],
        "messages": [
            {"role": "system", "content": "You are an agent."},
            {"role": "user", "content": "Draw a circle."},
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [call("call_1"), call("call_2")],
            },
            result("call_1", "Error: no such file"),
            result("call_2", "screen.png"),
            {"role": "user", "content": "The pictures from shell:", "images": ["iVBORw0KGgo="]},
            {"role": "user", "content": "In red."},
            {"role": "assistant", "content": "It is red."},
            {"role": "user", "content": "Like this:", "images": ["iVBORw0KGgo="]},
        ],
    });
    assert_eq!(body(&conversation()), expected);
}

#[test]
fn a_tool_it_must_call_is_the_only_one_it_has() {
    let mut request = ModelRequest { must_call: Some("finish".into()), ..conversation() };
    request.tools.push(types::ToolSpec { name: "finish".into(), ..request.tools[0].clone() });
    let tools = &body(&request)["tools"];
    assert_eq!(tools.as_array().unwrap().len(), 1);
    assert_eq!(tools[0]["function"]["name"], "finish");
}

const THINKING: &str = r#"{"model":"qwen3","created_at":"2026-11-21T10:00:00Z","message":{"role":"assistant","content":"","thinking":"Hm."},"done":false}"#;
const TEXT: &str = r#"{"model":"qwen3","created_at":"2026-11-21T10:00:00Z","message":{"role":"assistant","content":"Let me look."},"done":false}"#;
const CALLS: &str = r#"{"model":"qwen3","created_at":"2026-11-21T10:00:00Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"shell","arguments":{"command":"ls"}}},{"function":{"name":"shell","arguments":{"command":"pwd"}}}]},"done":false}"#;
const DONE: &str = r#"{"model":"qwen3","created_at":"2026-11-21T10:00:01Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":5191566416,"load_duration":2154458,"prompt_eval_count":26,"prompt_eval_duration":383809000,"eval_count":298,"eval_duration":4799921000}"#;

#[test]
fn an_answer_with_all_there_is() {
    let reply = answer(&[THINKING, TEXT, CALLS, DONE]).unwrap();
    assert_eq!((reply.turn.text.as_str(), reply.stop), ("Let me look.", Stop::Done));
    let calls = reply.turn.calls.iter().map(|call| (call.id.as_str(), call.arguments.clone()));
    let expected = [("call_1", json!({"command": "ls"})), ("call_2", json!({"command": "pwd"}))];
    assert_eq!(calls.collect::<Vec<_>>(), expected);
    let usage = TokenUsage { input_tokens: 26, output_tokens: 298, ..TokenUsage::default() };
    assert_eq!(reply.usage, Some(usage));
}

#[test]
fn a_question_that_was_in_the_cache_may_not_be_counted() {
    let done = r#"{"message":{"content":"Hi"},"done":true,"done_reason":"length","eval_count":7}"#;
    let reply = answer(&[done]).unwrap();
    assert_eq!((reply.stop, reply.usage), (Stop::Length, None));
    let part =
        r#"{"done":true,"prompt_eval_count":21,"prompt_eval_cached_count":17,"eval_count":4}"#;
    assert_eq!(answer(&[part]).unwrap().usage.unwrap().cached_tokens, 17);
}

#[test]
fn an_answer_without_an_end_broke_off() {
    for frames in [&[TEXT][..], &[], &[TEXT, "{\"model\":\"qw"]] {
        assert!(matches!(answer(frames), Err(ModelError::BrokenOff(_))), "{frames:?}");
    }
}

/// So many bytes were asked, of which it says to have read so many tokens.
fn is_too_long(bytes: usize, read_tokens: u64) -> bool {
    let done = json!({"done": true, "done_reason": "stop", "message": {"content": "Hi"},
        "prompt_eval_count": read_tokens, "eval_count": 2});
    let asked = question(&"x".repeat(bytes));
    match read(&Ollama, &local(), &asked, &[&done.to_string()]) {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(error, ModelError::TooLong { .. }), "{error:?}");
            true
        }
    }
}

#[test]
fn a_question_that_was_cut_is_noticed() {
    // The window is 8192. Its runners keep half of it and a few, its chats the last messages.
    assert!(is_too_long(4 * 8192 + 400, 4098), "it went over by a hair, and half was dropped");
    assert!(is_too_long(16 * 8192, 8190), "and most of it was dropped");
    assert!(is_too_long(8 * 8192, 1026), "and an old server had a window of its own");
}

#[test]
fn a_question_that_fits_is_not_suspected() {
    assert!(!is_too_long(4 * 8000, 8000), "it is about as long as we think");
    assert!(!is_too_long(4 * 8000, 5400), "its tokens are long");
    assert!(!is_too_long(4 * 8000, 13), "the rest was in the cache and not counted");
    assert!(!is_too_long(5 * 8192, 8100), "it is longer than we think it can be, and fits");
    assert!(!is_too_long(2 * 8192, 4098), "it is half the window, as if it were cut");
}

#[test]
fn every_refusal_has_a_meaning() {
    let refusal = |status: u16, message: &str| {
        let body = json!({"error": message}).to_string();
        Ollama.refusal(status, &HeaderMap::new(), &body)
    };
    let missing = r#"model "qwen9" not found, try pulling it first"#;
    assert!(matches!(refusal(404, missing), ModelError::NotFound(_)));
    assert!(matches!(refusal(400, missing), ModelError::NotFound(_)));
    for long in [
        "prompt too long; exceeded max context length by 123 tokens",
        "input exceeds maximum context length",
        "the input length exceeds the context length",
    ] {
        assert!(matches!(refusal(400, long), ModelError::TooLong { .. }), "{long}");
    }
    let ModelError::Invalid(cure) =
        refusal(400, "registry.ollama.ai/library/gemma2:2b does not support tools")
    else {
        panic!()
    };
    assert!(cure.contains("OLLAMA_TOOLS=text"), "{cure}");
    let parse = "error parsing tool call: raw='{\"command\": ', err=unexpected end of JSON input";
    assert!(matches!(refusal(500, parse), ModelError::Empty(_)));
    let busy = "server busy, please try again. maximum pending requests exceeded";
    assert!(matches!(refusal(503, busy), ModelError::Unavailable { .. }));
    let inside = json!({"error": "an error was encountered while running the model"}).to_string();
    assert!(matches!(answer(&[TEXT, &inside]), Err(ModelError::Unavailable { .. })));
}

#[test]
fn what_an_answer_took_is_known_whatever_becomes_of_it() {
    let provider = crate::fixtures::provider(crate::Kind::Ollama);
    let mut reader = Ollama.reader(&provider, &crate::fixtures::question("Hello?"));
    let frame =
        r#"{"message":{"content":"Hello"},"done":true,"prompt_eval_count":7,"eval_count":2}"#;
    reader.frame("", frame).unwrap();
    let spent = reader.spent();
    let usage = spent.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, spent.bytes), (7, 2, 5));
}

proptest! {
    #[test]
    fn every_question_is_in_order(request in asked(&local())) {
        let body = body(&request);
        let messages = body["messages"].as_array().unwrap();
        let mut open: Vec<Value> = vec![];
        for message in messages {
            if message["role"] == "tool" {
                prop_assert!(!open.is_empty());
                prop_assert_eq!(&message["tool_call_id"], &open.remove(0));
                continue;
            }
            prop_assert!(open.is_empty(), "every call has its result before anything else");
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            prop_assert!(calls.clone().all(|call| call["function"]["arguments"].is_object()));
            open = calls.map(|call| call["id"].clone()).collect();
        }
        prop_assert!(open.is_empty());
    }

    #[test]
    fn no_frame_does_harm(frames in prop::collection::vec(frame(&[THINKING, TEXT, CALLS, DONE]), 0..6)) {
        let mut reader = Ollama.reader(&local(), &question("Go."));
        for data in frames {
            let _ = reader.frame("", &data);
        }
        let _ = reader.end();
    }
}
