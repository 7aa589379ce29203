//! Rows that are drawn again and again in the same place, below what is told for good.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::row::Row;

/// How large a terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// What a terminal that does not say it is taken for.
const USUAL: Size = Size { columns: 80, rows: 24 };

impl Size {
    /// Of the terminal at standard output.
    pub(crate) fn now() -> Self {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or(USUAL, |size| Self { columns: size.ws_col.into(), rows: size.ws_row.into() })
    }
}

/// Draws on a terminal. Each picture is one write, so that none is seen half drawn.
#[derive(Debug)]
pub(crate) struct Painter<W> {
    out: W,
    /// How wide the rows are that stand there.
    drawn: Vec<usize>,
}

impl<W: Write> Painter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, drawn: vec![] }
    }

    /// Tells something for good, if it is not empty, and draws the rows below it. No row may be as
    /// wide as the terminal.
    pub(crate) fn paint(&mut self, told: &str, rows: &[Row], size: Size) -> io::Result<()> {
        let mut picture = self.back(size);
        if !told.is_empty() && !self.drawn.is_empty() {
            picture.push_str("\x1b[J");
        }
        picture.push_str(told);
        let lines: Vec<_> = rows.iter().map(|row| row.painted() + "\x1b[K").collect();
        picture.push_str(&lines.join("\n"));
        if !rows.is_empty() || !self.drawn.is_empty() {
            picture.push_str("\x1b[J");
        }
        self.drawn = rows.iter().map(Row::width).collect();
        self.out.write_all(picture.as_bytes())?;
        self.out.flush()
    }

    /// To where the rows begin. A terminal that became narrower has broken them.
    fn back(&self, size: Size) -> String {
        let lines = |width: &usize| width.div_ceil(size.columns.max(1)).max(1);
        let all: usize = self.drawn.iter().map(lines).sum();
        let mut back = String::new();
        if all > 0 {
            back.push('\r');
        }
        if all > 1 {
            let _ = write!(back, "\x1b[{}A", all - 1);
        }
        back
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Look;
    use super::*;

    fn painted(pictures: &[(&str, &[&str], usize)]) -> String {
        let mut out = vec![];
        let mut painter = Painter::new(&mut out);
        for (told, rows, columns) in pictures {
            let rows: Vec<_> = rows.iter().map(|row| Row::of(Look::Usual, *row)).collect();
            painter.paint(told, &rows, Size { columns: *columns, rows: 24 }).unwrap();
        }
        String::from_utf8(out).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn rows_are_drawn_in_the_same_place() {
        let rows: &[&str] = &["one", "two"];
        assert_eq!(painted(&[("", rows, 80)]), "one^[K\ntwo^[K^[J");
        let twice = painted(&[("", rows, 80), ("", &["three"], 80)]);
        assert!(twice.ends_with("^[J\r^[1Athree^[K^[J"), "{twice}");
        let told = painted(&[("", rows, 80), ("told\n", rows, 80)]);
        assert!(told.ends_with("\r^[1A^[Jtold\none^[K\ntwo^[K^[J"), "{told}");
    }

    #[test]
    fn a_terminal_that_became_narrower_has_broken_the_rows() {
        let narrow = painted(&[("", &["12345678", "1234"], 80), ("", &[], 4)]);
        assert!(narrow.ends_with("^[J\r^[2A^[J"), "{narrow}");
    }

    /// Who types at a question shall not lose the line.
    #[test]
    fn nothing_moves_where_nothing_was_drawn() {
        assert_eq!(painted(&[("question? ", &[], 80), ("\n", &[], 80)]), "question? \n");
    }
}
