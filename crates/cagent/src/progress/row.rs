//! Rows of a terminal: text in a few looks, cut to so many columns.

use anstyle::Style;
use unicode_width::UnicodeWidthChar as _;

use super::{BAD, BOLD, DIM, GOOD, ODD};

/// What a tab becomes: how wide one is nobody can say.
const TAB: &str = "    ";

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Usual,
    Bold,
    Dim,
    Good,
    Bad,
    Odd,
}

impl Look {
    fn style(self) -> Style {
        match self {
            Self::Usual => Style::new(),
            Self::Bold => BOLD,
            Self::Dim => DIM,
            Self::Good => GOOD,
            Self::Bad => BAD,
            Self::Odd => ODD,
        }
    }
}

/// One row, of text that may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(pub(crate) Vec<(Look, String)>);

impl Row {
    pub(crate) fn of(look: Look, text: impl Into<String>) -> Self {
        Self::default().and(look, text)
    }

    pub(crate) fn and(mut self, look: Look, text: impl Into<String>) -> Self {
        self.0.push((look, text.into()));
        self
    }

    /// The row in no more than so many columns.
    pub(crate) fn cut(self, columns: usize) -> Self {
        let whole: usize = self.0.iter().map(|(_, text)| width(text)).sum();
        let mut left = if whole > columns { columns.saturating_sub(1) } else { columns };
        let mut parts = vec![];
        for (look, text) in self.0 {
            let text = fitting(&text, left);
            left -= width(&text).min(left);
            parts.push((look, text));
        }
        if whole > columns && columns > 0 {
            parts.push((Look::Dim, "…".into()));
        }
        Self(parts)
    }

    /// How many columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// With its colours, for a terminal.
    pub(crate) fn painted(&self) -> String {
        let part = |(look, text): &(Look, String)| {
            let style = look.style();
            format!("{style}{text}{style:#}")
        };
        self.0.iter().map(part).collect()
    }
}

/// How many columns a text takes at most.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// A line as lines of at most so many columns, if its words are not wider.
pub(crate) fn broken(line: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let full =
            |last: &String| !last.trim().is_empty() && width(last) + width(word.trim_end()) > most;
        if lines.last().is_some_and(full) {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(word);
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// As much of a text as fits; tabs become spaces.
fn fitting(text: &str, most: usize) -> String {
    let mut left = most;
    let text = text.replace('\t', TAB);
    let fits = |c: &char| match left.checked_sub(columns(*c)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).collect()
}

fn columns(c: char) -> usize {
    match c {
        '\t' => TAB.len(),
        // It may make the character before it wider.
        '\u{fe0f}' => 1,
        c => c.width().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, columns: usize) -> String {
        Row::of(Look::Usual, text).cut(columns).0.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn what_is_too_wide_is_cut() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(cut("世界世界", 8), "世界世界");
        assert_eq!(cut("世界世界", 6), "世界…");
        assert_eq!(cut("a\tb", 6), "a    b");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn no_row_is_wider_than_it_may_be() {
        for text in
            ["🦀🦀🦀🦀", "e\u{301}e\u{301}e\u{301}", "❤\u{fe0f}❤\u{fe0f}", "\t\t", "plain text"]
        {
            for columns in 0..12 {
                let row = Row::of(Look::Bold, text).and(Look::Dim, text).cut(columns);
                assert!(row.width() <= columns, "{text:?} in {columns}: {row:?}");
            }
        }
    }
    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(broken("the tests found it", 9), ["the tests", "found it"]);
        assert_eq!(broken("  indented words", 9), ["  indented", "words"]);
        assert_eq!(broken("世界 世界 a", 5), ["世界", "世界", "a"]);
        assert_eq!(broken("longerthanthat a", 3), ["longerthanthat", "a"]);
        assert_eq!(broken("", 0), [""]);
    }
}
