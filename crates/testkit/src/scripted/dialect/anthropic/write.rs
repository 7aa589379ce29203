use bytes::Bytes;
use serde_json::{Value, json};

use super::event;
use crate::scripted::answer::{Answer, Stop, pieces};
use crate::scripted::scenario::Usage;
use crate::scripted::wire::Wire;
use crate::scripted::{Seen, sign};

/// In one piece.
pub(super) fn whole(seen: &Seen, answer: &Answer) -> Wire {
    let mut body = envelope(seen, answer);
    body["content"] = blocks(seen, answer).into_iter().map(|block| block.whole).collect();
    body["stop_reason"] = json!(stop_reason(answer));
    if let Some(usage) = &answer.usage {
        body["usage"] = usage_of(usage, usage.output + usage.thoughts);
    }
    Wire::json(200, &body)
}

/// In events.
pub(super) fn stream(seen: &Seen, answer: &Answer) -> Wire {
    Wire::stream("text/event-stream; charset=utf-8", events(seen, answer))
}

fn envelope(seen: &Seen, answer: &Answer) -> Value {
    json!({
        "id": format!("msg_{}", answer.id), "type": "message", "role": "assistant",
        "model": seen.model, "content": [], "stop_reason": null, "stop_sequence": null,
    })
}

/// A block: whole; as it begins in a stream; and what comes after that.
struct Block {
    whole: Value,
    start: Value,
    deltas: Vec<Value>,
}

fn blocks(seen: &Seen, answer: &Answer) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !answer.thoughts.is_empty() {
        blocks.push(thinking(&seen.model, &answer.thoughts));
    }
    if !answer.text.is_empty() {
        let deltas = pieces(&answer.text).into_iter();
        blocks.push(Block {
            whole: json!({ "type": "text", "text": answer.text }),
            start: json!({ "type": "text", "text": "" }),
            deltas: deltas.map(|piece| json!({ "type": "text_delta", "text": piece })).collect(),
        });
    }
    blocks.extend(answer.calls.iter().map(|call| {
        let mut start = json!({ "type": "tool_use", "name": call.tool, "input": {} });
        if let Some(id) = &call.id {
            start["id"] = json!(id.replace("call", "toolu"));
        }
        let mut whole = start.clone();
        whole["input"] = call.value();
        let pieces = [""].into_iter().chain(pieces(&call.arguments));
        let delta = |piece| json!({ "type": "input_json_delta", "partial_json": piece });
        Block { whole, start, deltas: pieces.map(delta).collect() }
    }));
    blocks
}

fn thinking(model: &str, thoughts: &str) -> Block {
    let signature = sign::sign(model, thoughts);
    let deltas = pieces(thoughts).into_iter();
    let deltas = deltas.map(|piece| json!({ "type": "thinking_delta", "thinking": piece }));
    let signed = json!({ "type": "signature_delta", "signature": signature });
    Block {
        whole: json!({ "type": "thinking", "thinking": thoughts, "signature": signature }),
        start: json!({ "type": "thinking", "thinking": "", "signature": "" }),
        deltas: deltas.chain([signed]).collect(),
    }
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Length => "max_tokens",
        Stop::Window => "model_context_window_exceeded",
        Stop::Refusal | Stop::Safety => "refusal",
        _ if answer.calls.is_empty() => "end_turn",
        _ => "tool_use",
    }
}

/// What was read excludes what came from a cache.
fn usage_of(usage: &Usage, written: u64) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached),
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": usage.cached,
        "output_tokens": written, "service_tier": "standard",
    })
}

fn events(seen: &Seen, answer: &Answer) -> Vec<Bytes> {
    let mut message = envelope(seen, answer);
    if let Some(usage) = &answer.usage {
        message["usage"] = usage_of(usage, 1);
    }
    let mut frames = vec![event(&json!({ "type": "message_start", "message": message }))];
    for (index, block) in blocks(seen, answer).into_iter().enumerate() {
        frames.push(event(&json!({
            "type": "content_block_start", "index": index, "content_block": block.start,
        })));
        if index == 0 {
            frames.push(event(&json!({ "type": "ping" })));
        }
        frames.extend(block.deltas.into_iter().map(|delta| {
            event(&json!({ "type": "content_block_delta", "index": index, "delta": delta }))
        }));
        frames.push(event(&json!({ "type": "content_block_stop", "index": index })));
    }
    let mut end = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(answer), "stop_sequence": null },
    });
    if let Some(usage) = &answer.usage {
        end["usage"] = usage_of(usage, usage.output + usage.thoughts);
    }
    frames.extend([event(&end), event(&json!({ "type": "message_stop" }))]);
    frames
}
