//! Google Gemini, by its own API (`streamGenerateContent`).
//!
//! By hand, because no client library that we read does what a long agent job needs. genai 0.7.2,
//! the best kept of them, takes a stream that ends without a `finishReason` for a complete answer
//! (`gemini/streamer.rs`), knows only text as a tool's result (`ToolResponse::content`), has
//! no type for what an error says in its details (which quota, how long to wait), and sends
//! another provider's signatures as they are.
//!
//! Keeps true: the key is in a header, never in the address. A thought signature goes back on the
//! part it came on, and only to the model that made it. All results of a turn stand before
//! anything else in one content. Two contents in a row never have the same role.
//!
//! A base URL is all that stands before `/models`; one without a path gets `/v1beta`.
//!
//! Not here: when to ask again (`chain`), bytes and frames (`remote`).

mod question;
mod reader;
mod refusal;
#[cfg(test)]
mod tests;

use reqwest::header::HeaderMap;
use types::ModelRequest;

use crate::dialect::{Dialect, Framing, Question, Reader};
use crate::{ModelError, Provider};

/// Gemini's dialect.
#[derive(Debug)]
pub(crate) struct Gemini;

impl Dialect for Gemini {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn question(&self, provider: &Provider, request: &ModelRequest) -> Question {
        question::question(provider, request)
    }

    fn reader(&self, provider: &Provider, request: &ModelRequest) -> Box<dyn Reader> {
        Box::new(reader::Answer::new(provider, request))
    }

    fn refusal(&self, status: u16, headers: &HeaderMap, body: &str) -> ModelError {
        refusal::refusal(status, headers, body)
    }
}
