//! What a scenario file says. SCENARIOS.md explains it with examples.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fault, Overflow, Provider};

/// What a scripted model says, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it shows, for people.
    pub about: String,
    /// Valid keys; [`Provider::key`] where nothing is said. Ollama asks for none unless one is set.
    pub keys: BTreeMap<Provider, Vec<String>>,
    /// Models there are; any name where nothing is said.
    pub models: BTreeMap<Provider, Vec<String>>,
    /// How much fits into a request.
    pub limits: BTreeMap<Provider, Limit>,
    /// Providers whose address nobody listens on.
    pub down: Vec<Provider>,
    /// How conversations with the same list of replies are told apart.
    pub by: By,
    /// Looked at first, in this order.
    pub rules: Vec<Rule>,
    /// Conversations with rules and replies of their own.
    pub conversations: Vec<Conversation>,
    /// What is said to everybody else, one after the other.
    pub replies: Vec<Reply>,
}

/// How conversations with the same list of replies are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Not at all: every request gets the next reply.
    #[default]
    All,
    /// By the first line of their first user text.
    Task,
    /// By the number of model turns in the request, those that only plan not counted: the answer to
    /// a question is always the same, whoever asks it and how often.
    Turns,
}

/// What is said to those whose first user text contains something.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conversation {
    /// What their first user text contains.
    #[serde(rename = "match")]
    pub matches: String,
    /// Looked at before the scenario's own.
    pub rules: Vec<Rule>,
    /// What is said to them, one after the other.
    pub replies: Vec<Reply>,
}

/// A reply to certain requests, whatever else is due. It uses up nothing of any list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// To which.
    pub when: When,
    /// How often; without end if not said.
    pub times: Option<u32>,
    /// What is said.
    pub reply: Reply,
}

/// Which requests; all that is said must be so.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// To this provider.
    pub provider: Option<Provider>,
    /// With this key.
    pub key: Option<String>,
    /// For this model.
    pub model: Option<String>,
    /// Whose first user text contains this.
    pub task: Option<String>,
    /// With this anywhere in the messages.
    pub contains: Option<String>,
    /// With this in the last message.
    pub last_contains: Option<String>,
    /// That ask for the analysis of a task: the tool `plan` is forced, or the only one.
    pub analysis: Option<bool>,
    /// That offer no tool at all, as requests for a summary do.
    pub summary: Option<bool>,
    /// That offer this tool.
    pub offers: Option<String>,
    /// From this one on, of those for which all else is so; from 1.
    pub from: Option<u32>,
    /// Up to this one.
    pub to: Option<u32>,
}

/// What the model says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// In words.
    pub text: String,
    /// What it thought before, where its provider shows that.
    pub thoughts: String,
    /// What it wants done.
    pub calls: Vec<Call>,
    /// What it says it took; counted if not said.
    pub usage: Option<Usage>,
    /// How long it takes to answer, in milliseconds.
    pub latency_ms: u64,
    /// How long between two frames, in milliseconds.
    pub frame_ms: u64,
    /// What goes wrong.
    pub fault: Option<Faulty>,
    /// To how many requests one after the other this is said; `{{n}}` counts them. 0 is 1.
    pub repeat: u32,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// Usually an object; anything else is a fault of its own.
    #[serde(default)]
    pub arguments: Value,
}

/// Tokens, as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// All that was read.
    pub input: u64,
    /// What of that came from a cache.
    pub cached: u64,
    /// What was written, without thoughts.
    pub output: u64,
    /// What was thought.
    pub thoughts: u64,
}

/// A fault, and how often.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Faulty {
    /// Which.
    #[serde(flatten)]
    pub fault: Fault,
    /// To how many requests, before what is due comes without it.
    #[serde(default = "once")]
    pub times: u32,
}

/// How much fits.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The window.
    pub tokens: u64,
    /// What a token is: so many bytes of the request's body. A picture is
    /// [`super::IMAGE_TOKENS`] instead.
    #[serde(default = "four")]
    pub bytes_per_token: u64,
    /// What happens to a request that does not fit; as the provider does it if not said.
    #[serde(default)]
    pub overflow: Overflow,
}

impl Scenario {
    /// One from a file's text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut reader).map_err(|e| e.to_string())
    }

    /// One from a file.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path);
        let parsed = text.map_err(|e| e.to_string()).and_then(|text| Self::parse(&text));
        parsed.map_err(|e| format!("{}: {e}", path.display()))
    }

    /// These replies, one after the other.
    #[must_use]
    pub fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: replies.into_iter().collect(), ..Self::default() }
    }
}

impl Reply {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// One call.
    pub fn call(tool: &str, arguments: Value) -> Self {
        Self::default().and_call(tool, arguments)
    }

    /// One call more.
    #[must_use]
    pub fn and_call(mut self, tool: &str, arguments: Value) -> Self {
        self.calls.push(Call { tool: tool.into(), arguments });
        self
    }

    /// This going wrong the first `times` times.
    #[must_use]
    pub fn but(mut self, times: u32, fault: Fault) -> Self {
        self.fault = Some(Faulty { fault, times });
        self
    }

    /// Whether there is nothing but a fault in it.
    pub(super) fn is_only_fault(&self) -> bool {
        self.fault.is_some() && self.text.is_empty() && self.calls.is_empty()
    }
}

fn once() -> u32 {
    1
}

fn four() -> u64 {
    4
}
