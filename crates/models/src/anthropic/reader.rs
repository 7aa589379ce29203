use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use serde_json::Value;
use types::{ModelRequest, ModelTurn, Stop, TokenUsage};

use super::refusal::{refusal, status_of};
use crate::calls::{Ids, call_of_json, call_of_text};
use crate::dialect::{Reader, Reply, Spent};
use crate::replay::{Piece, keep};
use crate::{ModelError, Provider};

/// An answer as it comes in.
#[derive(Debug)]
pub(super) struct Answer {
    provider: Provider,
    ids: Ids,
    /// By their index.
    blocks: BTreeMap<u64, Block>,
    usage: Option<Usage>,
    /// `stop_reason` and what was said about it.
    stop: Option<(String, String)>,
}

#[derive(Debug)]
enum Block {
    Text(String),
    Call {
        id: String,
        name: String,
        /// Where it was not written piece by piece.
        whole: Value,
        written: String,
    },
    /// `thinking`, `redacted_thinking` and whatever else it wants to see again.
    Opaque(Value),
}

impl Block {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Call { name, written, .. } => name.len() + written.len(),
            Self::Opaque(block) => block["thinking"].as_str().map_or(0, str::len),
        }
    }
}

/// The latest of each count: they are sums.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    fresh: u64,
    written_to_cache: u64,
    cached: u64,
    output: u64,
}

impl Answer {
    pub(super) fn new(provider: &Provider, request: &ModelRequest) -> Self {
        Self {
            provider: provider.clone(),
            ids: Ids::new(request),
            blocks: BTreeMap::new(),
            usage: None,
            stop: None,
        }
    }

    /// An answer that was not streamed.
    fn whole(&mut self, mut message: Value) -> bool {
        self.count(&message["usage"]);
        self.stopped(&message);
        let blocks = message["content"].as_array_mut().map(std::mem::take).unwrap_or_default();
        (0..).zip(blocks).for_each(|(index, block)| self.begin(index, block));
        true
    }

    fn begin(&mut self, index: u64, mut block: Value) {
        let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
        let begun = match block["type"].as_str() {
            Some("text") => Block::Text(text("text")),
            Some("tool_use") => Block::Call {
                id: text("id"),
                name: text("name"),
                whole: block["input"].take(),
                written: String::new(),
            },
            _ => Block::Opaque(block),
        };
        self.blocks.insert(index, begun);
    }

    fn go_on(&mut self, index: u64, delta: &Value) {
        let added = |key: &str| delta[key].as_str().unwrap_or_default();
        match (self.blocks.get_mut(&index), delta["type"].as_str().unwrap_or_default()) {
            (Some(Block::Text(text)), "text_delta") => text.push_str(added("text")),
            (Some(Block::Call { written, .. }), "input_json_delta") => {
                written.push_str(added("partial_json"));
            }
            (Some(Block::Opaque(block)), "thinking_delta") => append(block, "thinking", delta),
            (Some(Block::Opaque(block)), "signature_delta") => append(block, "signature", delta),
            _ => {}
        }
    }

    fn count(&mut self, usage: &Value) {
        let Some(counts) = usage.as_object() else { return };
        let known = self.usage.get_or_insert_default();
        let count = |key: &str, known: &mut u64| {
            *known = counts.get(key).and_then(Value::as_u64).unwrap_or(*known);
        };
        count("input_tokens", &mut known.fresh);
        count("cache_creation_input_tokens", &mut known.written_to_cache);
        count("cache_read_input_tokens", &mut known.cached);
        count("output_tokens", &mut known.output);
    }

    fn stopped(&mut self, delta: &Value) {
        if let Some(reason) = delta["stop_reason"].as_str() {
            let words = delta["stop_details"]["explanation"].as_str().unwrap_or_default();
            self.stop = Some((reason.to_owned(), words.to_owned()));
        }
    }

    fn turn(self) -> ModelTurn {
        let Self { provider, mut ids, blocks, .. } = self;
        let (mut turn, mut pieces) = (ModelTurn::default(), vec![]);
        for block in blocks.into_values() {
            pieces.push(match block {
                Block::Text(text) => {
                    turn.text.push_str(&text);
                    Piece::Text { bytes: text.len(), signature: None }
                }
                Block::Call { id, name, whole, written } => {
                    let id = ids.take(&id);
                    turn.calls.push(match written.as_str() {
                        "" => call_of_json(id, name, whole),
                        written => call_of_text(id, name, written),
                    });
                    Piece::Call { id: None, signature: None }
                }
                Block::Opaque(part) => Piece::Opaque { part },
            });
        }
        turn.replay = keep(&provider, &pieces);
        turn
    }
}

fn append(block: &mut Value, key: &str, delta: &Value) {
    let more = delta[key].as_str().unwrap_or_default();
    if let Some(block) = block.as_object_mut() {
        match block.get_mut(key) {
            Some(Value::String(before)) => before.push_str(more),
            _ => drop(block.insert(key.to_owned(), more.into())),
        }
    }
}

impl Reader for Answer {
    fn frame(&mut self, event: &str, data: &str) -> Result<bool, ModelError> {
        let not_ours = |e| ModelError::BrokenOff(format!("a piece of it cannot be read: {e}"));
        let mut message: Value = serde_json::from_str(data).map_err(not_ours)?;
        if !message.is_object() {
            return Err(ModelError::BrokenOff("a piece of it is no object".into()));
        }
        let kind = message["type"].as_str().unwrap_or(event).to_owned();
        let index = message["index"].as_u64().unwrap_or_default();
        match kind.as_str() {
            "message" => return Ok(self.whole(message)),
            "message_start" => self.count(&message["message"]["usage"]),
            "content_block_start" => self.begin(index, message["content_block"].take()),
            "content_block_delta" => self.go_on(index, &message["delta"]),
            "message_delta" => {
                self.count(&message["usage"]);
                self.stopped(&message["delta"]);
            }
            "message_stop" => return Ok(true),
            "error" => {
                let kind = message["error"]["type"].as_str().unwrap_or_default();
                return Err(refusal(status_of(kind), &HeaderMap::new(), data));
            }
            // `ping`, `content_block_stop`, and what may come: to be passed over, says the API.
            _ => {}
        }
        Ok(false)
    }

    fn spent(&self) -> Spent {
        let bytes: usize = self.blocks.values().map(Block::bytes).sum();
        Spent { usage: self.usage.map(TokenUsage::from), bytes: bytes as u64 }
    }

    fn end(self: Box<Self>) -> Result<Reply, ModelError> {
        let Some((reason, words)) = self.stop.clone() else {
            return Err(ModelError::BrokenOff("it has no stop_reason".into()));
        };
        let usage = self.usage.map(TokenUsage::from);
        let turn = self.turn();
        let stop = match reason.as_str() {
            "model_context_window_exceeded" => return Err(ModelError::TooLong { window: None }),
            "max_tokens" => Stop::Length,
            "refusal" if words.is_empty() => Stop::Refused { why: turn.text.clone() },
            "refusal" => Stop::Refused { why: words },
            // `end_turn`, `tool_use`, `stop_sequence`, `pause_turn` and what may come.
            _ => Stop::Done,
        };
        Ok(Reply { turn, stop, usage })
    }
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        let cached = usage.cached;
        Self {
            input_tokens: usage.fresh.saturating_add(usage.written_to_cache).saturating_add(cached),
            cached_tokens: cached,
            output_tokens: usage.output,
            reasoning_tokens: 0,
            estimated: false,
        }
    }
}
