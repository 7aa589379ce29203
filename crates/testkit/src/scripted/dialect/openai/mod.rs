//! OpenAI's chat completions.

mod read;
mod write;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::{Dialect, Incoming, bearer, sse};
use crate::scripted::answer::Answer;
use crate::scripted::refusal::{Refusal, Why};
use crate::scripted::wire::Wire;
use crate::scripted::{Overflow, Seen};

pub(super) use read::request;
pub(super) use write::answered;

#[derive(Debug)]
pub(super) struct OpenAi;

impl Dialect for OpenAi {
    fn key(&self, headers: &HeaderMap, _query: &str) -> String {
        bearer(headers)
    }

    fn read(&self, incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String> {
        request(incoming.body, seen)
    }

    fn answer(&self, seen: &Seen, answer: &Answer) -> Wire {
        answered(seen, answer)
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        if let Why::Overflow { form: Overflow::LlamaCpp, tokens, window } = refusal.why {
            return json!({ "error": {
                "code": 400, "message": refusal.message, "n_ctx": window,
                "n_prompt_tokens": tokens, "type": "exceed_context_size_error",
            } });
        }
        if let Why::Overflow { form: Overflow::Vllm, .. } = refusal.why {
            return json!({ "error": {
                "message": refusal.message, "type": "BadRequestError", "param": null, "code": 400,
            } });
        }
        let (kind, code) = kind_and_code(refusal);
        json!({ "error": {
            "message": refusal.message, "type": kind, "param": null, "code": code,
        } })
    }

    fn error_frame(&self) -> Bytes {
        let error = json!({ "error": {
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error", "param": null, "code": null,
        } });
        sse(&error, "\n\n")
    }
}

fn kind_and_code(refusal: &Refusal) -> (&'static str, Option<&'static str>) {
    match (&refusal.why, refusal.status) {
        (Why::Key, _) => ("invalid_request_error", Some("invalid_api_key")),
        (Why::Model, _) => ("invalid_request_error", Some("model_not_found")),
        (Why::Quota, _) => ("insufficient_quota", Some("insufficient_quota")),
        (Why::RateLimit(..), _) => ("requests", Some("rate_limit_exceeded")),
        (Why::Overflow { form: Overflow::OpenAi | Overflow::Responses, .. }, _) => {
            ("invalid_request_error", Some("context_length_exceeded"))
        }
        (_, 500..) => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}
