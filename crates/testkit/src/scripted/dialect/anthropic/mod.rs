//! Anthropic's messages.

mod read;
mod write;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::{Dialect, Incoming, header, text};
use crate::scripted::Seen;
use crate::scripted::answer::Answer;
use crate::scripted::refusal::{Refusal, Why};
use crate::scripted::wire::Wire;

#[derive(Debug)]
pub(super) struct Anthropic;

impl Dialect for Anthropic {
    fn key(&self, headers: &HeaderMap, _query: &str) -> String {
        header(headers, "x-api-key").to_owned()
    }

    fn read(&self, incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String> {
        let mut wrong = read::request(incoming.body, seen);
        if header(incoming.headers, "anthropic-version").is_empty() {
            wrong.insert(0, "anthropic-version: header is required".into());
        }
        wrong
    }

    fn answer(&self, seen: &Seen, answer: &Answer) -> Wire {
        if seen.stream { write::stream(seen, answer) } else { write::whole(seen, answer) }
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        error(kind(refusal), &refusal.message)
    }

    fn error_frame(&self) -> Bytes {
        event(&error("overloaded_error", "Overloaded"))
    }
}

fn error(kind: &str, message: &str) -> Value {
    json!({
        "type": "error", "error": { "type": kind, "message": message },
        "request_id": "req_scripted",
    })
}

fn kind(refusal: &Refusal) -> &'static str {
    match (&refusal.why, refusal.status) {
        (Why::RateLimit(..), _) => "rate_limit_error",
        (_, 401) => "authentication_error",
        (_, 402) => "billing_error",
        (_, 403) => "permission_error",
        (_, 404) => "not_found_error",
        (_, 413) => "request_too_large",
        (_, 429) => "rate_limit_error",
        (_, 408 | 504) => "timeout_error",
        (_, 529) => "overloaded_error",
        (_, 500..) => "api_error",
        _ => "invalid_request_error",
    }
}

fn event(data: &Value) -> Bytes {
    format!("event: {}\ndata: {data}\n\n", text(data, "type")).into()
}
