use std::fmt::Debug;

use reqwest::header::HeaderMap;
use serde_json::Value;
use types::{ModelRequest, ModelTurn, Stop, TokenUsage};

use crate::{ModelError, Provider};

/// One provider's way to put questions and answers. Pure: bytes come and go elsewhere.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// How its answers are framed.
    fn framing(&self) -> Framing;

    /// The question as this provider wants it.
    fn question(&self, provider: &Provider, request: &ModelRequest) -> Question;

    /// Something that reads one answer.
    fn reader(&self, provider: &Provider, request: &ModelRequest) -> Box<dyn Reader>;

    /// What a refusal means. `headers` may have a hint; the key is out of `body` already.
    fn refusal(&self, status: u16, headers: &HeaderMap, body: &str) -> ModelError;
}

/// How the frames of an answer are parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON document a line.
    Lines,
}

/// A question on its way.
#[derive(Debug)]
pub(crate) struct Question {
    /// Below the provider's base URL, with the query.
    pub(crate) path: String,
    /// Beside `content-type`; the key is among them.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Reads one answer, frame by frame.
pub(crate) trait Reader: Debug + Send {
    /// Takes a frame: the event's name where it has one, and its data. True if the answer is
    /// complete and nothing more needs to be read.
    fn frame(&mut self, event: &str, data: &str) -> Result<bool, ModelError>;

    /// What the answer has taken so far, whatever becomes of it.
    fn spent(&self) -> Spent;

    /// The answer, after the last frame. An answer whose end never came is
    /// [`ModelError::BrokenOff`].
    fn end(self: Box<Self>) -> Result<Reply, ModelError>;
}

/// What an answer has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    /// None if the provider did not say.
    pub(crate) usage: Option<TokenUsage>,
    /// Bytes that it wrote.
    pub(crate) bytes: u64,
}

/// A call that brought no answer, and what it took all the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) error: ModelError,
    pub(crate) spent: Spent,
}

/// Of a call that nobody began to answer.
impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self { error, spent: Spent::default() }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) turn: ModelTurn,
    pub(crate) stop: Stop,
    /// None if the provider did not say.
    pub(crate) usage: Option<TokenUsage>,
}
