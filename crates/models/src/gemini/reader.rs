use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use types::{ModelRequest, ModelTurn, Stop, TokenUsage};

use super::refusal::refusal;
use crate::calls::{Ids, call_of_json};
use crate::dialect::{Reader, Reply, Spent};
use crate::replay::{Piece, keep};
use crate::{ModelError, Provider, estimate};

/// An answer as it comes in.
#[derive(Debug)]
pub(super) struct Answer {
    provider: Provider,
    ids: Ids,
    turn: ModelTurn,
    pieces: Vec<Piece>,
    usage: Option<Usage>,
    /// Whether there was a candidate.
    began: bool,
    /// `finishReason` and what was said about it.
    finish: Option<(String, String)>,
    /// `promptFeedback.blockReason`.
    blocked: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Chunk {
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Usage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Feedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Usage {
    prompt_token_count: u64,
    cached_content_token_count: u64,
    tool_use_prompt_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
    total_token_count: u64,
}

impl Answer {
    pub(super) fn new(provider: &Provider, request: &ModelRequest) -> Self {
        Self {
            provider: provider.clone(),
            ids: Ids::new(request),
            turn: ModelTurn::default(),
            pieces: vec![],
            usage: None,
            began: false,
            finish: None,
            blocked: None,
        }
    }

    fn chunk(&mut self, chunk: Chunk) {
        self.usage = chunk.usage_metadata.or(self.usage);
        if let Some(feedback) = chunk.prompt_feedback {
            self.blocked = feedback.block_reason.map(|reason| {
                reason_and_words(&reason, &feedback.block_reason_message.unwrap_or_default())
            });
        }
        // We ask for one.
        let Some(candidate) = chunk.candidates.into_iter().next() else { return };
        self.began = true;
        for part in candidate.content.unwrap_or_default().parts {
            self.part(part);
        }
        if let Some(reason) = candidate.finish_reason {
            self.finish = Some((reason, candidate.finish_message.unwrap_or_default()));
        }
    }

    fn part(&mut self, mut part: Value) {
        let signature = part["thoughtSignature"].as_str().map(str::to_owned);
        if part["thought"] == true {
            if signature.is_some() {
                self.pieces.push(Piece::Opaque { part });
            }
        } else if part["functionCall"].is_object() {
            self.call(part["functionCall"].take(), signature);
        } else if let Some(text) = part["text"].as_str() {
            self.text(text, signature);
        } else if signature.is_some() {
            self.pieces.push(Piece::Opaque { part });
        }
    }

    /// Pieces of text are one, but a signature stays on the very piece it came on.
    fn text(&mut self, text: &str, signature: Option<String>) {
        self.turn.text.push_str(text);
        match (self.pieces.last_mut(), &signature) {
            (Some(Piece::Text { bytes, signature: None }), None) => *bytes += text.len(),
            _ => self.pieces.push(Piece::Text { bytes: text.len(), signature }),
        }
    }

    fn call(&mut self, mut function: Value, signature: Option<String>) {
        let id = function["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
        let name = function["name"].as_str().unwrap_or_default().to_owned();
        let ours = self.ids.take(id.as_deref().unwrap_or_default());
        self.turn.calls.push(call_of_json(ours, name, function["args"].take()));
        self.pieces.push(Piece::Call { id, signature });
    }
}

/// What an end of this kind means.
fn stop(reason: &str, words: &str) -> Result<Stop, ModelError> {
    let why = reason_and_words(reason, words);
    match reason {
        "MAX_TOKENS" => Ok(Stop::Length),
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS" => Err(ModelError::Empty(why)),
        "MISSING_THOUGHT_SIGNATURE" => Err(ModelError::Signature(why)),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "MODEL_ARMOR" => Ok(Stop::Refused { why }),
        reason if reason.starts_with("IMAGE_") => Ok(Stop::Refused { why }),
        // STOP, also with calls; OTHER and what is not known yet, if something was said.
        _ => Ok(Stop::Done),
    }
}

impl Reader for Answer {
    fn frame(&mut self, _event: &str, data: &str) -> Result<bool, ModelError> {
        let not_ours = |e| ModelError::BrokenOff(format!("a piece of it cannot be read: {e}"));
        let mut frame: Value = serde_json::from_str(data).map_err(not_ours)?;
        // A list of one is how the API answers where it does not stream, errors above all.
        let chunks = match frame.take() {
            Value::Array(chunks) => chunks,
            chunk => vec![chunk],
        };
        for chunk in chunks {
            if chunk["error"].is_object() {
                let status = chunk["error"]["code"].as_u64().and_then(|c| u16::try_from(c).ok());
                return Err(refusal(status.unwrap_or(500), &HeaderMap::new(), data));
            }
            self.chunk(serde_json::from_value(chunk).map_err(not_ours)?);
        }
        // Whatever follows says nothing new once both are there.
        Ok(self.finish.is_some() && self.usage.is_some())
    }

    fn spent(&self) -> Spent {
        let bytes = estimate::turn_bytes(&self.turn);
        Spent { usage: self.usage.map(TokenUsage::from), bytes }
    }

    fn end(self: Box<Self>) -> Result<Reply, ModelError> {
        let usage = self.usage.map(TokenUsage::from);
        if let Some(why) = self.blocked {
            return Ok(Reply { turn: self.turn, stop: Stop::Refused { why }, usage });
        }
        let Some((reason, words)) = &self.finish else {
            return Err(match usage {
                Some(_) if !self.began => ModelError::Empty("it has no candidates".into()),
                _ => ModelError::BrokenOff("it has no finishReason".into()),
            });
        };
        let stop = stop(reason, words)?;
        let replay = keep(&self.provider, &self.pieces);
        Ok(Reply { turn: ModelTurn { replay, ..self.turn }, stop, usage })
    }
}

/// Thoughts are not among the candidates' tokens; what came from a cache is among the prompt's.
impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        let input = usage.prompt_token_count.saturating_add(usage.tool_use_prompt_token_count);
        let output = usage.candidates_token_count.saturating_add(usage.thoughts_token_count);
        Self {
            input_tokens: input,
            cached_tokens: usage.cached_content_token_count.min(input),
            // The total also has what no other field names.
            output_tokens: output.max(usage.total_token_count.saturating_sub(input)),
            reasoning_tokens: usage.thoughts_token_count,
            estimated: false,
        }
    }
}

fn reason_and_words(reason: &str, words: &str) -> String {
    if words.is_empty() { reason.to_owned() } else { format!("{reason}: {words}") }
}
