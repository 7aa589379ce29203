use std::fmt::Write as _;

/// The most characters of a text that are shown: half of them from its head if it is longer.
/// Long enough for a compiler's complaints, 2.5k tokens.
pub(crate) const MOST_CHARS: usize = 10_000;

/// What is shown of either end.
const END_CHARS: usize = MOST_CHARS / 2;

/// A text of any length on its way to [`Cut`]; holds some tens of kB at most.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    head: String,
    /// `None` as long as all fits into the head.
    tail: Option<String>,
    bytes: usize,
}

/// A text, or its two ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) head: String,
    /// Bytes between them.
    pub(crate) left_out: usize,
    pub(crate) tail: String,
}

impl Excerpt {
    /// Adds text. Gives what has to be kept elsewhere: nothing as long as all fits, then everything.
    pub(super) fn push(&mut self, text: String) -> String {
        self.bytes += text.len();
        if let Some(tail) = &mut self.tail {
            tail.push_str(&text);
            // Now and then, so that it costs little.
            if tail.len() > 4 * MOST_CHARS {
                tail.replace_range(..last_chars(tail, END_CHARS), "");
            }
            return text;
        }
        self.head.push_str(&text);
        if self.head.len() <= MOST_CHARS || self.head.chars().nth(MOST_CHARS).is_none() {
            return String::new();
        }
        let all = self.head.clone();
        self.tail = Some(self.head.split_off(head_end(&self.head)));
        self.push(String::new());
        all
    }

    pub(super) fn cut(self) -> Cut {
        let Self { head, tail, bytes } = self;
        let tail = tail.map(|tail| tail[tail_start(&tail)..].to_owned()).unwrap_or_default();
        Cut { left_out: bytes - head.len() - tail.len(), head, tail }
    }
}

impl Cut {
    /// The text for a model, with where the whole of it is.
    pub(crate) fn text(&self, whole: &str) -> String {
        let Self { head, left_out, tail } = self;
        if *left_out == 0 {
            return format!("{head}{tail}");
        }
        let mut text = head.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "[… {left_out} bytes left out; {whole}]\n{tail}");
        text
    }
}

/// After the last line that ends within the head, if it has one that is not very long.
fn head_end(text: &str) -> usize {
    let end = text.char_indices().nth(END_CHARS).map_or(text.len(), |(index, _)| index);
    match text[..end].rfind('\n') {
        Some(newline) if newline >= end / 2 => newline + 1,
        _ => end,
    }
}

/// Where the first line begins that lies within the tail, if it has one that is not very long.
fn tail_start(text: &str) -> usize {
    let start = last_chars(text, END_CHARS);
    match text[start..].find('\n') {
        Some(newline) if start > 0 && newline < (text.len() - start) / 2 => start + newline + 1,
        _ => start,
    }
}

fn last_chars(text: &str, chars: usize) -> usize {
    text.char_indices().rev().nth(chars - 1).map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> (Cut, String) {
        let mut excerpt = Excerpt::default();
        let kept = excerpt.push(text.to_owned());
        (excerpt.cut(), kept)
    }

    #[test]
    fn what_fits_is_shown_whole() {
        let text = "€".repeat(MOST_CHARS);
        let (shown, kept) = cut(&text);
        assert_eq!((shown.text(""), kept), (text, String::new()));
    }

    #[test]
    fn lines_are_not_torn() {
        let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        let (shown, kept) = cut(&text);
        assert_eq!(kept, text);
        let shown = shown.text("see x");
        assert!(shown.lines().all(|line| line.starts_with("line ") || line.starts_with("[… ")));
        assert!(shown.starts_with("line 0\n") && shown.ends_with("line 4999\n"));
        let left_out = text.len() + "[…  bytes left out; see x]\n".len() + 5 - shown.len();
        assert!(shown.contains(&format!("[… {left_out} bytes left out; see x]\n")), "{shown}");
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_nothing_is_miscounted(
            pieces in prop::collection::vec("[a-z€🦀\\n]{0,40}", 1..20), times in 1usize..800,
        ) {
            let mut excerpt = Excerpt::default();
            let mut all = String::new();
            for piece in pieces.iter().cycle().take(times) {
                all += piece;
                excerpt.push(piece.clone());
                let tail = excerpt.tail.as_ref().map_or(0, String::len);
                prop_assert!(excerpt.head.len() + tail <= 8 * MOST_CHARS + 160);
            }
            let Cut { head, left_out, tail } = excerpt.cut();
            prop_assert!(all.starts_with(&head) && all.ends_with(&tail));
            prop_assert_eq!(head.len() + left_out + tail.len(), all.len());
            prop_assert!(left_out > 0 || head.len() + tail.len() == all.len());
        }
    }
}
