//! What matters of a Markdown document: its headings and its fenced blocks, in order. Block quotes
//! are other people's words: nothing in them counts.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, OffsetIter, Options, Parser, Tag, TagEnd};

/// A part of the document that matters.
pub(crate) enum Part {
    /// A heading's text.
    Heading(String),
    /// A fenced block.
    Fence(Fence),
}

/// A fenced block as it stands in the document.
pub(crate) struct Fence {
    /// Line of the opening fence, from 1.
    pub(crate) line: u32,
    /// What stands behind the opening fence.
    pub(crate) info: String,
    /// The lines between the fences, without the indentation of the list they stand in; every
    /// line ends with `\n`.
    pub(crate) content: String,
    /// The backticks or tildes of the opening fence.
    pub(crate) marks: String,
    /// Whether there is a closing fence. The parser also ends a block where its list item or the
    /// document ends; then nobody can tell which lines were meant to be run.
    pub(crate) closed: bool,
}

/// The parts of `markdown` from the byte `start` on.
pub(crate) fn parts(markdown: &str, start: usize) -> impl Iterator<Item = Part> {
    let body = &markdown[start..];
    let lines = Lines { text: body, offset: 0, line: count_lines(&markdown[..start]) + 1 };
    let events = Parser::new_ext(body, Options::empty()).into_offset_iter();
    Parts { body, events, lines }
}

struct Parts<'a> {
    body: &'a str,
    events: OffsetIter<'a>,
    lines: Lines<'a>,
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        loop {
            let (event, range) = self.events.next()?;
            match event {
                Event::Start(Tag::BlockQuote(_)) => self.skip_quote(),
                Event::Start(Tag::Heading { .. }) => return Some(Part::Heading(self.heading())),
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    return Some(Part::Fence(self.fence(&info, range)));
                }
                _ => {}
            }
        }
    }
}

impl Parts<'_> {
    fn skip_quote(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.events.next() {
                Some((Event::Start(Tag::BlockQuote(_)), _)) => depth += 1,
                Some((Event::End(TagEnd::BlockQuote(_)), _)) => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn heading(&mut self) -> String {
        let mut text = String::new();
        for (event, _) in self.events.by_ref() {
            match event {
                Event::End(TagEnd::Heading(_)) => break,
                Event::Text(part) | Event::Code(part) => text.push_str(&part),
                Event::SoftBreak | Event::HardBreak => text.push(' '),
                _ => {}
            }
        }
        text
    }

    fn fence(&mut self, info: &str, range: Range<usize>) -> Fence {
        let source = &self.body[range.clone()];
        let mark = source.chars().next().unwrap_or('`');
        let opening = source.find(['\n', '\r']).unwrap_or(source.len());
        let mut fence = Fence {
            line: self.lines.at(range.start),
            info: info.to_owned(),
            content: String::new(),
            marks: source.chars().take_while(|c| *c == mark).collect(),
            closed: false,
        };
        let mut end = range.start + opening;
        while let Some((text, at)) = self.next_text() {
            fence.content.push_str(&text);
            end = at.end;
        }
        // The parser leaves the closing fence out of the content; without one, nothing is left.
        fence.closed = self.body[end..range.end].trim_start().starts_with(mark);
        fence
    }

    /// The next piece of the block's content.
    fn next_text(&mut self) -> Option<(CowStr<'_>, Range<usize>)> {
        match self.events.next()? {
            (Event::Text(text), range) => Some((text, range)),
            _ => None,
        }
    }
}

/// Line numbers of growing offsets, counting each line once.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
}

impl Lines<'_> {
    fn at(&mut self, offset: usize) -> u32 {
        self.line += count_lines(&self.text[self.offset..offset]);
        self.offset = offset;
        self.line
    }
}

fn count_lines(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX / 2)
}
