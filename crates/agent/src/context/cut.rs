//! Making what is shown shorter: by its size as JSON, which is what is sent, and never within a
//! character.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

/// Below this, what is cut out is not even mentioned.
const ROOM_TO_MENTION: usize = 160;

/// Bytes of something as JSON.
pub(super) fn json_size(value: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail, and what we serialise has only strings as keys.
    drop(serde_json::to_writer(&mut counter, value));
    counter.0
}

/// Whether something takes so many bytes as JSON, at most; looks no further than those.
fn fits(value: &impl Serialize, most: usize) -> bool {
    serde_json::to_writer(Bounded(most), value).is_ok()
}

/// Bytes of a text within a JSON string.
pub(super) fn text_size(text: &str) -> usize {
    // A plain loop: this is what most of the time goes to.
    let mut size = 0;
    for byte in text.as_bytes() {
        size += SIZES[usize::from(*byte)];
    }
    size
}

/// The text, or its head and tail with a word between them, in at most `most` bytes of JSON. `how`
/// says how to see the rest.
pub(super) fn cut<'t>(text: &'t str, most: usize, how: &str) -> Cow<'t, str> {
    if text.len() <= most && text_size(text) <= most {
        return Cow::Borrowed(text);
    }
    let how = if how.is_empty() { String::new() } else { format!("; {how}") };
    // The largest number there is, so that the real one fits.
    let marker = 2 * "\n".len() + "[… 18446744073709551615 bytes left out …]".len() + 4;
    let marker = marker + text_size(&how);
    if most < ROOM_TO_MENTION.max(2 * marker) {
        return Cow::Borrowed(head(text, most));
    }
    let half = (most - marker) / 2;
    let (start, end) = (head(text, half), tail(text, half));
    let gone = text.len() - start.len() - end.len();
    Cow::Owned(format!("{start}\n[… {gone} bytes left out{how} …]\n{end}"))
}

/// As much of a text's beginning as `most` bytes of JSON hold.
pub(super) fn head(text: &str, most: usize) -> &str {
    let mut left = most;
    for (at, c) in text.char_indices() {
        match left.checked_sub(char_size(c)) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

fn tail(text: &str, most: usize) -> &str {
    let mut left = most;
    for (at, c) in text.char_indices().rev() {
        match left.checked_sub(char_size(c)) {
            Some(rest) => left = rest,
            None => return &text[at + c.len_utf8()..],
        }
    }
    text
}

/// The first line that says something, in at most `most` bytes of JSON.
pub(super) fn first_line(text: &str, most: usize) -> &str {
    head(text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default(), most)
}

/// As [`first_line`], and the one after it: what a program ended with stands before what it said.
pub(super) fn first_lines(text: &str, most: usize) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = head(lines.next().unwrap_or_default(), most);
    let left = most.saturating_sub(text_size(first) + ": ".len());
    match lines.next().map(|line| head(line, left)) {
        Some(second) if !second.is_empty() => format!("{first}: {second}"),
        _ => first.into(),
    }
}

/// A call's arguments in at most `most` bytes of JSON: their long texts are cut, or all is one.
pub(super) fn cut_arguments(arguments: Value, most: usize, how: &str) -> Value {
    if fits(&arguments, most) {
        return arguments;
    }
    let mut cap = most / 2;
    while cap >= 20 {
        let shorter = with_texts_cut(&arguments, cap, how);
        if fits(&shorter, most) {
            return shorter;
        }
        cap /= 2;
    }
    let frame = r#"{"left_out":""}"#.len();
    json!({ "left_out": cut(&arguments.to_string(), most.saturating_sub(frame), how) })
}

fn with_texts_cut(value: &Value, most: usize, how: &str) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text, most, how).into_owned()),
        Value::Array(all) => all.iter().map(|v| with_texts_cut(v, most, how)).collect(),
        Value::Object(all) => {
            all.iter().map(|(k, v)| (k.clone(), with_texts_cut(v, most, how))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn char_size(c: char) -> usize {
    if c.is_ascii() { SIZES[c as usize] } else { c.len_utf8() }
}

/// Bytes of each byte, as `serde_json` writes it.
static SIZES: [usize; 256] = {
    let mut sizes = [1; 256];
    let mut byte = 0;
    while byte < 0x20 {
        sizes[byte] = 6;
        byte += 1;
    }
    let short = *b"\"\\\n\r\t\x08\x0c";
    let mut at = 0;
    while at < short.len() {
        sizes[short[at] as usize] = 2;
        at += 1;
    }
    sizes
};

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes so many bytes.
struct Bounded(usize);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cut_text_has_the_size_it_may_have(text in "(\\PC|[\u{0}-\u{1f}]|\"){0,600}", most in 0usize..800) {
            prop_assert_eq!(json_size(&text), text_size(&text) + 2);
            let short = cut(&text, most, "look there");
            prop_assert!(text_size(&short) <= most);
            prop_assert_eq!(text_size(&text) <= most, short == text);
        }

        #[test]
        fn cut_arguments_have_the_size_they_may_have(
            texts in prop::collection::vec("\\PC{0,300}", 0..8),
            most in 100usize..2000,
        ) {
            let value = json!({ "list": texts, "n": 1 });
            let short = cut_arguments(value, most, "");
            prop_assert!(short.is_object());
            prop_assert!(json_size(&short) <= most);
        }
    }

    #[test]
    fn head_and_tail_stay() {
        let text = format!("begin{}end", "x".repeat(1000));
        let short = cut(&text, 200, "");
        assert!(short.starts_with("begin") && short.ends_with("end"), "{short}");
        assert!(short.contains("bytes left out"), "{short}");
    }
}
