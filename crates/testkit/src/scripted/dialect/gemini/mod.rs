//! Gemini's native API, both methods.

mod read;
mod write;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::{Dialect, Incoming, header, sse};
use crate::scripted::Seen;
use crate::scripted::answer::Answer;
use crate::scripted::fault::Hint;
use crate::scripted::refusal::{Refusal, Why};
use crate::scripted::wire::Wire;

#[derive(Debug)]
pub(in crate::scripted) struct Gemini;

impl Dialect for Gemini {
    fn key(&self, headers: &HeaderMap, query: &str) -> String {
        let in_query = query.split('&').find_map(|pair| pair.strip_prefix("key="));
        match header(headers, "x-goog-api-key") {
            "" => in_query.unwrap_or_default().to_owned(),
            key => key.to_owned(),
        }
    }

    fn read(&self, incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String> {
        read::request(incoming, seen)
    }

    fn answer(&self, seen: &Seen, answer: &Answer) -> Wire {
        if !seen.stream {
            let body = write::whole(seen, answer).to_string();
            return Wire::whole(200, "application/json; charset=UTF-8", body);
        }
        let frames = write::chunks(seen, answer);
        let frames = frames.iter().map(|frame| sse(frame, "\r\n\r\n"));
        Wire::stream("text/event-stream", frames.collect())
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        let mut error = json!({
            "code": refusal.status, "message": refusal.message, "status": status_word(refusal),
        });
        if let Some(details) = details(refusal) {
            error["details"] = details;
        }
        json!({ "error": error })
    }

    fn error_frame(&self) -> Bytes {
        let error = json!({ "error": {
            "code": 503, "message": "The model is overloaded. Please try again later.",
            "status": "UNAVAILABLE",
        } });
        sse(&error, "\r\n\r\n")
    }
}

/// `/v1beta/models/MODEL:METHOD`.
pub(super) fn model_and_method(path: &str) -> Option<(&str, &str)> {
    let (model, method) = path.strip_prefix("/v1beta/models/")?.rsplit_once(':')?;
    matches!(method, "generateContent" | "streamGenerateContent").then_some((model, method))
}

fn status_word(refusal: &Refusal) -> &'static str {
    match refusal.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        429 => "RESOURCE_EXHAUSTED",
        502..=503 | 529 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

fn details(refusal: &Refusal) -> Option<Value> {
    let failure = |id: &str, metric: &str| {
        json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
            { "quotaMetric": metric, "quotaId": id, "quotaValue": "10",
              "quotaDimensions": { "location": "global", "model": "scripted" } },
        ] })
    };
    let metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests";
    match &refusal.why {
        Why::Key if refusal.status == 400 => Some(json!([
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
              "domain": "googleapis.com" },
        ])),
        Why::Quota => {
            Some(json!([failure("GenerateRequestsPerDayPerProjectPerModel-FreeTier", metric)]))
        }
        Why::RateLimit(hint, after) => {
            let minute = failure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", metric);
            let retry = json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", after.as_secs_f64()),
            });
            let with_retry = *hint == Hint::RetryInfo;
            Some(if with_retry { json!([minute, retry]) } else { json!([minute]) })
        }
        _ => None,
    }
}
