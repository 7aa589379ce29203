use serde::{Deserialize, Serialize};

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Alchemyst AI's proxy: OpenAI's chat completions without tools.
    Alchemyst,
    /// Google Gemini, native.
    Gemini,
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama, native.
    Ollama,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Alchemyst, Self::Gemini, Self::OpenAi, Self::Anthropic, Self::Ollama];

    /// Its name in settings and scenarios.
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

    /// The key that is valid unless a scenario says otherwise. A canary: whoever finds it anywhere
    /// has found a leak.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Alchemyst => "canary-alchemyst-5c1e77d09b",
            Self::Gemini => "AIzaCanary-gemini-82f4b6310a",
            Self::OpenAi => "sk-canary-openai-e0937cd41f",
            Self::Anthropic => "sk-ant-canary-anthropic-19ab5d6ce2",
            Self::Ollama => "canary-ollama-3d70f8a6b4",
        }
    }

    /// A model it has.
    #[must_use]
    pub fn model(self) -> &'static str {
        match self {
            Self::Alchemyst => "alchemyst-ai/alchemyst-c1",
            Self::Gemini => "gemini-3-flash",
            Self::OpenAi => "gpt-scripted",
            Self::Anthropic => "claude-scripted",
            Self::Ollama => "qwen-scripted",
        }
    }

    /// The settings of the program: address, key, model.
    #[must_use]
    pub fn settings(self) -> [&'static str; 3] {
        match self {
            Self::Alchemyst => ["ALCHEMYST_BASE_URL", "ALCHEMYST_API_KEY", "ALCHEMYST_MODEL"],
            Self::Gemini => ["GEMINI_BASE_URL", "GEMINI_API_KEY", "GEMINI_MODEL"],
            Self::OpenAi => ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"],
            Self::Anthropic => ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_MODEL"],
            Self::Ollama => ["OLLAMA_HOST", "OLLAMA_API_KEY", "OLLAMA_MODEL"],
        }
    }

    /// These and the other names that its key has.
    pub(crate) fn all_settings(self) -> impl Iterator<Item = &'static str> {
        let other = match self {
            Self::Alchemyst => Some("ALCHEMYST_AI_API_KEY"),
            Self::Gemini => Some("GOOGLE_API_KEY"),
            Self::OpenAi | Self::Anthropic | Self::Ollama => None,
        };
        self.settings().into_iter().chain(other)
    }

    /// What its base URL has after the address.
    #[must_use]
    pub fn base_path(self) -> &'static str {
        match self {
            Self::Alchemyst => "/api/v1/proxy/default",
            Self::OpenAi => "/v1",
            Self::Gemini => "/v1beta",
            Self::Anthropic | Self::Ollama => "",
        }
    }
}
