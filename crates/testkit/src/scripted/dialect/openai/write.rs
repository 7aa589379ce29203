use bytes::Bytes;
use serde_json::{Value, json};

use crate::scripted::Seen;
use crate::scripted::answer::{Answer, Spoken, Stop, pieces};
use crate::scripted::dialect::sse;
use crate::scripted::scenario::Usage;
use crate::scripted::wire::Wire;

/// When everything here was made; a clock would make every run different.
const CREATED: u64 = 1_795_000_000;

/// Writes an answer; Alchemyst's too.
pub(in crate::scripted::dialect) fn answered(seen: &Seen, answer: &Answer) -> Wire {
    if seen.stream {
        return Wire::stream("text/event-stream; charset=utf-8", chunks(seen, answer));
    }
    let mut body = json!({
        "id": format!("chatcmpl-{}", answer.id), "object": "chat.completion", "created": CREATED,
        "model": seen.model, "system_fingerprint": null, "choices": [],
    });
    if answer.stop != Stop::Empty {
        body["choices"] = json!([{
            "index": 0, "message": message(answer), "logprobs": null,
            "finish_reason": finish_reason(answer),
        }]);
    }
    if let Some(usage) = &answer.usage {
        body["usage"] = usage_of(usage);
    }
    Wire::json(200, &body)
}

fn message(answer: &Answer) -> Value {
    let refused = answer.stop == Stop::Refusal;
    let content = (!answer.text.is_empty() && !refused).then_some(&answer.text);
    let mut message = json!({
        "role": "assistant", "content": content,
        "refusal": refused.then_some(&answer.text),
    });
    if !answer.thoughts.is_empty() {
        message["reasoning_content"] = json!(answer.thoughts);
    }
    if !answer.calls.is_empty() {
        message["tool_calls"] =
            answer.calls.iter().map(|call| tool_call(call, &call.arguments)).collect();
    }
    message
}

fn tool_call(call: &Spoken, arguments: &str) -> Value {
    let mut value = json!({
        "type": "function", "function": { "name": call.tool, "arguments": arguments },
    });
    if let Some(id) = &call.id {
        value["id"] = json!(id);
    }
    value
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Length | Stop::Window => "length",
        Stop::Safety => "content_filter",
        _ if answer.calls.is_empty() => "stop",
        _ => "tool_calls",
    }
}

fn usage_of(usage: &Usage) -> Value {
    let written = usage.output + usage.thoughts;
    json!({
        "prompt_tokens": usage.input, "completion_tokens": written,
        "total_tokens": usage.input + written,
        "prompt_tokens_details": { "cached_tokens": usage.cached, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": usage.thoughts, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

fn chunks(seen: &Seen, answer: &Answer) -> Vec<Bytes> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", answer.id), "object": "chat.completion.chunk",
            "created": CREATED, "model": seen.model, "system_fingerprint": null,
            "choices": choices,
        });
        if seen.wants_usage && answer.usage.is_some() {
            chunk["usage"] = usage;
        }
        sse(&chunk, "\n\n")
    };
    let choice = |delta: Value, finish: Option<&str>| {
        let choice = json!({
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish,
        });
        chunk(json!([choice]), Value::Null)
    };
    let mut frames = Vec::new();
    if answer.stop != Stop::Empty {
        frames.push(choice(json!({ "role": "assistant", "content": "", "refusal": null }), None));
        frames.extend(deltas(answer).into_iter().map(|delta| choice(delta, None)));
        frames.push(choice(json!({}), Some(finish_reason(answer))));
    }
    if let Some(usage) = answer.usage.as_ref().filter(|_| seen.wants_usage) {
        frames.push(chunk(json!([]), usage_of(usage)));
    }
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    frames
}

fn deltas(answer: &Answer) -> Vec<Value> {
    let field = if answer.stop == Stop::Refusal { "refusal" } else { "content" };
    let said = |field: &'static str, text| {
        let deltas = pieces(text).into_iter().map(move |piece| json!({ field: piece }));
        deltas.collect::<Vec<_>>()
    };
    let mut deltas = said("reasoning_content", &answer.thoughts);
    deltas.extend(said(field, &answer.text));
    for (index, call) in answer.calls.iter().enumerate() {
        let mut first = tool_call(call, "");
        first["index"] = json!(index);
        deltas.push(json!({ "tool_calls": [first] }));
        deltas.extend(pieces(&call.arguments).into_iter().map(|piece| {
            json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] })
        }));
    }
    deltas
}
