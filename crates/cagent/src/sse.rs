//! Server-Sent Events, as far as this API uses them: of a message only `data` matters, since the
//! event in it has its own number and type.

use anyhow::{Context as _, ensure};
use reqwest::Response;
use types::Event;

/// The longest line we take: an event has at most 64 KiB of text, of which JSON may escape every
/// byte (`\u0001`, six bytes for one).
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A body that is read as events.
#[derive(Debug)]
pub(crate) struct EventStream {
    response: Response,
    parser: Parser,
}

impl EventStream {
    pub(crate) fn new(response: Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    /// The next event; none at the end of the body. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(data) = self.parser.next()? {
                let event = serde_json::from_str(&data);
                return event.map(Some).with_context(|| format!("no event of a job: {data}"));
            }
            match self.response.chunk().await? {
                Some(chunk) => self.parser.push(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Cuts a stream of bytes into the data of its messages.
#[derive(Debug, Default)]
struct Parser {
    /// What was read and not yet used, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    data: Option<String>,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The data of the next message that is complete.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if let Some(data) = self.data.take() {
                    return Ok(Some(data));
                }
            } else if let Some(value) = line.strip_prefix("data:") {
                self.add(value.strip_prefix(' ').unwrap_or(value));
            }
        }
        Ok(None)
    }

    fn add(&mut self, value: &str) {
        match &mut self.data {
            None => self.data = Some(value.into()),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
        }
    }

    /// The next line that is complete, without its end.
    fn line(&mut self) -> anyhow::Result<Option<String>> {
        let rest = &self.buffer[self.start..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            ensure!(rest.len() <= MAX_LINE_BYTES, "a line of more than {MAX_LINE_BYTES} bytes");
            return Ok(None);
        };
        let line = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
        let line = String::from_utf8_lossy(line).into_owned();
        self.start += length + 1;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(chunks: &[&[u8]]) -> Vec<String> {
        let mut parser = Parser::default();
        let mut all = Vec::new();
        for chunk in chunks {
            parser.push(chunk);
            while let Some(data) = parser.next().unwrap() {
                all.push(data);
            }
        }
        all
    }

    #[test]
    fn reads_messages_however_they_are_cut() {
        let body =
            "id: 1\nevent: x\ndata: {\"a\":\"ä\"}\n\n: still here\n\ndata:b\r\ndata: c\r\n\r\n";
        let expected = ["{\"a\":\"ä\"}", "b\nc"];
        assert_eq!(messages(&[body.as_bytes()]), expected);
        for cut in 0..body.len() {
            let (head, tail) = body.as_bytes().split_at(cut);
            assert_eq!(messages(&[head, tail]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_message_that_is_not_complete_does_not_count() {
        assert_eq!(messages(&[b"data: x\n"]), [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut parser = Parser::default();
        parser.push(&vec![b'x'; MAX_LINE_BYTES + 1]);
        assert!(parser.next().is_err());
    }
}
