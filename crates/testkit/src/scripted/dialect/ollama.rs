//! Ollama's native API.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::{Dialect, Incoming, bearer, check, list, text};
use crate::scripted::answer::{Answer, Spoken, Stop, pieces};
use crate::scripted::refusal::Refusal;
use crate::scripted::seen::{Asked, Image, Message, Outcome, Role};
use crate::scripted::wire::Wire;
use crate::scripted::{Call, Seen};

const MADE: &str = "2026-11-21T12:00:00.000000Z";

#[derive(Debug)]
pub(super) struct Ollama;

impl Dialect for Ollama {
    fn key(&self, headers: &HeaderMap, _query: &str) -> String {
        bearer(headers)
    }

    fn read(&self, incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String> {
        read(incoming.body, seen)
    }

    fn answer(&self, seen: &Seen, answer: &Answer) -> Wire {
        if answer.calls.iter().any(|call| call.object().is_none()) {
            return unreadable(&answer.calls);
        }
        let last = last(seen, answer);
        if !seen.stream {
            let mut whole = last;
            whole["message"] = message(&answer.text, &answer.thoughts, &answer.calls);
            return Wire::json(200, &whole);
        }
        let part = |message: Value| {
            line(&json!({
                "model": seen.model, "created_at": MADE, "message": message, "done": false,
            }))
        };
        let thoughts = pieces(&answer.thoughts).into_iter().map(|t| message("", t, &[]));
        let texts = pieces(&answer.text).into_iter().map(|t| message(t, "", &[]));
        let mut frames: Vec<Bytes> = thoughts.chain(texts).map(part).collect();
        if !answer.calls.is_empty() {
            frames.push(part(message("", "", &answer.calls)));
        }
        if answer.stop != Stop::Empty {
            frames.push(line(&last));
        }
        Wire::stream("application/x-ndjson", frames)
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        json!({ "error": refusal.message })
    }

    fn error_frame(&self) -> Bytes {
        line(&json!({
            "error": "an error was encountered while running the model: unexpected EOF",
        }))
    }
}

/// What is known of the server and its models.
pub(super) fn about(path: &str, models: &[String]) -> Option<Value> {
    match path {
        "/api/version" => Some(json!({ "version": "0.30.0" })),
        "/api/tags" => {
            let model = |name: &String| {
                json!({
                    "name": name, "model": name, "modified_at": MADE, "size": 4_661_224_676_u64,
                    "digest": "365c0bd3c000a25d28ddbf732fe1c6add414de7275464c4e4d1c3b5fcb5d8ad1",
                    "details": { "format": "gguf", "family": "qwen3", "parameter_size": "8.0B",
                                 "quantization_level": "Q4_K_M" },
                })
            };
            Some(json!({ "models": models.iter().map(model).collect::<Vec<_>>() }))
        }
        "/api/show" => Some(json!({
            "capabilities": ["completion", "tools", "vision"],
            "model_info": { "general.architecture": "qwen3", "qwen3.context_length": 262_144 },
            "details": { "format": "gguf", "family": "qwen3" },
        })),
        _ => None,
    }
}

/// As Ollama says that it could not read its model's call.
fn unreadable(calls: &[Spoken]) -> Wire {
    let raw = calls.iter().find(|call| call.object().is_none()).map_or("", |call| &call.arguments);
    let error = format!("error parsing tool call: raw='{raw}', err=unexpected end of JSON input");
    Wire::json(500, &json!({ "error": error }))
}

fn read(body: &Value, seen: &mut Seen) -> Vec<String> {
    seen.model = text(body, "model").into();
    seen.stream = body["stream"] != false;
    seen.max_output_tokens = body["options"]["num_predict"].as_u64();
    // What it takes when nothing is said, of recent versions on a small machine.
    seen.window_wish = Some(body["options"]["num_ctx"].as_u64().unwrap_or(4096));
    let names = list(body, "tools").iter().map(|tool| text(&tool["function"], "name").to_owned());
    seen.tools = names.collect();
    seen.native_tools = !seen.tools.is_empty();
    let mut wrong: Vec<String> =
        list(body, "messages").iter().filter_map(|message| read_message(message, seen)).collect();
    wrong.extend(check::images(&seen.messages).map(|flaw| format!("invalid image input: {flaw}")));
    wrong.extend(unpaired(&seen.messages));
    wrong
}

fn read_message(message: &Value, seen: &mut Seen) -> Option<String> {
    let content = text(message, "content");
    let role = match text(message, "role") {
        "system" => {
            seen.system += content;
            return None;
        }
        "tool" => {
            let result = Outcome { call: text(message, "tool_name").into(), text: content.into() };
            push_result(result, &mut seen.messages);
            return None;
        }
        "user" => Role::User,
        "assistant" => Role::Model,
        role => return Some(format!("invalid role: {role}")),
    };
    let calls: Vec<_> = list(message, "tool_calls").iter().map(read_call).collect();
    let flawed = calls.iter().any(|c| !c.call.arguments.is_object());
    let images = list(message, "images").iter().filter_map(Value::as_str);
    let images = images.map(|data| Image { media_type: None, base64: data.into() }).collect();
    seen.messages.push(Message { text: content.into(), calls, images, ..Message::of(role) });
    flawed.then(|| {
        "json: cannot unmarshal string into Go struct field \
         ChatRequest.messages.tool_calls.function.arguments of type \
         api.ToolCallFunctionArguments"
            .into()
    })
}

fn read_call(call: &Value) -> Asked {
    let function = &call["function"];
    let (tool, arguments) = (text(function, "name").into(), function["arguments"].clone());
    Asked { id: None, call: Call { tool, arguments } }
}

fn push_result(result: Outcome, messages: &mut Vec<Message>) {
    match messages.last_mut() {
        Some(last) if !last.results.is_empty() => last.results.push(result),
        _ => messages.push(Message { results: vec![result], ..Message::of(Role::User) }),
    }
}

/// Ollama itself would not say so; its model would be lost.
fn unpaired(messages: &[Message]) -> Option<String> {
    let nothing = Message::default();
    (0..messages.len()).find_map(|at| {
        let before = if at == 0 { &nothing } else { &messages[at - 1] };
        let asked = before.calls.iter().map(|c| c.call.tool.as_str());
        let given = messages[at].results.iter().map(|r| r.call.as_str());
        (!asked.eq(given)).then(|| {
            format!("message {at}: the results are not those of the calls before, in their order")
        })
    })
}

fn message(text: &str, thoughts: &str, calls: &[Spoken]) -> Value {
    let mut message = json!({ "role": "assistant", "content": text });
    if !thoughts.is_empty() {
        message["thinking"] = json!(thoughts);
    }
    if !calls.is_empty() {
        let call =
            |call: &Spoken| json!({ "function": { "name": call.tool, "arguments": call.value() } });
        message["tool_calls"] = calls.iter().map(call).collect();
    }
    message
}

fn last(seen: &Seen, answer: &Answer) -> Value {
    let reason = if answer.stop == Stop::Length { "length" } else { "stop" };
    let mut last = json!({
        "model": seen.model, "created_at": MADE, "message": message("", "", &[]), "done": true,
        "done_reason": reason, "total_duration": 5_191_566_416_u64, "load_duration": 2_154_458,
        "prompt_eval_duration": 383_809_000, "eval_duration": 4_799_921_000_u64,
    });
    if let Some(usage) = &answer.usage {
        last["prompt_eval_count"] = json!(usage.input);
        last["eval_count"] = json!(usage.output + usage.thoughts);
    }
    last
}

fn line(data: &Value) -> Bytes {
    format!("{data}\n").into()
}
