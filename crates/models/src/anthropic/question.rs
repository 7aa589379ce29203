use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Part, ToolResult, ToolSpec, Turn};

use crate::Provider;
use crate::calls::arguments;
use crate::dialect::Question;
use crate::headers::with_key;
use crate::replay::{Laid, lay_out, plain};

/// The version of the API that this is written for.
const VERSION: &str = "2023-06-01";

const KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(super) fn question(provider: &Provider, request: &ModelRequest) -> Question {
    let version = if provider.base_url.path() == "/" { "v1/" } else { "" };
    Question {
        path: format!("{version}messages"),
        headers: headers(provider),
        body: body(provider, request),
    }
}

fn headers(provider: &Provider) -> HeaderMap {
    let mut headers = with_key(KEY, "", provider.key.as_ref());
    headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
    headers
}

fn body(provider: &Provider, request: &ModelRequest) -> Value {
    let mut body = json!({
        "model": provider.model,
        "max_tokens": request.max_output_tokens,
        "messages": messages(provider, &request.turns),
        "stream": true,
    });
    if !request.system.is_empty() {
        body["system"] = json!([{ "type": "text", "text": request.system }]);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    if let Some(name) = &request.must_call {
        body["tool_choice"] = json!({ "type": "tool", "name": name });
    }
    mark_for_cache(&mut body);
    body
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.parameters,
    })
}

/// What is cached ends at these marks, of which there may be four: tools and system, which never
/// change (tools come before the system); the end of the question before this one, where its mark
/// was; and the end of this one.
fn mark_for_cache(body: &mut Value) {
    let fixed = if body["system"].is_array() { "system" } else { "tools" };
    mark_last(body.get_mut(fixed));
    let messages = body["messages"].as_array_mut().into_iter().flatten();
    for message in messages.rev().filter(|message| message["role"] == "user").take(2) {
        mark_last(message.get_mut("content"));
    }
}

fn mark_last(blocks: Option<&mut Value>) {
    let last = blocks.and_then(Value::as_array_mut).and_then(|blocks| blocks.last_mut());
    if let Some(block) = last {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
}

fn messages(provider: &Provider, turns: &[Turn]) -> Vec<Value> {
    let mut messages: Vec<Value> = vec![];
    for turn in turns {
        let (role, blocks) = match turn {
            Turn::User { parts } => ("user", said(parts)),
            Turn::Model(turn) => ("assistant", model(provider, turn)),
            Turn::Results { results } => ("user", results.iter().map(result).collect()),
        };
        add(&mut messages, role, blocks);
    }
    messages
}

/// So that roles alternate.
fn add(messages: &mut Vec<Value>, role: &str, blocks: Vec<Value>) {
    if blocks.is_empty() {
        return;
    }
    let last = messages.last_mut().filter(|message| message["role"] == role);
    match last.and_then(|message| message["content"].as_array_mut()) {
        Some(before) => before.extend(blocks),
        None => messages.push(json!({ "role": role, "content": blocks })),
    }
}

fn said(parts: &[Part]) -> Vec<Value> {
    let block = |part: &Part| match part {
        // It takes none that are empty.
        Part::Text { text } if text.trim().is_empty() => None,
        Part::Text { text } => Some(json!({ "type": "text", "text": text })),
        Part::Image { media_type, base64, .. } => Some(json!({
            "type": "image",
            "source": { "type": "base64", "media_type": media_type, "data": base64 },
        })),
    };
    parts.iter().filter_map(block).collect()
}

fn model(provider: &Provider, turn: &ModelTurn) -> Vec<Value> {
    let pieces = lay_out(provider, turn).unwrap_or_else(|| plain(turn));
    let block = |piece| match piece {
        Laid::Text(text, _) if text.trim().is_empty() => None,
        Laid::Text(text, _) => Some(json!({ "type": "text", "text": text })),
        Laid::Opaque(block) => Some(block),
        Laid::Call { call, .. } => Some(json!({
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": arguments(call),
        })),
    };
    pieces.into_iter().filter_map(block).collect()
}

fn result(result: &ToolResult) -> Value {
    let mut block = json!({
        "type": "tool_result",
        "tool_use_id": result.call,
        "content": said(&result.parts),
    });
    if result.is_error {
        block["is_error"] = true.into();
    }
    block
}
