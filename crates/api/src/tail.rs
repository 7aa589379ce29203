//! The end of a log file as text, without reading the rest of it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log is shown as text at most, in bytes; the whole log is a file of its own.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// The end of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The text; what is not UTF-8 in it is replaced by U+FFFD.
    pub(crate) text: String,
    /// Whether there is more before it.
    pub(crate) truncated: bool,
}

impl Tail {
    /// At most the last `lines` lines of it.
    pub(crate) fn last_lines(&self, lines: usize) -> &str {
        let end = self.text.strip_suffix('\n').unwrap_or(&self.text).len();
        let breaks = self.text[..end].rmatch_indices('\n');
        let start = lines.checked_sub(1).and_then(|n| breaks.map(|(at, _)| at + 1).nth(n));
        &self.text[start.unwrap_or(0)..]
    }
}

/// Reads at most the last `most` bytes of a file, beginning with a whole character. A file that is
/// not there is an empty log. Blocks.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Tail> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Ok(Tail { text: String::new(), truncated: false });
        }
        opened => opened?,
    };
    let length = file.metadata()?.len();
    let start = length.saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length - start).read_to_end(&mut bytes)?;
    let cut = if start > 0 { rest_of_character(&bytes) } else { 0 };
    Ok(Tail { text: String::from_utf8_lossy(&bytes[cut..]).into_owned(), truncated: start > 0 })
}

/// How many bytes at the beginning belong to a character that began before.
fn rest_of_character(bytes: &[u8]) -> usize {
    // A character has at most three bytes after its first; more than that is no UTF-8 anyway.
    bytes.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn tail(content: &[u8], most: u64) -> Tail {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        read(file.path(), most).unwrap()
    }

    #[test]
    fn a_log_that_is_not_there_is_empty() {
        let tail = read(Path::new("/nowhere/stdout.log"), 10).unwrap();
        assert_eq!(tail, Tail { text: String::new(), truncated: false });
    }

    #[test]
    fn a_short_log_is_whole() {
        assert_eq!(tail(b"abc", 3), Tail { text: "abc".into(), truncated: false });
    }

    #[test]
    fn a_long_log_is_cut_between_characters() {
        // "ä€🦀": two, three and four bytes.
        let whole = "xä€🦀";
        for most in 1..whole.len() as u64 {
            let tail = tail(whole.as_bytes(), most);
            assert!(tail.truncated);
            assert!(whole.ends_with(&tail.text), "{most}: {:?}", tail.text);
            assert!(tail.text.len() as u64 <= most);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(tail(b"a\xff\xfeb", 10).text, "a\u{fffd}\u{fffd}b");
        assert_eq!(tail(&[0x80; 9], 5).text, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn reads_no_more_than_asked_of_a_huge_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(10 << 30).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"end").unwrap();
        let tail = read(file.path(), 4).unwrap();
        assert_eq!(tail.text, "\0end");
    }

    #[test]
    fn the_last_lines_are_whole() {
        let lines =
            |text: &str, n| Tail { text: text.into(), truncated: false }.last_lines(n).to_owned();
        assert_eq!(lines("", 2), "");
        assert_eq!(lines("a", 2), "a");
        assert_eq!(lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(lines("a\nb\nc", 2), "b\nc");
        assert_eq!(lines("a\nb\n", 2), "a\nb\n");
        assert_eq!(lines("a\n\n\n", 2), "\n\n");
    }
}
