use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Bytes that are no text, as long as they come: how many, and what they hash to.
#[derive(Debug, Default)]
pub(crate) struct Binary {
    bytes: u64,
    hash: Sha256,
}

impl Binary {
    /// Takes of a piece of output what is no text; gives the lines before and after it.
    pub(super) fn split<'a>(&mut self, piece: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        if is_text(piece) {
            return if self.bytes == 0 { (piece, b"") } else { (b"", piece) };
        }
        let (first, last) = bad(piece);
        // What follows on what is no text looks like text now and then.
        let lines = piece[..first].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let start = if self.bytes == 0 { lines } else { 0 };
        let end = piece[last..].iter().position(|byte| *byte == b'\n');
        let end = end.map_or(piece.len(), |at| last + at + 1);
        self.add(&piece[start..end]);
        (&piece[..start], &piece[end..])
    }

    /// Whether anything came.
    pub(super) fn is_some(&self) -> bool {
        self.bytes > 0
    }

    /// Takes a piece, whatever it is.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.hash.update(piece);
    }

    /// Names what came, if anything did.
    pub(super) fn finish(&mut self, text: &mut String) {
        if self.bytes > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "[{}]", std::mem::take(self).name());
        }
    }

    /// What came, in words.
    pub(crate) fn name(self) -> String {
        let hash: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} bytes that are no text, sha256 {hash}", self.bytes)
    }
}

/// Where the first byte is that no text has, and where the last one.
fn bad(piece: &[u8]) -> (usize, usize) {
    let (mut at, mut first, mut last) = (0, piece.len(), 0);
    for chunk in piece.utf8_chunks() {
        let valid = chunk.valid().as_bytes();
        let nul = |byte: &u8| *byte == 0;
        let ends = [valid.iter().position(nul), valid.iter().rposition(nul)];
        let invalid = (!chunk.invalid().is_empty()).then_some(valid.len());
        for here in ends.into_iter().flatten().chain(invalid) {
            first = first.min(at + here);
            last = at + here;
        }
        at += valid.len() + chunk.invalid().len();
    }
    (first, last)
}

/// Text has no NUL, and little that is no UTF-8: old encodings and a character cut in two are
/// forgiven.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let wrong: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    !bytes.contains(&0) && wrong <= bytes.len() / 10 + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_encodings_are_text_and_pictures_are_not() {
        assert!(is_text(b"") && is_text("grün €\n".as_bytes()));
        assert!(is_text(b"gr\xfcn und sch\xf6n, so wie es fr\xfcher war\n"));
        assert!(!is_text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
        assert!(!is_text(&[0xff; 100]));
    }

    #[test]
    fn what_comes_in_pieces_is_one() {
        let mut binary = Binary::default();
        assert_eq!(binary.split(b"line\na\0"), (&b"line\n"[..], &b""[..]));
        assert_eq!(binary.split(b"\0\nnext"), (&b""[..], &b"next"[..]));
        assert_eq!(binary.split(b"text"), (&b""[..], &b"text"[..]));
        let mut text = String::new();
        binary.finish(&mut text);
        binary.finish(&mut text);
        let hash = "2bf31e2b2f08a39ea55c6bd8a6d2b5cd3e4fbb4c4fcb0d1b1ca7a1d0a4a7ee0e";
        assert!(text.starts_with("[4 bytes that are no text, sha256 "), "{text}");
        assert_eq!(text.len(), "[4 bytes that are no text, sha256 ".len() + hash.len() + 2);
    }
}
