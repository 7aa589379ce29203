use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a model is asked: a conversation in nobody's dialect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// What it is and how it works; the same in every call of a job, so that it can be cached.
    pub system: String,
    /// What was said and done so far, oldest first. Begins with a [`Turn::User`]; results of calls
    /// follow the turn that made the calls, one for each call.
    pub turns: Vec<Turn>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
    /// The one tool it must call now; any or none if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_call: Option<String>,
    /// The most it may answer, in tokens.
    pub max_output_tokens: u32,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Turn {
    /// Somebody says something: the task, a person, the agent's own notes.
    User {
        /// What.
        parts: Vec<Part>,
    },
    /// The model answered.
    Model(ModelTurn),
    /// What became of the calls of the turn before, in their order.
    Results {
        /// One for each call.
        results: Vec<ToolResult>,
    },
}

/// A piece of what is shown to a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text {
        /// It.
        text: String,
    },
    /// A picture.
    Image {
        /// Such as `image/png`.
        media_type: String,
        /// Its bytes, in base64.
        base64: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
}

impl Part {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelTurn {
    /// What it said; may be empty.
    #[serde(default)]
    pub text: String,
    /// What it wants done, in this order.
    #[serde(default)]
    pub calls: Vec<ToolCall>,
    /// Why the answer as a whole cannot be used, for the model: what was wrong and what is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// What its provider wants to see again, as it was; nobody else can use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// What a model wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names this call within the conversation; unique.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object; with a flaw, the text that should have been one.
    pub arguments: Value,
    /// Why the arguments could not be read, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

/// Thought signatures, thinking blocks and the like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// `provider/model` that made it.
    pub of: String,
    /// In that provider's own shape.
    pub data: Value,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub call: String,
    /// The tool.
    pub name: String,
    /// What the model is shown.
    pub parts: Vec<Part>,
    /// Whether it failed.
    #[serde(default)]
    pub is_error: bool,
}

/// Something a model can call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name: lower case letters and `_`.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
}

/// What is known of the model that answers next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Its provider, such as `gemini`.
    pub provider: String,
    /// Its name there.
    pub model: String,
    /// The most tokens that one request and its answer may have together.
    pub window_tokens: u64,
    /// Whether it takes pictures.
    pub images: bool,
}

/// What came of a [`ModelRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ModelAnswer {
    /// It answered.
    Turn {
        /// What.
        turn: ModelTurn,
        /// Why it stopped there.
        stop: Stop,
        /// What it took.
        usage: TokenUsage,
        /// Who answered.
        facts: ModelFacts,
    },
    /// The request is longer than the model's window, which is in the facts; ask again with less.
    TooLong {
        /// Who said so, with the window as it is known now.
        facts: ModelFacts,
    },
    /// There will be no answer, now or later: the job is over.
    Failed {
        /// Why, for programs.
        reason: crate::Reason,
        /// Why, for people.
        error: String,
    },
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Stop {
    /// It was done, or wants calls done.
    Done,
    /// It had said as much as it may; the end is missing.
    Length,
    /// It, or its provider, does not want to.
    Refused {
        /// What was said about it.
        why: String,
    },
}

/// Tokens of one call, as its provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenUsage {
    /// All that was read, whatever of it came from a cache.
    pub input_tokens: u64,
    /// What of that came from a cache.
    pub cached_tokens: u64,
    /// All that was written, thoughts included.
    pub output_tokens: u64,
    /// What of that were thoughts.
    pub reasoning_tokens: u64,
    /// Whether the provider did not say, and this is our guess: 4 bytes a token.
    pub estimated: bool,
}

/// One call of a model, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ModelCall {
    /// The provider.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// What it took.
    #[serde(flatten)]
    pub usage: TokenUsage,
    /// What it cost in US dollars; null if no price is set.
    pub cost_usd: Option<Usd>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// Why it failed, for people; null if it answered. What comes next is tried without being told.
    pub error: Option<String>,
}

/// An amount of US dollars, exact to a millionth; a decimal number in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd {
    /// Millionths of a dollar.
    pub micros: u64,
}

impl Usd {
    /// The sum; as much as fits.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { micros: self.micros.saturating_add(other.micros) }
    }

    /// In dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody has so many dollars")]
    pub fn dollars(self) -> f64 {
        self.micros as f64 / 1e6
    }

    /// From dollars; what is no amount is nothing.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    pub fn from_dollars(dollars: f64) -> Self {
        Self { micros: (dollars * 1e6).round() as u64 }
    }
}

impl Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        f64::deserialize(from).map(Self::from_dollars)
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Usd {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        f64::schema()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Usd {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_survive_json() {
        let amount = Usd { micros: 1_234_567 };
        assert_eq!(serde_json::to_string(&amount).unwrap(), "1.234567");
        assert_eq!(serde_json::from_str::<Usd>("1.234567").unwrap(), amount);
        assert_eq!(Usd::from_dollars(f64::NAN), Usd::default());
        assert_eq!(Usd::from_dollars(-1.0), Usd::default());
    }
}
