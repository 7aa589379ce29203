//! Alchemyst's proxy: OpenAI's chat completions without tools and pictures. It refuses little; it
//! drops messages that look alike. So what is wrong is answered, and complained of.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::{Dialect, Incoming, bearer, check, list, openai, sse, text};
use crate::scripted::Seen;
use crate::scripted::answer::Answer;
use crate::scripted::refusal::{Refusal, Why};
use crate::scripted::wire::Wire;

#[derive(Debug)]
pub(super) struct Alchemyst;

impl Dialect for Alchemyst {
    fn key(&self, headers: &HeaderMap, _query: &str) -> String {
        bearer(headers)
    }

    fn read(&self, incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String> {
        let mut wrong = openai::request(incoming.body, seen);
        if seen.native_tools {
            wrong.push("`tools` is not documented here and may be dropped".into());
            seen.native_tools = false;
        }
        (seen.tools, seen.must_call) = (vec![], None);
        if list(incoming.body, "messages").iter().any(|m| !m["content"].is_string()) {
            wrong.push("content must be a string".into());
        }
        if list(incoming.body, "messages").iter().skip(1).any(|m| text(m, "role") == "system") {
            wrong.push("a system message that is not the first may be dropped".into());
        }
        if let Some(at) = check::alternation(&seen.messages) {
            wrong.push(format!("message {at} has the same role as the one before: dropped"));
        }
        if let Some(at) = repeated(seen) {
            wrong.push(format!("message {at} was said before, word for word: dropped"));
        }
        wrong
    }

    fn answer(&self, seen: &Seen, answer: &Answer) -> Wire {
        openai::answered(seen, answer)
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        let kind = match (&refusal.why, refusal.status) {
            (Why::Key, _) => "authentication_error",
            (Why::RateLimit(..), _) => "rate_limit_error",
            (_, 500..) => "server_error",
            _ => "invalid_request_error",
        };
        let code = match refusal.why {
            Why::Key => "invalid_api_key",
            Why::Overflow { .. } => "context_length_exceeded",
            Why::Model => "model_not_found",
            _ => kind,
        };
        json!({ "error": { "message": refusal.message, "type": kind, "code": code } })
    }

    fn error_frame(&self) -> Bytes {
        let error = json!({ "content": null, "error": { "message": "Internal server error" } });
        sse(&error, "\n\n")
    }
}

/// A message of the same side that has the same text as an earlier one.
fn repeated(seen: &Seen) -> Option<usize> {
    let messages = &seen.messages;
    (1..messages.len()).find(|at| {
        let (text, role) = (&messages[*at].text, messages[*at].role);
        messages[..*at].iter().any(|m| m.role == role && m.text == *text)
    })
}
