use std::fmt;
use std::time::Duration;

use reqwest::Url;
use types::{TokenUsage, Usd};

use crate::anthropic::Anthropic;
use crate::dialect::Dialect;
use crate::gemini::Gemini;
use crate::ollama::Ollama;
use crate::openai::OpenAi;
use crate::{Secret, redact};

/// The providers we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Alchemyst AI, by its OpenAI-compatible proxy.
    Alchemyst,
    /// Google Gemini.
    Gemini,
    /// OpenAI, and whatever speaks like it: OpenRouter, vLLM, llama.cpp …
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Ollama.
    Ollama,
}

impl Kind {
    /// All, in the order in which they are asked unless somebody says otherwise.
    pub const ALL: [Self; 5] =
        [Self::Alchemyst, Self::Gemini, Self::OpenAi, Self::Anthropic, Self::Ollama];

    /// Its name in settings and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alchemyst => "alchemyst",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    /// How it is spoken to.
    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Alchemyst | Self::OpenAi => &OpenAi,
            Self::Gemini => &Gemini,
            Self::Anthropic => &Anthropic,
            Self::Ollama => &Ollama,
        }
    }
}

/// How a model is told of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolMode {
    /// By its provider's own calls.
    Native,
    /// In words; it answers with one block of text that is a call.
    Text,
}

/// What tokens cost, in US dollars for a million.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Read.
    pub input: f64,
    /// Read from a cache.
    pub cached: f64,
    /// Written.
    pub output: f64,
}

/// One provider, as the operator set it.
#[derive(Clone, PartialEq)]
pub struct Provider {
    /// Which.
    pub kind: Kind,
    /// Its key; some need none.
    pub key: Option<Secret>,
    /// Where its API begins; calls are below it.
    pub base_url: Url,
    /// The model that is asked.
    pub model: String,
    /// The model's window in tokens, until an error says otherwise.
    pub window_tokens: u64,
    /// Whether it takes pictures.
    pub images: bool,
    /// How it is told of tools.
    pub tools: ToolMode,
    /// What it costs, if that is known.
    pub price: Option<Price>,
    /// How long it may say nothing, before its first byte and between two.
    pub silence: Duration,
}

impl Provider {
    /// `provider/model`: how events, errors and people name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.model)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name(), redact::url(&self.base_url))
    }
}

impl Price {
    /// What a call costs.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no call has 2^53 tokens")]
    pub fn of(self, usage: &TokenUsage) -> Usd {
        let fresh = usage.input_tokens.saturating_sub(usage.cached_tokens) as f64;
        let (cached, written) = (usage.cached_tokens as f64, usage.output_tokens as f64);
        let dollars = fresh * self.input + cached * self.cached + written * self.output;
        Usd::from_dollars(dollars / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_a_cache_has_its_own_price() {
        let price = Price { input: 2.0, cached: 0.5, output: 10.0 };
        let usage = TokenUsage {
            input_tokens: 1_000_000,
            cached_tokens: 400_000,
            output_tokens: 100_000,
            reasoning_tokens: 50_000,
            estimated: false,
        };
        assert_eq!(price.of(&usage).dollars(), 1.2 + 0.2 + 1.0);
    }
}
