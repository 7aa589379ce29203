//! What is about to be said: the reply as it is due, with what its fault does to it.

use serde_json::Value;

use super::fault::Bad;
use super::scenario::Usage;
use super::seen::push_line;
use super::{Fault, Reply, Seen, sign};

/// An answer in nobody's dialect.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Names it; no two have the same.
    pub(super) id: String,
    pub(super) text: String,
    pub(super) thoughts: String,
    pub(super) calls: Vec<Spoken>,
    pub(super) stop: Stop,
    /// None if it is not said.
    pub(super) usage: Option<Usage>,
}

/// A call as it is said.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    /// None if it is not said.
    pub(super) id: Option<String>,
    pub(super) tool: String,
    /// What should be JSON.
    pub(super) arguments: String,
}

/// Why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is complete.
    Done,
    /// For want of room.
    Length,
    /// A filter.
    Safety,
    /// The model's will.
    Refusal,
    /// The provider could not read the call.
    Malformed,
    /// There is nothing at all.
    Empty,
    /// The window is full.
    Window,
}

/// As many tokens as four bytes make one, and one more.
fn tokens(text: &str) -> u64 {
    text.len() as u64 / 4 + 1
}

impl Answer {
    /// The answer to this request.
    pub(super) fn new(seen: &Seen, reply: &Reply, fault: Option<&Fault>) -> Self {
        let (text, calls) = spoken(seen, reply, fault);
        let mut answer = Self {
            id: format!("{:x}", 0x1000 + seen.number),
            text,
            thoughts: reply.thoughts.clone(),
            calls,
            stop: Stop::Done,
            usage: None,
        };
        if let Some(fault) = fault {
            answer.go_wrong(fault);
        }
        let counted = answer.counted(seen);
        let silent = fault == Some(&Fault::NoUsage);
        answer.usage = (!silent).then(|| reply.usage.unwrap_or(counted));
        answer
    }

    /// One that ends before it began.
    pub(super) fn nothing(seen: &Seen, stop: Stop) -> Self {
        Self { stop, ..Self::new(seen, &Reply::default(), Some(&Fault::Empty)) }
    }

    /// What signs the first call, or the words.
    pub(super) fn signature(&self, model: &str) -> String {
        match self.calls.first() {
            Some(call) => sign::sign(model, &format!("{}{}", call.tool, call.value())),
            None => sign::sign(model, &self.text),
        }
    }

    fn go_wrong(&mut self, fault: &Fault) {
        match fault {
            Fault::Empty => self.silence(Stop::Empty),
            Fault::MalformedCall => self.silence(Stop::Malformed),
            Fault::Safety => self.silence(Stop::Safety),
            Fault::Refusal => {
                self.silence(Stop::Refusal);
                self.text = "I'm sorry, but I can't help with that.".into();
            }
            Fault::LengthMidCall => {
                self.stop = Stop::Length;
                if let Some(last) = self.calls.last_mut() {
                    last.arguments = half(&last.arguments);
                }
            }
            Fault::Length => {
                self.stop = Stop::Length;
                self.calls.clear();
                self.text = half(&self.text);
            }
            Fault::DuplicateIds => self.name_calls(Some("call_same")),
            Fault::MissingIds => self.name_calls(None),
            _ => {}
        }
    }

    fn silence(&mut self, stop: Stop) {
        self.calls.clear();
        self.text.clear();
        self.thoughts.clear();
        self.stop = stop;
    }

    fn name_calls(&mut self, id: Option<&str>) {
        for call in &mut self.calls {
            call.id = id.map(str::to_owned);
        }
    }

    fn counted(&self, seen: &Seen) -> Usage {
        let calls: u64 = self.calls.iter().map(|c| tokens(&c.tool) + tokens(&c.arguments)).sum();
        let said = if self.text.is_empty() { 0 } else { tokens(&self.text) };
        let thoughts = if self.thoughts.is_empty() { 0 } else { tokens(&self.thoughts) };
        Usage { input: seen.tokens, cached: 0, output: said + calls, thoughts }
    }
}

impl Spoken {
    /// The arguments, for protocols that have them as an object; none if they are no JSON.
    pub(super) fn object(&self) -> Option<Value> {
        serde_json::from_str(&self.arguments).ok()
    }

    /// The arguments, whatever they are.
    pub(super) fn value(&self) -> Value {
        self.object().unwrap_or_else(|| Value::String(self.arguments.clone()))
    }
}

/// Words and calls; where the request offers no tools natively, calls are words too.
fn spoken(seen: &Seen, reply: &Reply, fault: Option<&Fault>) -> (String, Vec<Spoken>) {
    let bad = match fault {
        Some(Fault::BadArguments { how }) => Some(*how),
        _ => None,
    };
    let written = |call: &super::Call| {
        let arguments = call.arguments.to_string();
        bad.map_or(arguments.clone(), |how| broken(&arguments, how))
    };
    if !seen.native_tools {
        let blocks = reply.calls.iter().map(|call| block(&call.tool, &written(call), fault));
        let text = blocks.fold(reply.text.clone(), |mut text, block| {
            push_line(&mut text, &block);
            text
        });
        return (text, vec![]);
    }
    let calls = (1..).zip(&reply.calls).map(|(n, call)| Spoken {
        id: Some(format!("call_{:x}_{n}", 0x1000 + seen.number)),
        tool: call.tool.clone(),
        arguments: written(call),
    });
    (reply.text.clone(), calls.collect())
}

/// A call as a text.
fn block(tool: &str, arguments: &str, fault: Option<&Fault>) -> String {
    let tool = Value::from(tool);
    let object = format!("{{\"tool\": {tool}, \"arguments\": {arguments}}}");
    match fault {
        Some(Fault::LengthMidCall) => format!("```json\n{}", half(&object)),
        _ => format!("```json\n{object}\n```"),
    }
}

fn broken(json: &str, how: Bad) -> String {
    match how {
        Bad::TrailingComma => match json.strip_suffix('}') {
            Some(open) => format!("{open},}}"),
            None => format!("{json},"),
        },
        Bad::Cut => half(json),
        Bad::String => Value::from(json).to_string(),
        Bad::Array => format!("[{json}]"),
        Bad::Nothing => String::new(),
    }
}

/// The first half, to a whole character.
fn half(text: &str) -> String {
    text[..text.floor_char_boundary(text.len().div_ceil(2))].to_owned()
}

/// Text in at most so many pieces of at least some length, between characters.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    const SHORTEST: usize = 16;
    const MOST: usize = 12;
    let length = text.len().div_ceil(MOST).max(SHORTEST);
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(length.min(rest.len())));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
