//! The five protocols. Each knows how a request is read, what its provider would find wrong with
//! it, and how an answer and a refusal are written.

mod alchemyst;
mod anthropic;
mod check;
mod gemini;
mod ollama;
mod openai;
pub(super) mod words;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;

use super::answer::Answer;
use super::refusal::Refusal;
use super::wire::Wire;
use super::{Provider, Seen};

/// A request as it came.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Value,
}

/// One protocol.
pub(super) trait Dialect: Sync {
    /// The key a request has; empty if none.
    fn key(&self, headers: &HeaderMap, query: &str) -> String;

    /// The request, and what its provider would say is wrong with it.
    fn read(&self, incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String>;

    /// An answer, in frames if the request wants it so.
    fn answer(&self, seen: &Seen, answer: &Answer) -> Wire;

    /// A refusal's body.
    fn refusal(&self, refusal: &Refusal) -> Value;

    /// The frame of an error within a stream.
    fn error_frame(&self) -> Bytes;
}

/// Who speaks for this provider.
pub(super) fn of(provider: Provider) -> &'static dyn Dialect {
    match provider {
        Provider::Alchemyst => &alchemyst::Alchemyst,
        Provider::Gemini => &gemini::Gemini,
        Provider::OpenAi => &openai::OpenAi,
        Provider::Anthropic => &anthropic::Anthropic,
        Provider::Ollama => &ollama::Ollama,
    }
}

/// Whose path this is; none if nobody's.
pub(super) fn route(path: &str) -> Option<Provider> {
    match path {
        "/api/v1/proxy/default/chat/completions" => Some(Provider::Alchemyst),
        "/v1/chat/completions" => Some(Provider::OpenAi),
        "/v1/messages" => Some(Provider::Anthropic),
        "/api/chat" => Some(Provider::Ollama),
        _ => gemini::model_and_method(path).map(|_| Provider::Gemini),
    }
}

/// An answer of those that have nothing to do with a conversation; none if nobody has this path.
pub(super) fn about(path: &str, models: &[String]) -> Option<Value> {
    ollama::about(path, models)
}

/// The key after `Bearer`.
fn bearer(headers: &HeaderMap) -> String {
    let value = header(headers, "authorization");
    value.strip_prefix("Bearer ").unwrap_or_default().to_owned()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A frame of server-sent events, ended as its provider ends it.
fn sse(data: &Value, end: &str) -> Bytes {
    format!("data: {data}{end}").into()
}

/// A string field, or nothing.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// An array field, or none.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}
