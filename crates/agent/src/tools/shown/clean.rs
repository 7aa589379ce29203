/// The longest line that may still be taken back by a carriage return, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// The longest escape sequence that is waited for, in characters; terminals' own titles are shorter.
const MAX_ESCAPE_CHARS: usize = 512;

/// A terminal of one line: takes text and gives the lines that would be seen at last, without
/// colours, and of a progress bar only how it ended.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    line: String,
    /// After a carriage return: what comes next overwrites the line, unless it ends it.
    returned: bool,
    state: State,
    /// How long the escape sequence is so far.
    escape: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In `ESC [ …`, until its final character.
    Control,
    /// In `ESC ] …` and its like, until BEL or `ESC \`.
    Command,
}

impl Cleaner {
    /// Takes text; what of it is final is added to `out`.
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        for char in text.chars() {
            self.take(char, out);
        }
    }

    /// Gives the unfinished line, and ends it.
    pub(super) fn finish(&mut self, out: &mut String) {
        self.state = State::Text;
        if !self.line.is_empty() {
            self.take_text('\n', out);
        }
    }

    fn take(&mut self, char: char, out: &mut String) {
        self.escape += 1;
        let patient = self.escape < MAX_ESCAPE_CHARS;
        match (self.state, char) {
            // No line end is ever lost.
            (State::Text, _) | (_, '\n') => {
                self.state = State::Text;
                self.take_text(char, out);
            }
            (_, '\u{1b}') => (self.state, self.escape) = (State::Escape, 0),
            (State::Escape, '[') => self.state = State::Control,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => self.state = State::Command,
            // `ESC ( B` and its like have one more; the others go on until they are ended.
            (State::Escape, ' '..='/') => {}
            (State::Control, ' '..='?') | (State::Command, ' '..) if patient => {}
            // What ends it belongs to it.
            _ => self.state = State::Text,
        }
    }

    fn take_text(&mut self, char: char, out: &mut String) {
        match char {
            '\n' => {
                self.line.push('\n');
                self.returned = false;
                self.give(out);
            }
            '\r' => self.returned = true,
            '\u{1b}' => (self.state, self.escape) = (State::Escape, 0),
            '\u{8}' => drop(self.line.pop()),
            char if char.is_control() && char != '\t' => {}
            char => self.write(char, out),
        }
    }

    fn write(&mut self, char: char, out: &mut String) {
        if self.returned {
            self.line.clear();
            self.returned = false;
        }
        self.line.push(char);
        if self.line.len() >= MAX_LINE_BYTES {
            self.give(out);
        }
    }

    fn give(&mut self, out: &mut String) {
        out.push_str(&self.line);
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned<'a>(pieces: impl IntoIterator<Item = &'a str>) -> String {
        let (mut cleaner, mut out) = (Cleaner::default(), String::new());
        for piece in pieces {
            cleaner.push(piece, &mut out);
        }
        cleaner.finish(&mut out);
        out
    }

    #[test]
    fn shows_what_would_be_seen_at_last() {
        for (written, seen) in [
            ("plain\n", "plain\n"),
            ("no end", "no end\n"),
            ("dos\r\nlines\r\n", "dos\nlines\n"),
            ("10%\r20%\r100%\ndone\n", "100%\ndone\n"),
            ("10%\r\u{1b}[K20%\r", "20%\n"),
            ("\u{1b}[1;31mred\u{1b}[0m \u{1b}[38:5:1mx\n", "red x\n"),
            ("\u{1b}]0;title\u{7}text\u{1b}]8;;http://x\u{1b}\\link\n", "textlink\n"),
            ("\u{1b}(B\u{1b}=\u{1b}7a\n", "a\n"),
            ("|\u{8}/\u{8}-\u{8}ok\u{7}\n", "ok\n"),
            ("cut \u{1b}[3\nnext\u{1b}", "cut \nnext\n"),
            ("a\tb\u{0}\n\n", "a\tb\n\n"),
        ] {
            assert_eq!(cleaned([written]), seen, "{written:?}");
        }
    }

    #[test]
    fn an_escape_that_never_ends_hides_little() {
        let text = format!("\u{1b}]{}", "x".repeat(2000));
        assert!(cleaned([text.as_str()]).len() > 1000);
    }

    proptest! {
        #[test]
        fn where_it_is_cut_makes_no_difference(
            pieces in prop::collection::vec("[a-c\\r\\n\u{1b}\\[\\]m;0€]{0,8}", 0..20),
        ) {
            let whole = pieces.concat();
            prop_assert_eq!(cleaned(pieces.iter().map(String::as_str)), cleaned([whole.as_str()]));
        }

        #[test]
        fn a_line_that_never_ends_is_not_kept(text in "[ -~]{0,100}", times in 0usize..200) {
            let (mut cleaner, mut out) = (Cleaner::default(), String::new());
            for _ in 0..times {
                cleaner.push(&text, &mut out);
                prop_assert!(cleaner.line.len() < MAX_LINE_BYTES + 4);
            }
        }
    }
}
