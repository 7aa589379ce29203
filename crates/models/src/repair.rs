//! JSON as models write it: trailing commas, single quotes, bare keys, Python's words, comments, raw
//! line breaks in strings. What is cut off or ambiguous is not guessed at: half a command is no
//! command.

use std::fmt;

use serde_json::{Map, Number, Value};

/// How deep values may be nested: half of what `serde_json` reads, since answers are sent within other
/// values.
const DEEPEST: usize = 64;

/// What is wrong with a text that should be JSON, and where: lines and columns count from 1, columns
/// in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// The whole text as one value. Valid JSON is read as what it says.
pub(crate) fn json(text: &str) -> Result<Value, Complaint> {
    if let Some(value) = serde_json::from_str(text).ok().filter(|value| !is_too_deep(value)) {
        return Ok(value);
    }
    let mut reader = Lenient { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(c) => Err(reader.complain(format!("nothing may follow the value, found {c:?}"))),
    }
}

/// The value that a text begins with, and how many bytes were read of it.
pub(crate) fn prefix(text: &str) -> (Result<Value, Complaint>, usize) {
    let mut reader = Lenient { text, at: 0 };
    (reader.value(0), reader.at)
}

/// Whether a value is nested deeper than a call's arguments may be.
pub(crate) fn is_too_deep(value: &Value) -> bool {
    fn is_deeper(value: &Value, than: usize) -> bool {
        let is_deep = |inner: &Value| than == 0 || is_deeper(inner, than - 1);
        match value {
            Value::Array(items) => items.iter().any(is_deep),
            Value::Object(map) => map.values().any(is_deep),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    is_deeper(value, DEEPEST)
}

struct Lenient<'a> {
    text: &'a str,
    /// In bytes, always between two characters.
    at: usize,
}

impl<'a> Lenient<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Complaint> {
        self.space();
        match self.peek() {
            _ if depth > DEEPEST => Err(self.complain(format!("deeper than {DEEPEST} levels"))),
            None => Err(self.cut("a value")),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some(quote @ ('"' | '\'')) => self.string(quote).map(Value::String),
            Some(_) => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Complaint> {
        let mut map = Map::new();
        self.skip();
        loop {
            self.space();
            if self.take('}') {
                return Ok(Value::Object(map));
            }
            let key = self.key()?;
            self.space();
            self.expect(':', "after the key")?;
            map.insert(key, self.value(depth + 1)?);
            self.comma('}')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Complaint> {
        let mut items = vec![];
        self.skip();
        loop {
            self.space();
            if self.take(']') {
                return Ok(Value::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.comma(']')?;
        }
    }

    /// Between two entries, or after the last one.
    fn comma(&mut self, close: char) -> Result<(), Complaint> {
        self.space();
        match self.peek() {
            Some(c) if c == close => Ok(()),
            Some(_) => self.expect(',', &format!("or `{close}` after the value")),
            None => Err(self.cut(&format!("`,` or `{close}`"))),
        }
    }

    fn key(&mut self) -> Result<String, Complaint> {
        match self.peek() {
            None => Err(self.cut("a key or `}`")),
            Some(quote @ ('"' | '\'')) => self.string(quote),
            Some(_) => match self.run(is_wordy) {
                "" => Err(self.unexpected("a key in double quotes")),
                word => Ok(word.to_owned()),
            },
        }
    }

    fn string(&mut self, quote: char) -> Result<String, Complaint> {
        let start = self.at;
        let mut text = String::new();
        self.skip();
        loop {
            match self.next() {
                None => {
                    let what = "this string never ends; the text is cut off".into();
                    return Err(self.complain_at(start, what));
                }
                Some(c) if c == quote => return Ok(text),
                Some('\\') => self.escape(&mut text)?,
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Complaint> {
        match self.next() {
            None => return Err(self.cut("the rest of the escape")),
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(self.unicode()?),
            Some(c @ ('"' | '\'' | '\\' | '/')) => text.push(c),
            // `\$`, `\d`, `\(`: meant for a shell or a regular expression.
            Some(c) => text.extend(['\\', c]),
        }
        Ok(())
    }

    fn unicode(&mut self) -> Result<char, Complaint> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) || !self.rest().starts_with("\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let lone = self.at;
        self.at += 2;
        let low = self.hex()?;
        if !(0xdc00..0xe000).contains(&low) {
            self.at = lone;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let both = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        Ok(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, Complaint> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            None => Err(self.unexpected("four hexadecimal digits after `\\u`")),
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
        }
    }

    fn word(&mut self) -> Result<Value, Complaint> {
        let start = self.at;
        let word = self.run(is_wordy);
        match word {
            "true" | "True" => Ok(Value::Bool(true)),
            "false" | "False" => Ok(Value::Bool(false)),
            "null" | "None" | "undefined" => Ok(Value::Null),
            _ => number(word).ok_or_else(|| {
                self.at = start;
                self.unexpected("a value")
            }),
        }
    }

    fn space(&mut self) {
        loop {
            self.run(char::is_whitespace);
            let rest = self.rest();
            if rest.starts_with("//") || rest.starts_with('#') {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            } else {
                return;
            }
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip(&mut self) {
        self.next();
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.skip();
        }
        is_there
    }

    fn expect(&mut self, wanted: char, place: &str) -> Result<(), Complaint> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{wanted}` {place}")))
        }
    }

    fn unexpected(&self, wanted: &str) -> Complaint {
        match self.peek() {
            None => self.cut(wanted),
            Some(found) => self.complain(format!("expected {wanted}, found {found:?}")),
        }
    }

    fn cut(&self, wanted: &str) -> Complaint {
        self.complain(format!("the text ends here, expected {wanted}"))
    }

    fn complain(&self, what: String) -> Complaint {
        self.complain_at(self.at, what)
    }

    fn complain_at(&self, at: usize, what: String) -> Complaint {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Complaint {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what,
        }
    }
}

fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '$')
}

/// JSON's numbers, and those that begin with `+` or a point.
fn number(word: &str) -> Option<Value> {
    let plain = word.strip_prefix('+').unwrap_or(word);
    let whole = plain.strip_prefix('.').map(|fraction| format!("0.{fraction}"));
    let number: Number = whole.as_deref().unwrap_or(plain).parse().ok()?;
    Some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_models_write() {
        let same = |text: &str, value: Value| assert_eq!(json(text), Ok(value), "{text}");
        same(r#"{"a": [1, 2,], }"#, json!({"a": [1, 2]}));
        same("{'a': 'it\\'s \"x\"'}", json!({"a": "it's \"x\""}));
        same("{a: True, b: None, c_d: false}", json!({"a": true, "b": null, "c_d": false}));
        same("{\"cmd\": \"line 1\nline 2\ttab\"}", json!({"cmd": "line 1\nline 2\ttab"}));
        same(r#"{"re": "\d+\.\$x"}"#, json!({"re": r"\d+\.\$x"}));
        same("{\"a\": 1, // why\n \"b\": 2 /* so */}", json!({"a": 1, "b": 2}));
        same("[+1, .5, -2e3]", json!([1, 0.5, -2e3]));
        same(r#"{"s": "\ud83d\ude00 \ud83d x ü \u00e4",}"#, json!({"s": "😀 \u{fffd} x ü ä"}));
        same("'str'", json!("str"));
    }

    #[test]
    fn complaints_say_where_and_what() {
        let complaint = |text: &str| json(text).unwrap_err().to_string();
        let cut = "line 2, column 7: this string never ends; the text is cut off";
        assert_eq!(complaint("{\"a\": 1,\n\"cmd\":\"ls"), cut);
        assert_eq!(
            complaint(r#"{"a": 1 "b": 2}"#),
            "line 1, column 9: expected `,` or `}` after the value, found '\"'"
        );
        assert_eq!(
            complaint(r#"{"a": 1"#),
            "line 1, column 8: the text ends here, expected `,` or `}`"
        );
        assert_eq!(complaint("{\"a\"}"), "line 1, column 5: expected `:` after the key, found '}'");
        assert_eq!(complaint("{ä ö"), "line 1, column 4: expected `:` after the key, found 'ö'");
        assert_eq!(complaint(""), "line 1, column 1: the text ends here, expected a value");
        assert_eq!(complaint("hello"), "line 1, column 1: expected a value, found 'h'");
        assert_eq!(complaint("{} {}"), "line 1, column 4: nothing may follow the value, found '{'");
        assert!(complaint(&"[".repeat(100_000)).contains("deeper than 64 levels"));
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(json(&nested(65)).is_ok());
        let too_deep = complaint(&nested(66));
        assert!(too_deep.contains("deeper than 64 levels"), "{too_deep}");
    }

    #[test]
    fn a_prefix_ends_where_the_value_ends() {
        let text = r#"{"a": [1,]} and more {"#;
        assert_eq!(prefix(text), (Ok(json!({"a": [1]})), 11));
        assert_eq!(prefix("{'a': \"endless").1, 14);
        assert_eq!(&text[11..], " and more {");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn valid_json_stays_what_it_is(value in values()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let exact: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(json(&text), Ok(exact.clone()));
                prop_assert_eq!(prefix(&text), (Ok(exact), text.len()));
            }
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[\\[\\]{}:,'\"\\\\ua0-9 .#/*\n€-]{0,80}") {
            let _ = json(&text);
        }

        #[test]
        fn a_cut_is_noticed(value in values(), cut in any::<prop::sample::Index>()) {
            let text = json!({ "v": value }).to_string();
            let at = cut.index(text.len());
            if text.is_char_boundary(at) {
                prop_assert!(json(&text[..at]).is_err());
            }
        }
    }
}
