//! Chat Completions, as OpenAI speaks it and so many others: OpenRouter, vLLM, llama.cpp, Gemini's
//! second endpoint, and Alchemyst's proxy.
//!
//! By hand, since no client library keeps what differs: pictures after results, thought signatures
//! on calls, numbers for error codes, calls without ids.
//!
//! A base URL is all that stands before `/chat/completions`, with or without a slash at its end:
//! `https://api.openai.com/v1`, `http://127.0.0.1:8080/v1`,
//! `https://platform-backend.getalchemystai.com/api/v1/proxy/default`. One without a path gets its
//! kind's usual one.
//!
//! Not here: tools in words ([`crate::text`]), which is how Alchemyst's models get them.

mod question;
mod reader;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use types::ModelRequest;

use crate::dialect::{Dialect, Framing, Question, Reader};
use crate::headers::with_key;
use crate::refusal::Refusal;
use crate::{Kind, ModelError, Provider};

/// The dialect of [`Kind::OpenAi`] and [`Kind::Alchemyst`].
#[derive(Debug)]
pub(crate) struct OpenAi;

impl Dialect for OpenAi {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn question(&self, provider: &Provider, request: &ModelRequest) -> Question {
        let usual = match (provider.base_url.path(), provider.kind) {
            ("/" | "", Kind::Alchemyst) => "api/v1/proxy/default/",
            ("/" | "", _) => "v1/",
            _ => "",
        };
        Question {
            path: format!("{usual}chat/completions"),
            headers: with_key(AUTHORIZATION, "Bearer ", provider.key.as_ref()),
            body: question::body(provider, request),
        }
    }

    fn reader(&self, provider: &Provider, request: &ModelRequest) -> Box<dyn Reader> {
        Box::new(reader::Chunks::new(provider, request))
    }

    fn refusal(&self, status: u16, headers: &HeaderMap, body: &str) -> ModelError {
        Refusal::read(status, headers, body).meaning()
    }
}

#[cfg(test)]
mod tests;
