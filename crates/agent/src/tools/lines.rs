//! Lines of a file with their numbers, of any file in bounded memory. Pure.

use std::fmt::Write as _;
use std::io::{self, BufRead};

/// The longest line that is shown, in bytes.
const LINE_BYTES: usize = 1000;

/// The most that is shown at once, in bytes.
const MOST_BYTES: usize = 20_000;

/// Lines of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// With their numbers.
    pub(super) text: String,
    /// The number of the last one shown; 0 for none.
    pub(super) last: u64,
    /// How many the file has, as far as it was read.
    pub(super) total: u64,
}

/// One line being read.
#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    left_out: usize,
}

/// Reads `count` lines from the one of number `from`, counted from 1, as far as there is room.
pub(super) fn read(mut file: impl BufRead, from: u64, count: u64) -> io::Result<Lines> {
    let mut lines = Lines::default();
    let mut full = false;
    loop {
        let mut line = Line::default();
        let wanted = !full && lines.total + 1 >= from && lines.total + 1 - from < count;
        if !line.read(&mut file, wanted)? {
            return Ok(lines);
        }
        lines.total += 1;
        full |= wanted && !lines.show(&line);
    }
}

impl Lines {
    /// Whether there was room.
    fn show(&mut self, line: &Line) -> bool {
        let room = self.text.is_empty() || self.text.len() + line.bytes.len() < MOST_BYTES;
        if room {
            self.last = self.total;
            let text = String::from_utf8_lossy(&line.bytes);
            let _ = write!(self.text, "{:>6}\t{}", self.total, text.trim_end_matches(['\r', '\n']));
            if line.left_out > 0 {
                let _ = write!(self.text, " [… {} bytes more]", line.left_out);
            }
            self.text.push('\n');
        }
        room
    }
}

impl Line {
    /// Reads to the line's end; whether there was one to read.
    fn read(&mut self, file: &mut impl BufRead, wanted: bool) -> io::Result<bool> {
        let mut any = false;
        loop {
            let there = file.fill_buf()?;
            if there.is_empty() {
                return Ok(any);
            }
            any = true;
            let newline = there.iter().position(|byte| *byte == b'\n');
            let read = newline.map_or(there.len(), |at| at + 1);
            if wanted {
                self.take(&there[..newline.unwrap_or(read)]);
            }
            file.consume(read);
            if newline.is_some() {
                return Ok(true);
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let room = (LINE_BYTES - self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(&piece[..room]);
        self.left_out += piece.len() - room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_what_is_wanted() {
        let file = b"a\nb\r\nc\nd";
        let lines = read(&file[..], 2, 2).unwrap();
        assert_eq!(lines, Lines { text: "     2\tb\n     3\tc\n".into(), last: 3, total: 4 });
        assert_eq!(read(&file[..], 9, 2).unwrap(), Lines { total: 4, ..Lines::default() });
        assert_eq!(read(&b""[..], 1, 9).unwrap(), Lines::default());
    }

    #[test]
    fn is_bounded() {
        let long = [b'x'; 5000];
        let lines = read(&long[..], 1, 1).unwrap();
        assert!(lines.text.ends_with("x [… 4000 bytes more]\n"));
        let many = "1234567890\n".repeat(10_000);
        let lines = read(many.as_bytes(), 1, u64::MAX).unwrap();
        assert!(lines.text.len() < 2 * MOST_BYTES && lines.last > 1000 && lines.total == 10_000);
    }

    proptest! {
        #[test]
        fn how_it_is_read_makes_no_difference(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            from in 1u64..9, count in 1u64..9, size in 1usize..9,
        ) {
            let pieces = io::BufReader::with_capacity(size, &bytes[..]);
            let whole = read(&bytes[..], from, count).unwrap();
            prop_assert_eq!(read(pieces, from, count).unwrap(), whole);
        }
    }
}
