//! Server-sent events and JSON lines, in time and memory that grow with what is read and no faster.
//! By hand for that: `eventsource-stream` copies the rest of its buffer for each line and reads an
//! unfinished one again with each chunk; 4 MiB without an end kept it busy for minutes.
//!
//! Lines end with LF or CRLF. A lone CR, which the standard allows too, is sent by nobody.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use serde::de::IgnoredAny;

use super::{silent, words};
use crate::ModelError;
use crate::dialect::Framing;

/// The longest frame, in bytes: an argument that is a whole file, or a thought's signature.
const FRAME_BYTES: usize = 4 * 1024 * 1024;

/// A frame: its event's name, where it has one, and its data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) event: String,
    pub(super) data: String,
}

/// The frames of an answer, as they come.
#[derive(Debug)]
pub(super) struct Frames {
    response: Response,
    silence: Duration,
    /// Bytes that may still come.
    room: usize,
    parser: Parser,
}

impl Frames {
    /// `framing` is none where the whole body is one frame; at most `room` bytes are read.
    pub(super) fn new(
        response: Response,
        framing: Option<Framing>,
        silence: Duration,
        room: usize,
    ) -> Self {
        Self { response, silence, room, parser: Parser::new(framing) }
    }

    /// The next frame, or none at the end of the body. What is not whole by then is left out.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, ModelError> {
        loop {
            if let Some(frame) = self.parser.next() {
                return Ok(Some(frame));
            }
            match self.chunk().await? {
                Some(bytes) => self.parser.push(&bytes),
                None => return Ok(self.parser.last()),
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ModelError> {
        let read = tokio::time::timeout(self.silence, self.response.chunk()).await;
        let chunk = read.map_err(|_| ModelError::BrokenOff(silent(self.silence)))?;
        let chunk = chunk.map_err(|error| ModelError::BrokenOff(words(error)))?;
        let length = chunk.as_ref().map_or(0, Bytes::len);
        match self.room.checked_sub(length).filter(|_| self.parser.pending() <= FRAME_BYTES) {
            None => Err(ModelError::Endless),
            Some(room) => {
                self.room = room;
                Ok(chunk)
            }
        }
    }
}

/// Bytes in, frames out.
#[derive(Debug)]
struct Parser {
    framing: Option<Framing>,
    buffer: BytesMut,
    /// How much of the buffer has no line's end.
    searched: usize,
    /// The event under way.
    frame: Frame,
}

impl Parser {
    fn new(framing: Option<Framing>) -> Self {
        Self { framing, buffer: BytesMut::new(), searched: 0, frame: Frame::default() }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that are held and are no frame yet.
    fn pending(&self) -> usize {
        self.buffer.len() + self.frame.data.len()
    }

    fn next(&mut self) -> Option<Frame> {
        let framing = self.framing?;
        while let Some(line) = self.line() {
            let frame = match framing {
                Framing::Lines => Some(document(&line)),
                Framing::Sse => self.field(&line),
            };
            if let Some(frame) = frame.filter(|frame| !frame.data.is_empty()) {
                return Some(frame);
            }
        }
        None
    }

    /// What is left at the end: a document may lack its line's end, an event may not.
    fn last(&mut self) -> Option<Frame> {
        let rest = std::mem::take(&mut self.buffer);
        let is_whole = || serde_json::from_slice::<IgnoredAny>(&rest).is_ok();
        (self.framing != Some(Framing::Sse) && is_whole()).then(|| document(&rest))
    }

    /// The next line, without its end.
    fn line(&mut self) -> Option<BytesMut> {
        let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.searched + end + 1);
        self.searched = 0;
        let length = line.len() - if line.ends_with(b"\r\n") { 2 } else { 1 };
        line.truncate(length);
        Some(line)
    }

    /// One line of an event. The empty one ends it.
    fn field(&mut self, line: &[u8]) -> Option<Frame> {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let Frame { event, data } = &mut self.frame;
        match name {
            "" if line.is_empty() => return Some(std::mem::take(&mut self.frame)),
            "event" => value.clone_into(event),
            "data" if data.is_empty() => value.clone_into(data),
            "data" => data.extend(["\n", value]),
            // Comments, such as pings; ids and what else there is.
            _ => {}
        }
        None
    }
}

fn document(bytes: &[u8]) -> Frame {
    Frame { event: String::new(), data: String::from_utf8_lossy(bytes).trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(framing: Framing, chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::new(Some(framing));
        let mut found = vec![];
        for chunk in chunks {
            parser.push(chunk);
            found.extend(std::iter::from_fn(|| parser.next()));
        }
        found.extend(parser.last());
        found.into_iter().map(|frame| (frame.event, frame.data)).collect()
    }

    #[test]
    fn events() {
        let text =
            b": hi\n\nevent: ping\ndata: {}\n\nid: 1\ndata:a\ndata:  b\n\ndata\n\nevent: x\n\n\
            data: \xff\r\n\r\ndata: cut";
        let expected = [("ping", "{}"), ("", "a\n b"), ("", "\u{fffd}")];
        let expected = expected.map(|(event, data)| (event.to_owned(), data.to_owned()));
        assert_eq!(frames(Framing::Sse, &[text]), expected);
    }

    #[test]
    fn documents() {
        let documents = |text: &str| {
            let found = frames(Framing::Lines, &[text.as_bytes()]).into_iter();
            found.map(|(_, data)| data).collect::<Vec<_>>()
        };
        assert_eq!(documents("{\"a\":1}\n\r\n{\"b\":2}\r\n"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(documents("{\"a\":1}\n{\"b\":2}"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(documents("{\"a\":1}\n{\"b\":"), ["{\"a\":1}"]);
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(text in "(data|event|:| |\r?\n|€|\\{\\}){0,40}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let bytes = text.as_bytes();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<_> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            for framing in [Framing::Sse, Framing::Lines] {
                prop_assert_eq!(frames(framing, &chunks), frames(framing, &[bytes]));
            }
        }
    }
}
