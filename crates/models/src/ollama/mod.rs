//! Ollama, by its own API (`/api/chat`).
//!
//! Not by its OpenAI-compatible one, which cannot set the window (`num_ctx`); by hand, because
//! genai 0.7.2, the best kept client library that we read, cannot set it either: it has
//! no option for it and writes `options` from its own list only.
//!
//! Keeps true: a question that does not fit is an error, never a conversation without its beginning.
//! By default Ollama drops what does not fit without a word. We ask it not to (`truncate` and
//! `shift` false: it then says so, or stops for length), and look at what it says it has read, for
//! servers that do not know these fields yet. That look is cautious ([`cut`]): a cut that leaves
//! a token for every six bytes goes unseen, which is one of less than a third of what was sent, and
//! one that leaves about as much as is new.
//!
//! Not here: when to ask again (`chain`), bytes and lines (`remote`).

mod cut;
mod question;
mod reader;
mod refusal;
#[cfg(test)]
mod tests;

use reqwest::header::HeaderMap;
use types::ModelRequest;

use crate::dialect::{Dialect, Framing, Question, Reader};
use crate::{ModelError, Provider};

/// Ollama's dialect.
#[derive(Debug)]
pub(crate) struct Ollama;

impl Dialect for Ollama {
    fn framing(&self) -> Framing {
        Framing::Lines
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
