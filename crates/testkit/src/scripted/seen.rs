use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;

use super::{Call, Provider};

/// What a picture counts as, in tokens.
pub const IMAGE_TOKENS: u64 = 1000;

/// A request, in nobody's dialect.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Counted from 1, whoever was asked.
    pub number: u64,
    /// When the last of its bytes was there.
    pub arrived: Instant,
    /// Who was asked.
    pub provider: Provider,
    /// The key it came with; empty if it had none.
    pub key: String,
    /// The model that was asked.
    pub model: String,
    /// Whether the answer is to come in pieces.
    pub stream: bool,
    /// Whether a streamed answer is to end with its usage (OpenAI).
    pub wants_usage: bool,
    /// Instructions.
    pub system: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools on offer, natively or in words.
    pub tools: Vec<String>,
    /// Whether they are on offer natively.
    pub native_tools: bool,
    /// The one that must be called.
    pub must_call: Option<String>,
    /// The most that may be answered, in tokens.
    pub max_output_tokens: Option<u64>,
    /// How much fits, where the request says it (Ollama's `num_ctx`).
    pub window_wish: Option<u64>,
    /// How long it is, by the scenario's rule.
    pub tokens: u64,
    /// The body as it came.
    pub body: Bytes,
    /// The first text of the user, also when Ollama has cut it off.
    pub(super) task: String,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Whose it is.
    pub role: Role,
    /// All its text.
    pub text: String,
    /// What the model wants done.
    pub calls: Vec<Asked>,
    /// What became of calls.
    pub results: Vec<Outcome>,
    /// Pictures, those in results too.
    pub images: Vec<Image>,
}

/// Whose a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The agent, or a person. Results are its messages too.
    #[default]
    User,
    /// The model.
    Model,
}

/// A call in the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// What is called, and with what.
    pub call: Call,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The call's id; where there are none, the tool's name.
    pub call: String,
    /// All its text.
    pub text: String,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is said to be, if anything is said.
    pub media_type: Option<String>,
    /// Its bytes, in base64.
    pub base64: String,
}

impl Seen {
    /// One of which nothing is read yet.
    pub(super) fn new(number: u64, provider: Provider, key: String, body: Bytes) -> Self {
        Self {
            number,
            arrived: Instant::now(),
            provider,
            key,
            model: String::new(),
            stream: false,
            wants_usage: false,
            system: String::new(),
            messages: vec![],
            tools: vec![],
            native_tools: false,
            must_call: None,
            max_output_tokens: None,
            window_wish: None,
            tokens: 0,
            body,
            task: String::new(),
        }
    }

    /// After reading: what follows from the messages. Tokens are so many bytes of the body.
    pub(super) fn count(&mut self, bytes_per_token: u64) {
        let images = self.messages.iter().flat_map(|m| &m.images);
        let (number, bytes) = images.fold((0, 0), |(n, bytes), i| (n + 1, bytes + i.base64.len()));
        let text = self.body.len().saturating_sub(bytes) as u64;
        self.tokens = text.div_ceil(bytes_per_token.max(1)) + number * IMAGE_TOKENS;
        let first = self.messages.iter().find(|m| m.role == Role::User);
        self.task = first.map(|m| m.text.clone()).unwrap_or_default();
    }

    /// Without its oldest messages, so that it fits; the last one stays.
    pub(super) fn cut_to(&mut self, window: u64, bytes_per_token: u64) {
        while self.tokens > window && self.messages.len() > 1 {
            let gone = self.messages.remove(0);
            let bytes = gone.texts().map(str::len).sum::<usize>() as u64;
            let images = gone.images.len() as u64 * IMAGE_TOKENS;
            self.tokens = self.tokens.saturating_sub(bytes / bytes_per_token.max(1) + images);
        }
        self.tokens = self.tokens.min(window);
    }

    /// The text of the first message of the user.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The text of the last message, results before words.
    #[must_use]
    pub fn last(&self) -> String {
        self.messages.last().map(Message::all_text).unwrap_or_default()
    }

    /// Whether this stands anywhere in the instructions or messages.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.system.contains(text) || self.texts().any(|t| t.contains(text))
    }

    /// The newest line with this in it, of all messages.
    #[must_use]
    pub fn line_with(&self, text: &str) -> Option<&str> {
        self.texts().flat_map(str::lines).find(|line| line.contains(text))
    }

    /// How often the model has spoken, only to plan not counted.
    #[must_use]
    pub fn turns(&self) -> usize {
        let plans =
            |m: &&Message| !m.calls.is_empty() && m.calls.iter().all(|c| c.call.tool == "plan");
        self.messages.iter().filter(|m| m.role == Role::Model && !plans(m)).count()
    }

    /// Whether it asks for the analysis of a task: `plan` is forced, or the only tool.
    #[must_use]
    pub fn is_analysis(&self) -> bool {
        self.must_call.as_deref() == Some("plan") || self.tools == ["plan"]
    }

    /// Whether it offers no tool, as requests for a summary do.
    #[must_use]
    pub fn is_summary(&self) -> bool {
        self.tools.is_empty()
    }

    /// The body, parsed.
    ///
    /// # Panics
    /// If it is no JSON, which is refused and never seen.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// All text of the messages, the newest first.
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().rev().flat_map(Message::texts)
    }
}

impl Message {
    /// One of this role.
    pub(super) fn of(role: Role) -> Self {
        Self { role, ..Self::default() }
    }

    /// Text after what is there, on a line of its own.
    pub(super) fn push_text(&mut self, text: &str) {
        push_line(&mut self.text, text);
    }

    /// Its results and its text.
    pub(super) fn all_text(&self) -> String {
        self.texts().fold(String::new(), |mut all, text| {
            push_line(&mut all, text);
            all
        })
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.results.iter().map(|r| r.text.as_str()).chain([self.text.as_str()])
    }
}

pub(super) fn push_line(to: &mut String, text: &str) {
    if !to.is_empty() && !text.is_empty() {
        to.push('\n');
    }
    to.push_str(text);
}
