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

/// Codes that mean: no money or quota is left.
const NO_QUOTA: [&str; 2] = ["insufficient_quota", "quota_exceeded"];

/// Words, in lower case, that mean the same.
const NO_QUOTA_WORDS: [&str; 2] = ["insufficient credit", "credit balance"];

/// Words that mean the same, unless the refusal names a time: Google says them of limits per minute
/// too.
const NO_QUOTA_UNLESS_HINTED: [&str; 2] = ["exceeded your current quota", "billing"];

/// Codes that mean: wrong key.
const BAD_KEY: [&str; 3] = ["invalid_api_key", "api_key_invalid", "authentication_error"];

/// Words that mean the same.
const BAD_KEY_WORDS: [&str; 2] = ["api key not valid", "incorrect api key"];

/// Codes that mean: no such model.
const NO_MODEL: [&str; 3] = ["model_not_found", "invalid_model", "deploymentnotfound"];

/// Words that mean the same: a beginning, and what follows it. Other things are not found either,
/// such as a provider that takes pictures; that says nothing of the next question.
const NO_MODEL_WORDS: [(&str, &str); 7] = [
    ("the model ", "does not exist"),
    ("the model ", "not found"),
    ("model ", "not found"),
    ("models/", "not found"),
    ("no such model", ""),
    ("invalid model name", ""),
    ("", "is not a valid model"),
];

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
        if let Some(overflow) = is_overflow(self.status, &self.code, &self.message) {
            return overflow.into();
        }
        match self.status {
            402 => ModelError::Exhausted(self.why()),
            400 | 401 | 403 if self.is_bad_key() => ModelError::Auth(self.why()),
            400 | 403 | 429 if self.is_exhausted() => ModelError::Exhausted(self.why()),
            401 | 403 => ModelError::Auth(self.why()),
            400 | 404 | 422 if self.has_no_model() => ModelError::NotFound(self.why()),
            413 => ModelError::TooLarge(self.why()),
            429 => ModelError::RateLimited { after: self.hint(), why: self.why() },
            408 | 409 | 425 | 500.. => {
                ModelError::Unavailable { after: self.hint(), why: self.why() }
            }
            _ if self.says(&["thought signature", "thought_signature"]) => {
                ModelError::Signature(self.why())
            }
            _ => ModelError::Invalid(self.why()),
        }
    }

    fn is_bad_key(&self) -> bool {
        self.has_code(&BAD_KEY) || self.says(&BAD_KEY_WORDS)
    }

    /// Google names the day's limit only in the details: `…RequestsPerDayPerProject…`.
    fn is_exhausted(&self) -> bool {
        self.has_code(&NO_QUOTA)
            || self.says(&NO_QUOTA_WORDS)
            || (self.status == 429 && self.body.contains("PerDay"))
            || (self.says(&NO_QUOTA_UNLESS_HINTED) && self.hint().is_none())
    }

    fn has_no_model(&self) -> bool {
        let text = unquoted(&self.message).to_lowercase();
        let is_so = |(begins, goes_on): &(&str, &str)| {
            text.strip_prefix(begins).is_some_and(|rest| rest.contains(goes_on))
        };
        self.has_code(&NO_MODEL) || NO_MODEL_WORDS.iter().any(is_so)
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        let code = self.code.to_lowercase();
        codes.iter().any(|one| code.contains(one))
    }

    /// The provider's own hint.
    pub(crate) fn hint(&self) -> Option<std::time::Duration> {
        retry_after(self.headers, self.body)
    }

    /// Whether its code, or its message outside of quotes, has one of these words, which are in
    /// lower case.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        let text = format!("{} {}", self.code, unquoted(&self.message)).to_lowercase();
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
    let (code, message) = (words.join(" "), message.to_owned());
    match error["metadata"]["raw"].as_str() {
        Some(raw) => behind(raw, &code, &message),
        None => (code, message),
    }
}

/// What another provider said, for which `OpenRouter` has only "Provider returned error".
fn behind(raw: &str, code: &str, message: &str) -> (String, String) {
    let (inner, said) = code_and_message(&serde_json::from_str(raw).unwrap_or_default());
    let said = if said.is_empty() { raw } else { &said };
    (format!("{code} {inner}"), format!("{message}: {said}"))
}

/// A message without what it quotes, which may be of a job: nobody may have a provider rest for all by
/// what is in a file. An apostrophe within a word is none of the marks, nor is one that stays open.
pub(crate) fn unquoted(message: &str) -> String {
    let (mut kept, mut rest) = (String::new(), message);
    let mut open = String::new();
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let (before, quoted) = rest.split_at(at);
        let (mark, inner) = quoted.split_at(1);
        kept.push_str(before);
        let begins = !before.ends_with(char::is_alphanumeric) && !open.contains(mark);
        let end = if begins { inner.find(mark) } else { None };
        if begins && end.is_none() {
            open.push_str(mark);
        }
        rest = &inner[end.map_or(0, |end| end + 1)..];
    }
    kept + rest
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
        assert!(matches!(meaning(404, "nothing here"), ModelError::Invalid(_)));
        assert!(matches!(meaning(413, "Request Entity Too Large"), ModelError::TooLarge(_)));
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
    fn only_what_says_so_is_without_the_model() {
        let error = |status: u16, message: &str| {
            let body = serde_json::json!({"error": {"message": message, "code": status}});
            meaning(status, &body.to_string())
        };
        for (status, message) in [
            (404, "The model `gpt-9` does not exist."),
            (404, "models/gemini-9 is not found for API version v1beta"),
            (404, "model 'qwen9' not found"),
            (400, "gpt-9 is not a valid model ID"),
        ] {
            assert!(matches!(error(status, message), ModelError::NotFound(_)), "{message}");
        }
        for (status, message) in [
            (404, "No endpoints found that support image input"),
            (404, "404 page not found"),
            (400, "The file a.png does not exist"),
            (400, "Invalid value: 'the model x does not exist'"),
            (400, "Invalid value: \"authentication_error: incorrect api key\""),
            (400, "Tool `credit balance` has no such model's \"api key not valid\""),
        ] {
            assert!(matches!(error(status, message), ModelError::Invalid(_)), "{message}");
        }
        assert!(matches!(meaning(503, "incorrect api key"), ModelError::Unavailable { .. }));
    }

    #[test]
    fn what_is_quoted_is_left_out() {
        assert_eq!(unquoted("the model's `x` isn't \"a 'b'\" c"), "the models  isnt  c");
        assert_eq!(unquoted("an 'open one"), "an open one");
        let begun = std::time::Instant::now();
        unquoted(&"a' b\" c` ".repeat(7000));
        unquoted(&format!("{}`", " '\"".repeat(20_000)));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn who_is_behind_another_is_heard() {
        let raw = r#"{"error":{"message":"prompt is too long: 9000 tokens > 8000 maximum"}}"#;
        let error = serde_json::json!({"message": "Provider returned error", "code": 400,
            "metadata": {"raw": raw}});
        let body = serde_json::json!({ "error": error }).to_string();
        assert_eq!(meaning(400, &body), ModelError::TooLong { window: Some(8000) });
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
