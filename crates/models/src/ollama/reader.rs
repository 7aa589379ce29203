use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use types::{ModelRequest, ModelTurn, Stop, TokenUsage};

use super::cut::Asked;
use super::refusal::refusal;
use crate::calls::{Ids, call_of_json};
use crate::dialect::{Reader, Reply, Spent};
use crate::{ModelError, Provider, estimate};

/// An answer as it comes in.
#[derive(Debug)]
pub(super) struct Answer {
    ids: Ids,
    asked: Asked,
    turn: ModelTurn,
    /// The last line's.
    done: Option<Done>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    error: Value,
    message: Message,
    done: bool,
    #[serde(flatten)]
    end: Done,
}

/// `thinking` is left out: it is not what was said, and no template wants it back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Option<String>,
    tool_calls: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Done {
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    prompt_eval_cached_count: Option<u64>,
    eval_count: Option<u64>,
}

impl Answer {
    pub(super) fn new(provider: &Provider, request: &ModelRequest) -> Self {
        Self {
            ids: Ids::new(request),
            asked: Asked::new(request, provider.window_tokens),
            turn: ModelTurn::default(),
            done: None,
        }
    }

    fn call(&mut self, mut call: Value) {
        let id = self.ids.take(call["id"].as_str().unwrap_or_default());
        let name = call["function"]["name"].as_str().unwrap_or_default().to_owned();
        let arguments = call.pointer_mut("/function/arguments").map(Value::take);
        self.turn.calls.push(call_of_json(id, name, arguments.unwrap_or_default()));
    }
}

impl Reader for Answer {
    fn frame(&mut self, _event: &str, data: &str) -> Result<bool, ModelError> {
        let line: Line = serde_json::from_str(data)
            .map_err(|e| ModelError::BrokenOff(format!("a line of it cannot be read: {e}")))?;
        if !line.error.is_null() {
            return Err(refusal(500, &HeaderMap::new(), data));
        }
        self.turn.text.push_str(&line.message.content.unwrap_or_default());
        for call in line.message.tool_calls.unwrap_or_default() {
            self.call(call);
        }
        if line.done {
            self.done = Some(line.end);
        }
        Ok(line.done)
    }

    fn spent(&self) -> Spent {
        let usage = self.done.as_ref().and_then(Done::usage);
        Spent { usage, bytes: estimate::turn_bytes(&self.turn) }
    }

    fn end(self: Box<Self>) -> Result<Reply, ModelError> {
        let Some(done) = &self.done else {
            return Err(ModelError::BrokenOff("it never said that it was done".into()));
        };
        let usage = done.usage();
        if let Some(cut) = usage.and_then(|usage| self.asked.cut(usage.input_tokens)) {
            return Err(cut.into());
        }
        let stop = match done.done_reason.as_deref() {
            Some("length") => Stop::Length,
            _ => Stop::Done,
        };
        Ok(Reply { turn: self.turn, stop, usage })
    }
}

impl Done {
    /// None where the question is not counted, as older servers do when all of it was in the cache.
    fn usage(&self) -> Option<TokenUsage> {
        let input = self.prompt_eval_count.filter(|count| *count > 0)?;
        Some(TokenUsage {
            input_tokens: input,
            cached_tokens: self.prompt_eval_cached_count.unwrap_or_default().min(input),
            output_tokens: self.eval_count.unwrap_or_default(),
            reasoning_tokens: 0,
            estimated: false,
        })
    }
}
