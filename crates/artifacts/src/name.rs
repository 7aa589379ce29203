//! Names in the ZIP: valid UTF-8 that no unpacker takes for anything but a relative path.

use std::fmt::Write as _;

/// The name under which a path, relative to the workspace, goes into the ZIP.
///
/// Bytes that are not UTF-8, control characters, characters that reorder text, backslashes and the
/// colon of a leading drive letter become `%XX`, and so does a `%` that would read as one of these. Replacing every `%XX` by its byte therefore gives the path back, and
/// different paths have different names.
pub(crate) fn escape(path: &[u8]) -> String {
    let mut name = String::with_capacity(path.len());
    let mut at = 0;
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unsafe(path, at, c) {
                push_escaped(&mut name, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                name.push(c);
            }
            at += c.len_utf8();
        }
        push_escaped(&mut name, chunk.invalid());
        at += chunk.invalid().len();
    }
    name
}

/// The path that has this name in the ZIP: every `%XX` becomes its byte.
pub(crate) fn unescape(name: &str) -> Vec<u8> {
    let bytes = name.as_bytes();
    let (mut path, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let code = hex.and_then(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
        match code {
            Some(code) if bytes[at] == b'%' => {
                path.push(code);
                at += 3;
            }
            _ => {
                path.push(bytes[at]);
                at += 1;
            }
        }
    }
    path
}

fn is_unsafe(path: &[u8], at: usize, c: char) -> bool {
    match c {
        '\\' => true,
        ':' => at == 1 && path[0].is_ascii_alphabetic(),
        '%' => path.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)),
        // Unicode's line and paragraph separators and its bidirectional controls, with which
        // `gpj.exe` can be shown as `exe.jpg`.
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    }
}

fn push_escaped(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(name, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay() {
        for name in ["a/b.txt", "größe/日本 🦀.md", "100%", "50%-off", "d/a:b", "-x", "~", "con"]
        {
            assert_eq!(escape(name.as_bytes()), name);
        }
    }

    #[test]
    fn unsafe_names_are_escaped() {
        for (path, name) in [
            (&b"a\nb"[..], "a%0Ab"),
            (b"..\\..\\x", "..%5C..%5Cx"),
            (b"C:/x", "C%3A/x"),
            (b"caf\xe9", "caf%E9"),
            (b"a%0Ab", "a%250Ab"),
            ("a\u{202e}b\u{85}".as_bytes(), "a%E2%80%AEb%C2%85"),
        ] {
            assert_eq!(escape(path), name);
        }
    }

    proptest! {
        #[test]
        fn escaping_is_reversible(path in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(&b"%25AaC:/\\\n"[..])], 0..24)) {
            prop_assert_eq!(unescape(&escape(&path)), path);
        }
    }
}
