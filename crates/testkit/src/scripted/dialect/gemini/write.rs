use serde_json::{Value, json};

use crate::scripted::Seen;
use crate::scripted::answer::{Answer, Spoken, Stop, pieces};
use crate::scripted::scenario::Usage;

/// Everything in one document.
pub(super) fn whole(seen: &Seen, answer: &Answer) -> Value {
    let mut parts = thoughts(answer);
    if !answer.text.is_empty() {
        parts.push(json!({ "text": answer.text }));
    }
    parts.extend(call_parts(seen, answer));
    sign_last_text(seen, answer, &mut parts);
    chunk(seen, answer, parts, true)
}

/// Text in pieces; calls whole.
pub(super) fn chunks(seen: &Seen, answer: &Answer) -> Vec<Value> {
    let mut steps: Vec<Vec<Value>> = thoughts(answer).into_iter().map(|part| vec![part]).collect();
    steps.extend(pieces(&answer.text).into_iter().map(|piece| vec![json!({ "text": piece })]));
    let calls = call_parts(seen, answer);
    if !calls.is_empty() {
        steps.push(calls);
    } else if !answer.text.is_empty() {
        // The signature of words comes with an empty last piece.
        steps.push(vec![json!({ "text": "", "thoughtSignature": answer.signature(&seen.model) })]);
    }
    let last = steps.pop().unwrap_or_default();
    let mut chunks: Vec<_> =
        steps.into_iter().map(|parts| chunk(seen, answer, parts, false)).collect();
    chunks.push(chunk(seen, answer, last, true));
    chunks
}

fn thoughts(answer: &Answer) -> Vec<Value> {
    let thoughts = Some(&answer.thoughts).filter(|thoughts| !thoughts.is_empty());
    thoughts.map(|thoughts| json!({ "text": thoughts, "thought": true })).into_iter().collect()
}

fn sign_last_text(seen: &Seen, answer: &Answer, parts: &mut [Value]) {
    if let Some(last) = parts.last_mut().filter(|_| answer.calls.is_empty()) {
        last["thoughtSignature"] = json!(answer.signature(&seen.model));
    }
}

/// Only the first call is signed. Ids are as rare as with the real one: there are none.
fn call_parts(seen: &Seen, answer: &Answer) -> Vec<Value> {
    let part = |(at, call): (usize, &Spoken)| {
        let mut part = json!({ "functionCall": { "name": call.tool, "args": call.value() } });
        if at == 0 {
            part["thoughtSignature"] = json!(answer.signature(&seen.model));
        }
        part
    };
    if unreadable(answer) { vec![] } else { answer.calls.iter().enumerate().map(part).collect() }
}

/// Arguments are an object or nothing: a call that cannot be one never leaves Google.
fn unreadable(answer: &Answer) -> bool {
    answer.stop == Stop::Malformed || answer.calls.iter().any(|call| call.object().is_none())
}

fn chunk(seen: &Seen, answer: &Answer, parts: Vec<Value>, last: bool) -> Value {
    let mut body = json!({
        "modelVersion": seen.model, "responseId": format!("r{}", answer.id),
    });
    let nothing = answer.stop == Stop::Empty;
    if !nothing {
        let mut candidate = json!({ "index": 0 });
        if !parts.is_empty() {
            candidate["content"] = json!({ "parts": parts, "role": "model" });
        }
        if last {
            finish(&mut candidate, answer);
        }
        body["candidates"] = json!([candidate]);
    }
    if answer.stop == Stop::Refusal {
        body["candidates"] = Value::Null;
        body["promptFeedback"] = json!({ "blockReason": "PROHIBITED_CONTENT" });
    }
    if let Some(usage) = &answer.usage {
        body["usageMetadata"] = usage_of(usage, last);
    }
    drop_null(body)
}

fn drop_null(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

fn finish(candidate: &mut Value, answer: &Answer) {
    let malformed = unreadable(answer);
    let reason = match answer.stop {
        // Cut off within a call, it is not a call.
        Stop::Length | Stop::Window => "MAX_TOKENS",
        _ if malformed => "MALFORMED_FUNCTION_CALL",
        Stop::Safety => "SAFETY",
        _ => "STOP",
    };
    candidate["finishReason"] = json!(reason);
    if reason == "MALFORMED_FUNCTION_CALL" {
        candidate["finishMessage"] = json!("Malformed function call: print(default_api.");
    } else if !answer.calls.is_empty() && !malformed {
        candidate["finishMessage"] = json!("Model generated function call(s).");
    }
}

fn usage_of(usage: &Usage, last: bool) -> Value {
    let total = usage.input + usage.output + usage.thoughts;
    let mut value = json!({
        "promptTokenCount": usage.input,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": usage.input }],
        "totalTokenCount": total, "serviceTier": "standard",
    });
    if last {
        value["candidatesTokenCount"] = json!(usage.output);
    }
    if usage.thoughts > 0 {
        value["thoughtsTokenCount"] = json!(usage.thoughts);
    }
    if usage.cached > 0 {
        value["cachedContentTokenCount"] = json!(usage.cached);
    }
    value
}
