//! What a refusal means, as far as all providers mean the same by it.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::ModelError;
use crate::hint::retry_after;
use crate::overflow::is_overflow;

/// The longest text of an error that is kept, in bytes.
const LONGEST: usize = 600;

/// A refusal, taken apart.
#[derive(Debug)]
pub(crate) struct Refusal<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    /// The error's code, type and status, whichever it has, parted by spaces.
    pub(crate) code: String,
    /// The error's text, or the body.
    pub(crate) message: String,
    pub(crate) body: &'a str,
}

/// Codes and words, in lower case, that mean: no money or quota is left.
const NO_QUOTA: [&str; 4] =
    ["insufficient_quota", "insufficient credit", "credit balance", "quota_exceeded"];

/// Words that mean the same, unless the refusal names a time: Google says them of limits per minute
/// too.
const NO_QUOTA_UNLESS_HINTED: [&str; 2] = ["exceeded your current quota", "billing"];

/// Codes and words that mean: wrong key.
const BAD_KEY: [&str; 5] = [
    "invalid_api_key",
    "api_key_invalid",
    "api key not valid",
    "incorrect api key",
    "authentication_error",
];

/// Codes and words that mean: no such model.
const NO_MODEL: [&str; 4] =
    ["model_not_found", "is not a valid model", "no such model", "does not exist"];

impl<'a> Refusal<'a> {
    /// Takes apart `{"error": {"message", "code", "type", "status"}}`, also within an array, and the
    /// plainer forms; a body that is none of them is its own message.
    pub(crate) fn read(status: u16, headers: &'a HeaderMap, body: &'a str) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let (code, message) = code_and_message(&json);
        let message = if message.is_empty() { body.trim().to_owned() } else { message };
        Self { status, headers, code, message, body }
    }

    /// What it means.
    pub(crate) fn meaning(&self) -> ModelError {
        if let Some(overflow) = is_overflow(self.status, &self.code, self.body) {
            return overflow.into();
        }
        match self.status {
            402 => ModelError::Exhausted(self.why()),
            _ if self.says(&BAD_KEY) => ModelError::Auth(self.why()),
            400 | 403 | 429 if self.is_exhausted() => ModelError::Exhausted(self.why()),
            401 | 403 => ModelError::Auth(self.why()),
            404 => ModelError::NotFound(self.why()),
            429 => ModelError::RateLimited { after: self.hint(), why: self.why() },
            408 | 409 | 425 | 500.. => {
                ModelError::Unavailable { after: self.hint(), why: self.why() }
            }
            _ if self.says(&["thought signature", "thought_signature"]) => {
                ModelError::Signature(self.why())
            }
            _ if self.says(&NO_MODEL) => ModelError::NotFound(self.why()),
            _ => ModelError::Invalid(self.why()),
        }
    }

    /// Google names the day's limit only in the details: `…RequestsPerDayPerProject…`.
    fn is_exhausted(&self) -> bool {
        self.says(&NO_QUOTA)
            || self.body.contains("PerDay")
            || (self.says(&NO_QUOTA_UNLESS_HINTED) && self.hint().is_none())
    }

    /// The provider's own hint.
    pub(crate) fn hint(&self) -> Option<std::time::Duration> {
        retry_after(self.headers, self.body)
    }

    /// Whether its code or message has one of these words, which are in lower case.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        let text = format!("{} {}", self.code, self.message).to_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// For people: the status and what was said.
    pub(crate) fn why(&self) -> String {
        match short(&self.message) {
            "" => format!("HTTP {}", self.status),
            message => format!("HTTP {}: {message}", self.status),
        }
    }
}

fn code_and_message(body: &Value) -> (String, String) {
    let body = body.get(0).unwrap_or(body);
    let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
    let words: Vec<_> =
        ["code", "type", "status"].iter().filter_map(|k| word(&error[*k])).collect();
    let message = [&error["message"], error, &body["message"], &body["response"]];
    let message = message.into_iter().find_map(Value::as_str).unwrap_or_default();
    (words.join(" "), message.to_owned())
}

/// llama.cpp and `OpenRouter` have numbers for codes.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The beginning of a text that may be a whole web page.
pub(crate) fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn meaning(status: u16, body: &str) -> ModelError {
        Refusal::read(status, &HeaderMap::new(), body).meaning()
    }

    #[test]
    fn each_status_has_a_meaning() {
        let quota = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
        assert!(matches!(meaning(429, quota), ModelError::Exhausted(_)));
        let rate = r#"{"error":{"message":"Rate limit reached. Please try again in 11.054s.","type":"tokens","code":"rate_limit_exceeded"}}"#;
        let ModelError::RateLimited { after, why } = meaning(429, rate) else { panic!() };
        assert_eq!(after, Some(Duration::from_millis(11_054)));
        assert_eq!(why, "HTTP 429: Rate limit reached. Please try again in 11.054s.");
        let llama = r#"{"error":{"code":400,"message":"request (2009 tokens) exceeds the available context size (512 tokens), try increasing it","n_ctx":512,"n_prompt_tokens":2009,"type":"exceed_context_size_error"}}"#;
        assert_eq!(meaning(400, llama), ModelError::TooLong { window: Some(512) });
        let jinja = r#"{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}"#;
        assert!(matches!(meaning(500, jinja), ModelError::Unavailable { .. }));
        assert!(matches!(meaning(401, ""), ModelError::Auth(why) if why == "HTTP 401"));
        assert!(matches!(meaning(402, "{}"), ModelError::Exhausted(_)));
        assert!(matches!(meaning(404, "nothing here"), ModelError::NotFound(_)));
        for status in [408, 409, 500, 502, 503, 504, 529] {
            assert!(matches!(meaning(status, "oh"), ModelError::Unavailable { .. }), "{status}");
        }
        let signature = r#"{"error":{"code":400,"message":"Function call is missing a thought_signature in functionCall parts.","status":"INVALID_ARGUMENT"}}"#;
        assert!(matches!(meaning(400, signature), ModelError::Signature(_)));
        let model = r#"{"error":{"message":"The model `gpt-9` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#;
        assert!(matches!(meaning(400, model), ModelError::NotFound(_)));
        assert!(matches!(meaning(400, "what?"), ModelError::Invalid(_)));
    }

    #[test]
    fn the_text_is_found_in_every_form() {
        let text = |body| Refusal::read(500, &HeaderMap::new(), body).why();
        assert_eq!(text(r#"[{"error":{"message":"in an array"}}]"#), "HTTP 500: in an array");
        assert_eq!(text(r#"{"error":"plain"}"#), "HTTP 500: plain");
        assert_eq!(text(r#"{"object":"error","message":"old vLLM"}"#), "HTTP 500: old vLLM");
        assert_eq!(text("<html>gateway</html>"), "HTTP 500: <html>gateway</html>");
        assert!(text(&"ä".repeat(5000)).len() < 700);
    }
}
