//! What stays in memory of each entry: its kind, its sizes and a line about it. Enough to decide
//! what a view shows without reading the log.

use std::borrow::Cow;

use types::{ModelTurn, Part, ToolCall, ToolResult};

use super::Entry;
use super::cut::{first_line, first_lines, json_size, text_size};
use super::measure::{Room, picture_tokens};

/// Bytes of the words in place of a left out result, at most.
const STUB: usize = 300;
/// What is left of a text in a step whose results are left out.
const MASKED_TEXT: usize = 600;
/// What a turn, a part, the words around a text take, at most.
const TURN: usize = 120;
/// What a picture leaves behind, and the result of a call that has none.
const GONE: usize = 160;
/// Bytes of the line about an entry.
const LINE: usize = 160;
/// The tools that write files.
const WRITERS: [&str; 2] = ["write_file", "edit_file"];
/// What matters most of a call: the names of such arguments.
const ABOUT: [&str; 5] = ["path", "command", "code", "query", "summary"];

/// What is known of an entry without reading it.
#[derive(Debug)]
pub(super) struct Sketch {
    pub(super) kind: Kind,
    /// A model's calls.
    pub(super) calls: usize,
    /// What became of each call, if these are results.
    pub(super) outcomes: Box<[Outcome]>,
    /// Files that it writes, if it is a model's turn.
    pub(super) writes: Box<[Box<str>]>,
    /// Tokens of each picture.
    pub(super) pictures: Box<[u64]>,
    /// What the line about it says, if these are no results.
    about: Box<str>,
    /// Bytes of what is always shown.
    fixed: usize,
    /// Bytes of each text that can be cut.
    texts: Box<[usize]>,
    /// Bytes of what only its provider understands.
    replay: usize,
}

/// What became of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) failed: bool,
    /// Bytes of its texts.
    pub(super) bytes: usize,
    /// How it begins.
    pub(super) begin: Box<str>,
    /// So short that it is shown as it is, always.
    pub(super) is_short: bool,
}

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Model,
    Results,
    Person,
    Note,
    /// Says how views are made, is not itself in them.
    Memo,
    /// It is not on the disk any more.
    Lost,
}

/// How much of an entry is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Detail {
    /// The most of every text that was said, in bytes.
    pub(super) said: usize,
    /// The most of every text of a result, in bytes; nothing: a stub in place of it.
    pub(super) result: Option<usize>,
    pub(super) pictures: bool,
    pub(super) replay: bool,
}

impl Detail {
    /// As much as is ever shown to a model with this window. By the window alone, so that what was
    /// shown once stays the same.
    pub(super) fn full(room: &Room) -> Self {
        let window = usize::try_from(room.window).unwrap_or(usize::MAX);
        let (said, result) = (window.clamp(2000, 40_000), (window / 2).clamp(1000, 12_000));
        Self { said, result: Some(result), pictures: true, replay: true }
    }

    /// A step whose results are left out.
    pub(super) fn masked() -> Self {
        Self { said: MASKED_TEXT, result: None, pictures: false, replay: false }
    }

    /// Every text cut to this.
    pub(super) fn cut(most: usize) -> Self {
        Self { said: most, result: Some(most), pictures: false, replay: false }
    }
}

impl Sketch {
    /// Of an entry, or of a lost one.
    pub(super) fn of(entry: Option<&Entry>) -> Self {
        let Some(entry) = entry else { return Self::plain(Kind::Lost, "") };
        match entry {
            Entry::Task { text } => Self::plain(Kind::Task, text),
            Entry::Person { text } => Self::plain(Kind::Person, text),
            Entry::Note { text } => Self::plain(Kind::Note, text),
            Entry::Model { turn } => Self::of_turn(turn),
            Entry::Results { results } => Self::of_results(results),
            Entry::Summary { .. } | Entry::Plan { .. } | Entry::View { .. } => {
                Self::plain(Kind::Memo, "")
            }
        }
    }

    fn plain(kind: Kind, text: &str) -> Self {
        Self {
            kind,
            calls: 0,
            outcomes: Box::default(),
            writes: Box::default(),
            pictures: Box::default(),
            about: first_line(text, LINE).into(),
            fixed: TURN,
            texts: [text_size(text)].into(),
            replay: 0,
        }
    }

    fn of_turn(turn: &ModelTurn) -> Self {
        let mut texts = vec![text_size(&turn.text), optional(turn.flaw.as_deref())];
        for call in &turn.calls {
            texts.extend([json_size(&call.arguments), optional(call.flaw.as_deref())]);
        }
        let replay = turn.replay.as_ref().map_or(0, json_size);
        let fixed = json_size(turn) - replay - texts.iter().sum::<usize>();
        Self {
            calls: turn.calls.len(),
            writes: turn.calls.iter().filter_map(written).collect(),
            about: about_turn(turn).into(),
            fixed: fixed + TURN,
            texts: texts.into(),
            replay,
            ..Self::plain(Kind::Model, "")
        }
    }

    fn of_results(results: &[ToolResult]) -> Self {
        let parts = || results.iter().flat_map(|r| &r.parts);
        let texts: Box<[usize]> = parts().filter_map(text_of).map(text_size).collect();
        let pictures: Box<[u64]> = parts().filter_map(tokens_of).collect();
        let around = |r: &ToolResult| TURN + text_size(&r.call) + text_size(&r.name);
        let fixed: usize = results.iter().map(around).sum();
        Self {
            outcomes: results.iter().map(Outcome::of).collect(),
            fixed: fixed + TURN + texts.len() * TURN + pictures.len() * GONE,
            texts,
            pictures,
            ..Self::plain(Kind::Results, "")
        }
    }

    /// One line about it, for people and models.
    pub(super) fn line(&self) -> Cow<'_, str> {
        match self.kind {
            Kind::Results => Cow::Owned(joined(self.outcomes.iter().map(Outcome::line))),
            _ => Cow::Borrowed(&self.about),
        }
    }

    /// Bytes of the longest of its texts.
    pub(super) fn longest(&self) -> usize {
        self.texts.iter().copied().max().unwrap_or_default()
    }

    /// Bytes of it in a view, at most.
    pub(super) fn weight(&self, detail: Detail, room: &Room) -> usize {
        let most = match (self.kind, detail.result) {
            (Kind::Results, None) => return self.masked(),
            (Kind::Results, Some(most)) => most,
            _ => detail.said,
        };
        let texts: usize = self.texts.iter().map(|size| (*size).min(most)).sum();
        let replay = if detail.replay { self.replay } else { 0 };
        let pictures = if detail.pictures { &*self.pictures } else { &[] };
        let pictures: usize = pictures.iter().map(|tokens| room.picture(*tokens)).sum();
        self.fixed + texts + replay + pictures
    }

    /// Bytes of a step without results, in place of those.
    pub(super) fn unanswered(&self) -> usize {
        TURN + self.calls * GONE
    }

    fn masked(&self) -> usize {
        self.fixed + self.texts.iter().map(|size| (*size).min(STUB)).sum::<usize>().max(STUB)
    }
}

impl Outcome {
    fn of(result: &ToolResult) -> Self {
        let texts = || result.parts.iter().filter_map(text_of);
        let count = texts().count();
        let bytes = texts().map(str::len).sum();
        let is_short = count == result.parts.len()
            && (bytes <= STUB && texts().map(text_size).sum::<usize>() <= STUB);
        let begin = match texts().next() {
            Some(text) => first_lines(text, LINE / 2).into(),
            None if result.parts.is_empty() => "nothing".into(),
            None => "a picture".into(),
        };
        Self { failed: result.is_error, bytes, begin, is_short }
    }

    fn line(&self) -> String {
        format!("{}: {}", if self.failed { "failed" } else { "ok" }, self.begin)
    }
}

fn optional(text: Option<&str>) -> usize {
    text.map_or(0, text_size)
}

fn text_of(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text } => Some(text),
        Part::Image { .. } => None,
    }
}

fn tokens_of(part: &Part) -> Option<u64> {
    match part {
        Part::Image { width, height, .. } => Some(picture_tokens(*width, *height)),
        Part::Text { .. } => None,
    }
}

fn about_turn(turn: &ModelTurn) -> String {
    if turn.calls.is_empty() {
        return format!("said: {}", first_line(&turn.text, LINE));
    }
    joined(turn.calls.iter().map(about_call))
}

/// The tool and what matters most of its arguments.
fn about_call(call: &ToolCall) -> String {
    let about = ABOUT.iter().find_map(|name| call.arguments.get(name)?.as_str());
    match about {
        Some(text) => format!("{}: {}", call.name, first_line(text, LINE)),
        None => format!("{} {}", call.name, head_of(&call.arguments)),
    }
}

fn head_of(arguments: &serde_json::Value) -> String {
    first_line(&arguments.to_string(), LINE).to_owned()
}

/// The path of a file that a call writes.
fn written(call: &ToolCall) -> Option<Box<str>> {
    let writes = WRITERS.contains(&call.name.as_str());
    let path = call.arguments.get("path").filter(|_| writes)?.as_str()?;
    Some(first_line(path, LINE).into())
}

fn joined(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(3);
    let mut line = lines.take(3).collect::<Vec<_>>().join("; ");
    line.truncate(super::cut::head(&line, LINE).len());
    if more > 0 {
        line += &format!(" and {more} more");
    }
    line
}
