//! Requests that are too long, in every form in which providers say so.

use super::refusal::{Refusal, Why};
use super::{Overflow, Provider};

impl Overflow {
    /// What this provider does itself.
    pub(super) fn at(self, provider: Provider) -> Self {
        match (self, provider) {
            (Self::Native, Provider::Alchemyst | Provider::OpenAi) => Self::OpenAi,
            (Self::Native, Provider::Gemini) => Self::Gemini,
            (Self::Native, Provider::Anthropic) => Self::Anthropic,
            (Self::Native, Provider::Ollama) => Self::Silent,
            (form, _) => form,
        }
    }

    /// Whether the room for the answer counts too.
    pub(super) fn counts_output(self) -> bool {
        matches!(self, Self::Vllm | Self::AnthropicMaxTokens)
    }
}

/// The refusal of so many tokens where so many fit; none if this form is not a refusal.
pub(super) fn refusal(
    form: Overflow,
    provider: Provider,
    tokens: u64,
    window: u64,
) -> Option<Refusal> {
    let form = form.at(provider);
    let (n, m) = (tokens, window);
    let message = match form {
        Overflow::OpenAi => format!(
            "This model's maximum context length is {m} tokens. However, your messages resulted \
             in {n} tokens. Please reduce the length of the messages."
        ),
        Overflow::Responses => {
            "Your input exceeds the context window of this model. Please adjust your input and \
             try again."
                .into()
        }
        Overflow::LlamaCpp => format!(
            "request ({n} tokens) exceeds the available context size ({m} tokens), try \
             increasing it"
        ),
        Overflow::Vllm => format!(
            "This model's maximum context length is {m} tokens. However, you requested {n} tokens \
             in total. Please reduce the length of the input messages or the completion."
        ),
        Overflow::Anthropic => format!("prompt is too long: {n} tokens > {m} maximum"),
        Overflow::AnthropicMaxTokens => format!(
            "input length and `max_tokens` exceed context limit: {n} > {m}, decrease input length \
             or `max_tokens` and try again"
        ),
        Overflow::Gemini => format!(
            "The input token count ({n}) exceeds the maximum number of tokens allowed ({m})."
        ),
        Overflow::Ollama => {
            format!("prompt too long; exceeded max context length by {} tokens", n - m.min(n))
        }
        Overflow::PromptLength => format!(
            "This model's maximum prompt length is {m} but the request contains {n} tokens."
        ),
        Overflow::Reduce => "Please reduce the length of the messages or completion.".into(),
        Overflow::Longer => {
            format!(
                "The input ({n} tokens) is longer than the model's context length ({m} tokens)."
            )
        }
        Overflow::TooLarge => {
            format!(
                "Prompt contains {n} tokens, too large for model with {m} maximum context length"
            )
        }
        Overflow::TokenLimit => {
            format!("Invalid request: Your request exceeded model token limit: {m}")
        }
        Overflow::Range => {
            format!("InternalError.Algo.InvalidParameter: Range of input length should be [1, {m}]")
        }
        Overflow::Status413 => "Request Entity Too Large".into(),
        Overflow::Native
        | Overflow::AnthropicStop
        | Overflow::Length
        | Overflow::Usage
        | Overflow::Silent => return None,
    };
    let status = if form == Overflow::Status413 { 413 } else { 400 };
    Some(Refusal { status, why: Why::Overflow { form, tokens, window }, message })
}
