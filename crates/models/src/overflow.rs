//! Whether a question was too long for a model: one table for all providers, since servers that
//! speak one dialect fail in another's words.
//!
//! Not here: what follows from it (agentd sends less).

use types::{Stop, TokenUsage};

use crate::refusal::unquoted;
use crate::{ModelError, Provider};

/// A question was longer than the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow {
    /// The window in tokens, if the message names it.
    pub(crate) window: Option<u64>,
}

/// Codes and types that say so alone: `OpenAI`, llama.cpp.
const CODES: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];

/// Words that say so, in lower case; all of a line have to be there.
const WORDS: [&[&str]; 15] = [
    &["prompt is too long"],
    &["prompt too long"],
    &["maximum context length"],
    &["max context length"],
    &["exceeds the context window"],
    &["input token count", "exceeds the maximum"],
    &["maximum prompt length"],
    &["reduce the length of"],
    &["longer than the model's context length"],
    &["too large for model with"],
    &["exceeded model token limit"],
    &["range of input length"],
    &["exceeds the available context size"],
    &["input length and", "exceed context limit"],
    &["exceeds context window"],
];

/// What stands before the window's number, in lower case.
const BEFORE_WINDOW: [&str; 7] = [
    "maximum context length is ",
    "maximum number of tokens allowed (",
    "available context size (",
    " > ",
    "maximum prompt length is ",
    "exceeded model token limit: ",
    "too large for model with ",
];

/// Whether a refusal means that. `code` is the error's code, type or both; `message` its text, of
/// which some servers say only that it came from another: so what is quoted counts too, but no number
/// in it.
pub(crate) fn is_overflow(status: u16, code: &str, message: &str) -> Option<Overflow> {
    let message = message.to_lowercase();
    let said = CODES.iter().any(|one| code.contains(one))
        || (matches!(status, 400 | 413 | 422 | 500) && speaks_of_it(&message))
        || (status == 413 && message.contains("token"));
    said.then(|| Overflow { window: window(&unquoted(&message)) })
}

fn speaks_of_it(message: &str) -> bool {
    WORDS.iter().any(|words| words.iter().all(|word| message.contains(word)))
}

/// The same without a refusal: it answered nothing because nothing fitted, or it read more than
/// there is room for, which means that it forgot the beginning.
pub(crate) fn is_silent(
    provider: &Provider,
    stop: &Stop,
    usage: Option<&TokenUsage>,
    is_empty: bool,
) -> bool {
    let wrote = usage.map_or(0, |usage| usage.output_tokens);
    let read = usage.map_or(0, |usage| usage.input_tokens);
    (*stop == Stop::Length && is_empty && wrote == 0) || read > provider.window_tokens
}

impl From<Overflow> for ModelError {
    fn from(overflow: Overflow) -> Self {
        Self::TooLong { window: overflow.window }
    }
}

fn window(message: &str) -> Option<u64> {
    BEFORE_WINDOW.iter().find_map(|lead| number(message.split_once(lead)?.1))
}

/// What a text begins with; thousands may be parted by commas.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits: String = text
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok().filter(|window| *window > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window_of(status: u16, code: &str, message: &str) -> Option<Option<u64>> {
        is_overflow(status, code, message).map(|overflow| overflow.window)
    }

    #[test]
    fn what_providers_say() {
        let openai = "This model's maximum context length is 128000 tokens. However, your messages \
                      resulted in 131104 tokens. Please reduce the length of the messages.";
        assert_eq!(window_of(400, "context_length_exceeded", openai), Some(Some(128_000)));
        let responses = "Your input exceeds the context window of this model.";
        assert_eq!(window_of(400, "", responses), Some(None));
        let gemini = "The input token count (1300000) exceeds the maximum number of tokens allowed \
                      (1048575).";
        assert_eq!(window_of(400, "INVALID_ARGUMENT", gemini), Some(Some(1_048_575)));
        let anthropic = "prompt is too long: 213462 tokens > 200000 maximum";
        assert_eq!(window_of(400, "invalid_request_error", anthropic), Some(Some(200_000)));
        let anthropic =
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000";
        assert_eq!(window_of(400, "", anthropic), Some(Some(200_000)));
        let llama = "request (2009 tokens) exceeds the available context size (512 tokens), try \
                     increasing it";
        assert_eq!(window_of(400, "exceed_context_size_error", llama), Some(Some(512)));
        let ollama = "prompt too long; exceeded max context length by 123 tokens";
        assert_eq!(window_of(400, "", ollama), Some(None));
        assert_eq!(window_of(413, "", "Requested 9000 tokens"), Some(None));
        let quoting = r#"OpenAIException: {"message": "maximum context length is 9 tokens"}"#;
        assert_eq!(
            window_of(400, "", quoting),
            Some(None),
            "a number that anybody may have written"
        );
        let commas = "maximum context length is 1,048,576 tokens";
        assert_eq!(window_of(400, "", commas), Some(Some(1_048_576)));
    }

    #[test]
    fn what_is_something_else() {
        assert_eq!(window_of(400, "invalid_request_error", "max_tokens is too large"), None);
        assert_eq!(window_of(429, "rate_limit_exceeded", "Limit 30000 tokens per minute"), None);
        assert_eq!(window_of(404, "", "no such model"), None);
        assert_eq!(window_of(413, "", "Request Entity Too Large"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(message in ".{0,200}") {
            is_overflow(400, "", &message);
            is_overflow(400, "", &format!("maximum context length is {message}"));
        }
    }
}
