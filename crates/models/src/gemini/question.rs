use reqwest::header::HeaderName;
use serde_json::{Map, Value, json};
use types::{ModelRequest, ModelTurn, Part, ToolResult, ToolSpec, Turn};

use crate::Provider;
use crate::calls::arguments;
use crate::dialect::Question;
use crate::headers::with_key;
use crate::parts::{Picture, text_and_pictures};
use crate::replay::{Laid, lay_out, plain};

/// What Google's documentation of thought signatures gives for calls that Gemini did not make: from
/// 3 on it refuses a turn whose first call has no signature. Earlier ones pass it over.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

pub(super) fn question(provider: &Provider, request: &ModelRequest) -> Question {
    let model = bare(&provider.model);
    let version = if provider.base_url.path() == "/" { "v1beta/" } else { "" };
    Question {
        path: format!("{version}models/{model}:streamGenerateContent?alt=sse"),
        headers: with_key(KEY, "", provider.key.as_ref()),
        body: body(provider, request),
    }
}

fn body(provider: &Provider, request: &ModelRequest) -> Value {
    let mut body = json!({
        "contents": contents(provider, &request.turns),
        "generationConfig": { "maxOutputTokens": request.max_output_tokens },
    });
    if !request.system.is_empty() {
        body["systemInstruction"] = json!({ "parts": [{ "text": request.system }] });
    }
    if !request.tools.is_empty() {
        let declarations: Vec<_> = request.tools.iter().map(declaration).collect();
        body["tools"] = json!([{ "functionDeclarations": declarations }]);
    }
    if let Some(name) = &request.must_call {
        body["toolConfig"] = json!({
            "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": [name] }
        });
    }
    body
}

/// With `parametersJsonSchema`: `parameters` takes a part of JSON schema only, and refuses the rest.
fn declaration(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.parameters,
    })
}

fn contents(provider: &Provider, turns: &[Turn]) -> Vec<Value> {
    let mut contents = Contents::default();
    let mut calls: Vec<Option<String>> = vec![];
    for turn in turns {
        match turn {
            Turn::User { parts } => contents.add("user", user(parts)),
            Turn::Model(turn) => {
                let (parts, ids) = model(provider, turn);
                contents.add("model", parts);
                calls = ids;
            }
            Turn::Results { results: all } => contents.add("user", results(provider, all, &calls)),
        }
    }
    contents.done
}

/// Contents in which roles alternate.
#[derive(Default)]
struct Contents {
    done: Vec<Value>,
}

impl Contents {
    fn add(&mut self, role: &str, parts: Vec<Value>) {
        if parts.is_empty() {
            return;
        }
        let last = self.done.last_mut().filter(|content| content["role"] == role);
        match last.and_then(|content| content["parts"].as_array_mut()) {
            Some(before) => before.extend(parts),
            None => self.done.push(json!({ "role": role, "parts": parts })),
        }
    }
}

fn user(parts: &[Part]) -> Vec<Value> {
    let part = |part: &Part| match part {
        Part::Text { text } => json!({ "text": text }),
        Part::Image { media_type, base64, .. } => inline(Picture { media_type, base64 }),
    };
    parts.iter().map(part).collect()
}

fn inline(picture: Picture<'_>) -> Value {
    json!({ "inlineData": { "mimeType": picture.media_type, "data": picture.base64 } })
}

/// The parts of a turn, and how Gemini itself named its calls.
fn model(provider: &Provider, turn: &ModelTurn) -> (Vec<Value>, Vec<Option<String>>) {
    let (mut parts, mut ids) = (vec![], vec![]);
    for piece in lay_out(provider, turn).unwrap_or_else(|| plain(turn)) {
        match piece {
            Laid::Text(text, None) if text.trim().is_empty() => {}
            Laid::Text(text, signature) => parts.push(signed(json!({ "text": text }), signature)),
            Laid::Opaque(part) => parts.push(part),
            Laid::Call { call, id, signature } => {
                let placeholder = ids.is_empty().then(|| NO_SIGNATURE.to_owned());
                let signature = signature.or(placeholder);
                let function = json!({ "name": call.name, "args": arguments(call) });
                let function = named(function, id.as_deref());
                parts.push(signed(json!({ "functionCall": function }), signature));
                ids.push(id);
            }
        }
    }
    (parts, ids)
}

fn signed(mut part: Value, signature: Option<String>) -> Value {
    if let Some(signature) = signature {
        part["thoughtSignature"] = signature.into();
    }
    part
}

/// Only with an id that Gemini gave: without, it pairs calls and results by their order.
fn named(mut function: Value, id: Option<&str>) -> Value {
    if let Some(id) = id {
        function["id"] = id.into();
    }
    function
}

/// All results first, in the order of their calls. Pictures go into their result where the model
/// takes them there (3 and later); earlier ones refuse that (400 "`function_response.parts` is not
/// supported for this model"), and also anything between two results, so theirs follow the last.
fn results(provider: &Provider, results: &[ToolResult], calls: &[Option<String>]) -> Vec<Value> {
    let (mut parts, mut after) = (vec![], vec![]);
    for (at, result) in results.iter().enumerate() {
        let (text, pictures) = text_and_pictures(&result.parts);
        let mut response = Map::new();
        response.insert(if result.is_error { "error" } else { "output" }.into(), text.into());
        let mut function = json!({ "name": result.name, "response": response });
        if takes_pictures_in_results(&provider.model) && !pictures.is_empty() {
            function["parts"] = pictures.into_iter().map(inline).collect();
        } else {
            after.extend(pictures.into_iter().flat_map(|picture| said_to_be(result, picture)));
        }
        let id = calls.get(at).and_then(Option::as_deref);
        parts.push(json!({ "functionResponse": named(function, id) }));
    }
    parts.append(&mut after);
    parts
}

fn said_to_be(result: &ToolResult, picture: Picture<'_>) -> [Value; 2] {
    [json!({ "text": format!("The picture from {}:", result.name) }), inline(picture)]
}

/// Whether a result can have pictures in it: from Gemini 3 on, as which names without a number count
/// (`gemini-flash-latest`).
fn takes_pictures_in_results(model: &str) -> bool {
    !["gemini-1", "gemini-2", "gemma-", "learnlm-"].iter().any(|old| bare(model).starts_with(old))
}

fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}
