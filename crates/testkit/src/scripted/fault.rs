use serde::Deserialize;

/// What goes wrong; all that providers were seen to do. In a scenario: `{"kind": "rate_limit",
/// "hint": "seconds", "after_ms": 1000, "times": 2}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// 429; try again, and here is when.
    RateLimit {
        /// Where the hint stands.
        #[serde(default)]
        hint: Hint,
        /// When.
        #[serde(default = "a_second")]
        after_ms: u64,
    },
    /// No quota or credit, as this provider says it; not soon.
    Quota,
    /// A refusal with this status, as this provider words it: 400, 401, 402, 403, 404, 408, 413,
    /// 500, 502, 503, 504, 529.
    Status {
        /// It.
        status: u16,
        /// Words of one's own.
        #[serde(default)]
        message: Option<String>,
    },
    /// The request is said to be too long.
    Overflow {
        /// How.
        #[serde(default)]
        form: Overflow,
        /// The window that the error names.
        #[serde(default = "eight_thousand")]
        window: u64,
    },
    /// 400: a signature is missing (Gemini), or is not one of theirs.
    MissingSignature,
    /// 400: a signature is another model's.
    CorruptedSignature,

    /// The connection is reset before a single byte.
    Reset,
    /// The connection is closed before a single byte.
    Close,
    /// Nothing comes, not even headers.
    StallHeaders,
    /// Nothing more comes after so many frames.
    Stall {
        /// How many.
        #[serde(default = "two")]
        after_frames: usize,
    },
    /// The connection breaks after so many bytes of the body, which may be within a frame.
    Cut {
        /// How many.
        at_byte: usize,
    },
    /// The connection breaks after so many frames.
    CutFrames {
        /// How many.
        #[serde(default = "two")]
        after_frames: usize,
    },
    /// The answer ends after so many frames as if that were all.
    EndEarly {
        /// How many.
        #[serde(default = "two")]
        after_frames: usize,
    },
    /// An error stands in a stream that began with 200, after so many frames.
    ErrorInside {
        /// How many.
        #[serde(default = "two")]
        after_frames: usize,
    },
    /// 200, and bytes that mean nothing.
    Garbage,

    /// Characters come in two pieces.
    SplitUtf8,
    /// Lines end in CR LF, and in LF where CR LF is usual.
    Crlf,
    /// Comments and pings stand between the frames.
    Comments,
    /// Nothing is said about tokens.
    NoUsage,
    /// All calls have the same id.
    DuplicateIds,
    /// Calls have no ids.
    MissingIds,

    /// Nothing is said at all.
    Empty,
    /// The provider could not read its own model's call.
    MalformedCall,
    /// A filter stopped the answer.
    Safety,
    /// The model does not want to.
    Refusal,
    /// The answer ends within its last call, for want of room.
    LengthMidCall,
    /// The answer ends within its text, for want of room.
    Length,
    /// The arguments of every call are written like this.
    BadArguments {
        /// How.
        how: Bad,
    },
    /// So many bytes of text, instead of the reply.
    Huge {
        /// How many.
        #[serde(default = "fifty_megabytes")]
        bytes: u64,
    },
}

/// Where a provider says when to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// Nowhere.
    None,
    /// `retry-after` in whole seconds.
    #[default]
    Seconds,
    /// `retry-after` as a date.
    Date,
    /// `retry-after-ms`.
    Ms,
    /// `x-ratelimit-reset-requests` as a duration (OpenAI), `anthropic-ratelimit-requests-reset` as
    /// a time (Anthropic).
    Reset,
    /// `google.rpc.RetryInfo` in the body.
    RetryInfo,
    /// In the message: "try again in 11.054s".
    Text,
}

/// How JSON goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bad {
    /// `{"a": 1,}`
    TrailingComma,
    /// `{"a": "x`
    Cut,
    /// `"{\"a\": 1}"`
    String,
    /// `[{"a": 1}]`
    Array,
    /// Nothing at all.
    Nothing,
}

/// What happens to a request that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// What the provider itself does; with Ollama that is [`Self::Silent`].
    #[default]
    Native,
    /// `context_length_exceeded`.
    OpenAi,
    /// "Your input exceeds the context window of this model."
    Responses,
    /// `exceed_context_size_error`, a number as its code, the figures beside it.
    LlamaCpp,
    /// "This model's maximum context length is …", and the answer's tokens count too.
    Vllm,
    /// "prompt is too long: N tokens > M maximum".
    Anthropic,
    /// "input length and `max_tokens` exceed context limit": the answer's tokens count too.
    AnthropicMaxTokens,
    /// The answer stops at once: `model_context_window_exceeded`.
    AnthropicStop,
    /// "The input token count (N) exceeds the maximum number of tokens allowed (M)."
    Gemini,
    /// "prompt too long; exceeded max context length by N tokens".
    Ollama,
    /// "This model's maximum prompt length is M but the request contains N tokens."
    PromptLength,
    /// "Please reduce the length of the messages or completion."
    Reduce,
    /// "The input is longer than the model's context length".
    Longer,
    /// "Prompt contains N tokens … too large for model with M maximum context length".
    TooLarge,
    /// "Your request exceeded model token limit: M".
    TokenLimit,
    /// "Range of input length should be [1, M]".
    Range,
    /// 413, with nothing that could be read.
    Status413,
    /// 200: stopped for length, and not a word.
    Length,
    /// 200: an answer, and a usage that is more than the window.
    Usage,
    /// 200: the oldest messages are cut off without a word.
    Silent,
}

impl Fault {
    /// Whether the answer is as good as one without the fault, so that the next one is due.
    pub(super) fn is_harmless(&self) -> bool {
        use Fault::{Comments, Crlf, DuplicateIds, MissingIds, NoUsage, SplitUtf8};
        matches!(self, SplitUtf8 | Crlf | Comments | NoUsage | DuplicateIds | MissingIds)
    }
}

fn a_second() -> u64 {
    1000
}

fn two() -> usize {
    2
}

fn eight_thousand() -> u64 {
    8000
}

fn fifty_megabytes() -> u64 {
    50 << 20
}
