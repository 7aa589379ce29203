//! The end of what a step writes.

use std::collections::VecDeque;

use super::row::{Look, Row};
use crate::text;

/// The most lines that are kept of what a step wrote.
const KEPT: usize = 500;

/// The most characters of one of them.
const LINE_CHARS: usize = 1000;

/// The last lines of a text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    /// Whether the last of them may go on.
    open: bool,
}

impl Tail {
    /// Takes the next piece.
    pub(super) fn add(&mut self, text: &str) {
        for piece in text::plain(text).split_inclusive('\n') {
            let line = piece.trim_end_matches('\n');
            match self.lines.back_mut().filter(|_| self.open) {
                Some(last) => last.push_str(line),
                None => self.lines.push_back(line.into()),
            }
            if let Some(last) = self.lines.back_mut()
                && let Some((cut, _)) = last.char_indices().nth(LINE_CHARS)
            {
                last.truncate(cut);
            }
            self.open = !piece.ends_with('\n');
        }
        self.lines.drain(..self.lines.len().saturating_sub(KEPT));
    }

    /// The last lines that have something on them.
    pub(crate) fn rows(&self, most: usize) -> Vec<Row> {
        let some = self.lines.iter().rev().filter(|line| !line.trim().is_empty());
        let mut rows: Vec<_> = some
            .take(most)
            .map(|line| Row::of(Look::Dim, "  │ ").and(Look::Usual, line.as_str()))
            .collect();
        rows.reverse();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_end_of_what_was_written() {
        let shown = |pieces: &[&str]| {
            let mut tail = Tail::default();
            pieces.iter().for_each(|piece| tail.add(piece));
            tail.rows(2).into_iter().map(|row| row.0[1].1.clone()).collect::<Vec<_>>()
        };
        assert_eq!(shown(&["one\ntwo\n\nthr"]), ["two", "thr"]);
        assert_eq!(shown(&["one\ntw", "o\n"]), ["one", "two"]);
        assert_eq!(shown(&["10 %\r20 %"]), ["10 %", "20 %"]);
        assert_eq!(shown(&[&"x".repeat(5000)])[0].len(), LINE_CHARS);
    }
}
