//! What a model is shown of output: the lines of both streams in the order they were finished,
//! without escapes and progress bars, the head and the tail if there is more than it can use; what
//! is no text is only named. Memory is bounded whatever is written.
//!
//! Not here: where the whole text is kept ([`crate::tools::spill`]).

mod binary;
mod clean;
mod excerpt;

use types::Stream;

pub(crate) use binary::{Binary, is_text};
use clean::Cleaner;
use excerpt::Cut;
use excerpt::Excerpt;

/// Output on its way to a model.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    stdout: Channel,
    stderr: Channel,
    /// Of what was heard since it was taken last.
    excerpt: Excerpt,
}

#[derive(Debug, Default)]
struct Channel {
    cleaner: Cleaner,
    binary: Binary,
}

impl Transcript {
    /// Hears a piece of output. Gives what has to be kept elsewhere: nothing as long as all will be
    /// shown, then everything.
    pub(crate) fn hear(&mut self, stream: Stream, bytes: &[u8]) -> String {
        let channel = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let mut text = String::new();
        channel.hear(bytes, &mut text);
        self.excerpt.push(text)
    }

    /// Finishes the unfinished lines, and gives what [`Self::hear`] gives.
    pub(crate) fn finish(&mut self) -> String {
        let mut text = String::new();
        self.stdout.finish(&mut text);
        self.stderr.finish(&mut text);
        self.excerpt.push(text)
    }

    /// What is shown; after it begins anew.
    pub(crate) fn take(&mut self) -> Cut {
        std::mem::take(&mut self.excerpt).cut()
    }
}

impl Channel {
    fn hear(&mut self, bytes: &[u8], text: &mut String) {
        let (before, after) = self.binary.split(bytes);
        self.say(before, text);
        if self.binary.is_some() {
            self.cleaner.finish(text);
        }
        if !after.is_empty() {
            self.binary.finish(text);
            self.say(after, text);
        }
    }

    fn say(&mut self, bytes: &[u8], text: &mut String) {
        self.cleaner.push(&String::from_utf8_lossy(bytes), text);
    }

    fn finish(&mut self, text: &mut String) {
        self.cleaner.finish(text);
        self.binary.finish(text);
    }
}

#[cfg(test)]
mod tests {
    use super::excerpt::MOST_CHARS;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_both_streams_come_whole() {
        let mut heard = Transcript::default();
        heard.hear(Stream::Stdout, b"one\ntw");
        heard.hear(Stream::Stderr, b"10%\r20%\rdone\n");
        heard.hear(Stream::Stdout, b"o\nthree");
        heard.finish();
        assert_eq!(heard.take().head, "one\ndone\ntwo\nthree\n");
    }

    #[test]
    fn what_is_no_text_is_named_between_what_is() {
        let mut heard = Transcript::default();
        heard.hear(Stream::Stdout, b"before\n");
        heard.hear(Stream::Stdout, b"\x89PNG\0\0\0");
        heard.hear(Stream::Stdout, b"\0\xff\xfe");
        heard.hear(Stream::Stdout, b"after\n");
        heard.finish();
        let shown = heard.take().head;
        let (begin, end) = ("before\n[10 bytes that are no text, sha256 ", "]\nafter\n");
        assert!(shown.starts_with(begin) && shown.ends_with(end), "{shown}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_little_is_shown(
            pieces in prop::collection::vec(
                (any::<bool>(), prop::collection::vec(any::<u8>(), 0..2000)), 0..60),
        ) {
            let mut heard = Transcript::default();
            let mut all = String::new();
            for (out, bytes) in pieces {
                let stream = if out { Stream::Stdout } else { Stream::Stderr };
                all += &heard.hear(stream, &bytes);
            }
            all += &heard.finish();
            let cut = heard.take();
            if all.is_empty() {
                all.clone_from(&cut.head);
            }
            prop_assert!(!all.contains(['\x1b', '\r']));
            prop_assert!(cut.head.chars().count() + cut.tail.chars().count() <= MOST_CHARS);
            prop_assert!(all.starts_with(&cut.head) && all.ends_with(&cut.tail));
            prop_assert_eq!(cut.head.len() + cut.left_out + cut.tail.len(), all.len());
        }
    }
}
