use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Part, ToolResult, ToolSpec, Turn};

use crate::Provider;
use crate::calls::arguments;
use crate::dialect::Question;
use crate::headers::with_key;
use crate::parts::{Picture, text_and_pictures};

pub(super) fn question(provider: &Provider, request: &ModelRequest) -> Question {
    Question {
        path: "api/chat".into(),
        headers: with_key(AUTHORIZATION, "Bearer ", provider.key.as_ref()),
        body: body(provider, request),
    }
}

fn body(provider: &Provider, request: &ModelRequest) -> Value {
    let mut body = json!({
        "model": provider.model,
        "messages": messages(request),
        "stream": true,
        // To be told of a question that is too long, and to keep its beginning while it is answered.
        "truncate": false,
        "shift": false,
        "options": {
            "num_ctx": provider.window_tokens,
            "num_predict": request.max_output_tokens,
        },
    });
    // It cannot be made to call one tool; with that one only it has no other.
    let wanted = |tool: &&ToolSpec| request.must_call.as_ref().is_none_or(|one| *one == tool.name);
    let tools: Vec<_> = request.tools.iter().filter(wanted).map(tool).collect();
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    body
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    })
}

fn messages(request: &ModelRequest) -> Vec<Value> {
    let mut messages = vec![];
    if !request.system.is_empty() {
        messages.push(json!({ "role": "system", "content": request.system }));
    }
    for turn in &request.turns {
        match turn {
            Turn::User { parts } => messages.push(user(parts)),
            Turn::Model(turn) => messages.push(model(turn)),
            Turn::Results { results: all } => messages.append(&mut results(all)),
        }
    }
    messages
}

fn user(parts: &[Part]) -> Value {
    let (text, pictures) = text_and_pictures(parts);
    with_images(json!({ "role": "user", "content": text }), &pictures)
}

fn with_images(mut message: Value, pictures: &[Picture<'_>]) -> Value {
    if !pictures.is_empty() {
        message["images"] = pictures.iter().map(|picture| picture.base64).collect();
    }
    message
}

fn model(turn: &ModelTurn) -> Value {
    let mut message = json!({ "role": "assistant", "content": turn.text });
    let calls = turn.calls.iter().map(|call| {
        json!({ "id": call.id, "function": { "name": call.name, "arguments": arguments(call) } })
    });
    let calls: Vec<_> = calls.collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

/// Results are text; their pictures follow all of them, since templates know pictures only of people.
fn results(results: &[ToolResult]) -> Vec<Value> {
    let (mut messages, mut after) = (vec![], vec![]);
    for result in results {
        let (text, pictures) = text_and_pictures(&result.parts);
        let text = if result.is_error { format!("Error: {text}") } else { text };
        messages.push(json!({
            "role": "tool",
            "content": text,
            "tool_name": result.name,
            "tool_call_id": result.call,
        }));
        if !pictures.is_empty() {
            let said = format!("The pictures from {}:", result.name);
            after.push(with_images(json!({ "role": "user", "content": said }), &pictures));
        }
    }
    messages.append(&mut after);
    messages
}
