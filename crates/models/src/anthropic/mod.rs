//! Anthropic's Messages API.
//!
//! By hand, because no client library that we read does what a long agent job needs. genai 0.7.2,
//! the best kept of them, knows only text as a tool's result and cannot say that a tool failed
//! (`ToolResponse` has neither pictures nor an error flag), and gives a stream's error as unread
//! JSON, without the hint when to try again.
//!
//! Keeps true: the key is in a header, never in the address. All results of a turn stand at the
//! beginning of one user message. Thinking goes back unmodified, and only to the model that thought
//! it. Two messages in a row never have the same role.
//!
//! A base URL is all that stands before `/messages`; one without a path gets `/v1`.
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

/// Anthropic's dialect.
#[derive(Debug)]
pub(crate) struct Anthropic;

impl Dialect for Anthropic {
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
