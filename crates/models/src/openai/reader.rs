use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Stop, TokenUsage};

use crate::calls::{Ids, call_of_text};
use crate::dialect::{Reader, Reply, Spent};
use crate::refusal::{Refusal, short};
use crate::replay::{Piece, keep};
use crate::{ModelError, Provider};

/// The most calls that one answer may have.
const MOST_CALLS: usize = 256;

/// Reads `chat.completion.chunk`s, or one `chat.completion`. Which calls there are is what counts,
/// whatever `finish_reason` says.
#[derive(Debug)]
pub(super) struct Chunks {
    provider: Provider,
    ids: Ids,
    text: String,
    refusal: String,
    calls: Vec<Partial>,
    usage: Option<TokenUsage>,
    finish: Option<String>,
    is_done: bool,
}

/// A call as it grows.
#[derive(Debug, Default)]
struct Partial {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// Of Gemini's second endpoint.
    signature: Option<String>,
}

impl Chunks {
    pub(super) fn new(provider: &Provider, request: &ModelRequest) -> Self {
        Self {
            provider: provider.clone(),
            ids: Ids::new(request),
            text: String::new(),
            refusal: String::new(),
            calls: vec![],
            usage: None,
            finish: None,
            is_done: false,
        }
    }

    fn choice(&mut self, choice: &Value) {
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
        let delta = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
        push_text(&mut self.text, &delta["content"]);
        push_text(&mut self.refusal, &delta["refusal"]);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call);
        }
        if delta["function_call"].is_object() {
            self.call(&json!({ "index": 0, "function": delta["function_call"] }));
        }
    }

    fn call(&mut self, delta: &Value) {
        let call = self.partial(delta);
        let function = &delta["function"];
        set_if_empty(&mut call.id, &delta["id"]);
        set_if_empty(&mut call.name, &function["name"]);
        match &function["arguments"] {
            Value::String(piece) => call.arguments.push_str(piece),
            Value::Null => {}
            // Some send an object instead of its text.
            whole => call.arguments = whole.to_string(),
        }
        if let Some(signature) = delta["extra_content"]["google"]["thought_signature"].as_str() {
            call.signature = Some(signature.to_owned());
        }
    }

    /// The call that a piece belongs to: by its index; without one, or where all have the same, by
    /// its id; else the last.
    fn partial(&mut self, delta: &Value) -> &mut Partial {
        let index = delta["index"].as_u64();
        let id = delta["id"].as_str().unwrap_or_default();
        let is_same = |call: &Partial| {
            call.index == index && (id.is_empty() || call.id.is_empty() || call.id == id)
        };
        let begins = index.is_none() && id.is_empty() && delta["function"]["name"].is_string();
        let found = self.calls.iter().rposition(is_same).filter(|_| !begins);
        let at = found.unwrap_or_else(|| {
            self.calls.push(Partial { index, ..Partial::default() });
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }

    fn stop(&self) -> Stop {
        match self.finish.as_deref() {
            _ if !self.refusal.is_empty() => Stop::Refused { why: short(&self.refusal).to_owned() },
            Some("content_filter") => Stop::Refused { why: "its content filter".into() },
            Some("length") => Stop::Length,
            _ => Stop::Done,
        }
    }

    fn turn(mut self) -> ModelTurn {
        let mut pieces = vec![Piece::Text { bytes: self.text.len(), signature: None }];
        let mut calls = vec![];
        for partial in self.calls {
            pieces.push(Piece::Call { id: None, signature: partial.signature });
            let id = self.ids.take(&partial.id);
            calls.push(call_of_text(id, partial.name, &partial.arguments));
        }
        let replay = keep(&self.provider, &pieces);
        ModelTurn { text: self.text, calls, flaw: None, replay }
    }
}

impl Reader for Chunks {
    fn frame(&mut self, _event: &str, data: &str) -> Result<bool, ModelError> {
        if data.trim() == "[DONE]" {
            self.is_done = true;
            return Ok(true);
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|error| ModelError::Empty(format!("a frame is no JSON: {error}")))?;
        if let Some(usage) = usage(&chunk["usage"]) {
            self.usage = Some(usage);
        }
        if chunk["object"] == "error" || chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(broken(&chunk, data));
        }
        if let Some(choice) = chunk["choices"].get(0) {
            self.choice(choice);
        }
        // Each piece looks through all of them.
        if self.calls.len() > MOST_CALLS {
            return Err(ModelError::Empty(format!("it has more than {MOST_CALLS} calls")));
        }
        Ok(false)
    }

    fn spent(&self) -> Spent {
        let calls = self.calls.iter().map(|call| call.name.len() + call.arguments.len());
        let bytes = self.text.len() + self.refusal.len() + calls.sum::<usize>();
        Spent { usage: self.usage, bytes: bytes as u64 }
    }

    fn end(self: Box<Self>) -> Result<Reply, ModelError> {
        if !self.is_done && self.finish.is_none() {
            return Err(ModelError::BrokenOff("it ended in the middle".into()));
        }
        if self.finish.as_deref() == Some("error") {
            return Err(ModelError::Unavailable { after: None, why: "it gave up".into() });
        }
        let (stop, usage) = (self.stop(), self.usage);
        Ok(Reply { turn: self.turn(), stop, usage })
    }
}

/// An error within an answer that had begun well. Its code may be a status; its type may say more.
fn broken(chunk: &Value, data: &str) -> ModelError {
    let error = chunk.get("error").filter(|error| error.is_object()).unwrap_or(chunk);
    let code = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| (400..600).contains(code));
    let kind = error["type"].as_str().or_else(|| error["code"].as_str()).unwrap_or_default();
    let status = code.unwrap_or(match kind {
        kind if kind.contains("rate_limit") || kind.contains("quota") => 429,
        kind if kind.contains("authentication") => 401,
        kind if kind.contains("invalid_request") => 400,
        _ => 500,
    });
    Refusal::read(status, &HeaderMap::new(), data).meaning()
}

/// None where the server did not count: without the field, or all zero.
fn usage(usage: &Value) -> Option<TokenUsage> {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let input_tokens = count("/prompt_tokens");
    let usage = TokenUsage {
        input_tokens,
        cached_tokens: count("/prompt_tokens_details/cached_tokens").min(input_tokens),
        output_tokens: count("/completion_tokens"),
        reasoning_tokens: count("/completion_tokens_details/reasoning_tokens"),
        estimated: false,
    };
    Some(usage).filter(|usage| usage.input_tokens.saturating_add(usage.output_tokens) > 0)
}

/// A string, or a list of parts that have one.
fn push_text(text: &mut String, content: &Value) {
    match content {
        Value::String(piece) => text.push_str(piece),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).for_each(|t| text.push_str(t));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

fn set_if_empty(field: &mut String, value: &Value) {
    if let Some(text) = value.as_str().filter(|_| field.is_empty()) {
        text.clone_into(field);
    }
}
