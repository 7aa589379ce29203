use serde_json::{Map, Value, json};
use types::{ModelRequest, ModelTurn, Part, ToolResult, ToolSpec, Turn};

use crate::calls::arguments;
use crate::parts::{Picture, text_and_pictures};
use crate::replay::{Laid, lay_out, plain};
use crate::{Kind, Provider};

/// The body of `POST …/chat/completions`.
pub(super) fn body(provider: &Provider, request: &ModelRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(provider.model));
    body.insert("messages".into(), Value::Array(messages(provider, request)));
    body.insert(limit_name(provider).into(), json!(request.max_output_tokens));
    body.insert("stream".into(), json!(true));
    if provider.kind == Kind::OpenAi {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(name) = request.must_call.as_ref().filter(|_| !request.tools.is_empty()) {
        body.insert(
            "tool_choice".into(),
            json!({ "type": "function", "function": { "name": name } }),
        );
    }
    Value::Object(body)
}

/// `OpenAI` itself refuses the old name with its reasoning models; the others often know no other.
fn limit_name(provider: &Provider) -> &'static str {
    match provider.base_url.host_str() {
        Some("api.openai.com") => "max_completion_tokens",
        Some(host) if host.ends_with(".openai.azure.com") => "max_completion_tokens",
        _ => "max_tokens",
    }
}

fn tool(spec: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = spec;
    let function = json!({ "name": name, "description": description, "parameters": parameters });
    json!({ "type": "function", "function": function })
}

fn messages(provider: &Provider, request: &ModelRequest) -> Vec<Value> {
    let mut messages = vec![json!({ "role": "system", "content": request.system })];
    for turn in &request.turns {
        match turn {
            Turn::User { parts } => messages.push(user(parts)),
            Turn::Model(turn) => messages.push(assistant(provider, turn)),
            Turn::Results { results } => messages.extend(tool_messages(results)),
        }
    }
    messages
}

/// Plain text where there is no picture to show: some servers know no parts.
fn user(parts: &[Part]) -> Value {
    let has_picture = parts.iter().any(|part| matches!(part, Part::Image { .. }));
    let content = match has_picture {
        true => parts.iter().map(part).collect(),
        false => json!(text_and_pictures(parts).0),
    };
    json!({ "role": "user", "content": content })
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text { text } => json!({ "type": "text", "text": text }),
        Part::Image { media_type, base64, .. } => picture(&Picture { media_type, base64 }),
    }
}

fn picture(picture: &Picture<'_>) -> Value {
    let url = format!("data:{};base64,{}", picture.media_type, picture.base64);
    json!({ "type": "image_url", "image_url": { "url": url } })
}

fn assistant(provider: &Provider, turn: &ModelTurn) -> Value {
    let content = Some(turn.text.as_str()).filter(|text| !text.is_empty());
    let mut message = json!({ "role": "assistant", "content": content });
    if !turn.calls.is_empty() {
        let pieces = lay_out(provider, turn).unwrap_or_else(|| plain(turn));
        message["tool_calls"] = pieces.into_iter().filter_map(call).collect();
    }
    message
}

fn call(piece: Laid<'_>) -> Option<Value> {
    let Laid::Call { call, signature, .. } = piece else { return None };
    let function = json!({ "name": call.name, "arguments": arguments(call).to_string() });
    let mut json = json!({ "id": call.id, "type": "function", "function": function });
    if let Some(signature) = signature {
        json["extra_content"] = json!({ "google": { "thought_signature": signature } });
    }
    Some(json)
}

/// One message for each result; then, since those cannot carry pictures, one by the user with all
/// of them.
fn tool_messages(results: &[ToolResult]) -> Vec<Value> {
    let mut messages = vec![];
    let mut below = vec![];
    for result in results {
        let (text, pictures) = text_and_pictures(&result.parts);
        messages.push(json!({ "role": "tool", "tool_call_id": result.call, "content": text }));
        if !pictures.is_empty() {
            let whose = format!("The result of {} ({}) shows:", result.name, result.call);
            below.push(json!({ "type": "text", "text": whose }));
            below.extend(pictures.iter().map(picture));
        }
    }
    if !below.is_empty() {
        messages.push(json!({ "role": "user", "content": below }));
    }
    messages
}
