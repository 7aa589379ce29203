//! How somebody gets away from a terminal that answers no more: `~.` at the beginning of a line, as
//! ssh has it. Pure.

/// What was typed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escape {
    /// Nothing of this line.
    #[default]
    LineStart,
    /// The `~` that begins it, which is held back.
    Tilde,
    /// Something else.
    Within,
}

impl Escape {
    /// What goes on of what was typed; whether they want to get away after it.
    pub(super) fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len() + 1);
        for &byte in typed {
            match (*self, byte) {
                (Self::Tilde, b'.') => return (passed, true),
                (Self::LineStart, b'~') => {
                    *self = Self::Tilde;
                    continue;
                }
                // Twice is meant once.
                (Self::Tilde, b'~') => {}
                (Self::Tilde, _) => passed.push(b'~'),
                _ => {}
            }
            passed.push(byte);
            *self = if matches!(byte, b'\r' | b'\n') { Self::LineStart } else { Self::Within };
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pieces: &[&str]) -> (String, bool) {
        let (mut escape, mut all) = (Escape::default(), vec![]);
        for piece in pieces {
            let (passed, leaves) = escape.pass(piece.as_bytes());
            all.extend(passed);
            if leaves {
                return (String::from_utf8(all).unwrap(), true);
            }
        }
        (String::from_utf8(all).unwrap(), false)
    }

    #[test]
    fn only_a_line_that_begins_with_it_leads_away() {
        for (pieces, passed, leaves) in [
            (&["ls\r~.more"][..], "ls\r", true),
            (&["~", "."], "", true),
            (&["ls\r", "~", ".", "x"], "ls\r", true),
            (&["cat ~.\r"], "cat ~.\r", false),
            (&["~~.\r"], "~.\r", false),
            (&["~/bin/x\r", "~a\r"], "~/bin/x\r~a\r", false),
            (&["a~\r~"], "a~\r", false),
            (&["~\r~."], "~\r", true),
        ] {
            assert_eq!(typed(pieces), (passed.into(), leaves), "{pieces:?}");
        }
    }
}
