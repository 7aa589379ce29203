//! The text behind an opening fence: a language, then attributes.

use std::num::NonZeroU32;

use crate::{MistakeKind, path};

/// What an info string says, each value checked, but not yet whether they fit together.
#[derive(Debug, Default)]
pub(crate) struct Info {
    /// The first word, unless that is an attribute.
    pub(crate) language: Option<String>,
    /// `timeout=`, in seconds.
    pub(crate) timeout: Option<NonZeroU32>,
    /// `continue-on-error`
    pub(crate) continue_on_error: Option<()>,
    /// `expect-exit=`
    pub(crate) expect_exit: Option<u8>,
    /// `cwd=`
    pub(crate) cwd: Option<String>,
    /// `file=`
    pub(crate) file: Option<String>,
    /// `encoding=base64`
    pub(crate) base64: Option<()>,
}

impl Info {
    /// Reads an info string.
    pub(crate) fn read(text: &str) -> Result<Self, MistakeKind> {
        let mut info = Self::default();
        let mut rest = text.trim();
        let first = rest.split_whitespace().next().unwrap_or_default();
        if !first.is_empty() && !first.contains('=') {
            info.language = Some(first.to_ascii_lowercase());
            rest = &rest[first.len()..];
        }
        while let Some((attribute, after)) = next_attribute(rest)? {
            info.take(&attribute)?;
            rest = after;
        }
        Ok(info)
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), MistakeKind> {
        match attribute.name {
            "timeout" => set(&mut self.timeout, "timeout", timeout(attribute)),
            "continue-on-error" => {
                set(&mut self.continue_on_error, "continue-on-error", flag(attribute))
            }
            "expect-exit" => set(&mut self.expect_exit, "expect-exit", exit_code(attribute)),
            "cwd" => set(&mut self.cwd, "cwd", directory(attribute)),
            "file" => set(&mut self.file, "file", file(attribute)),
            "encoding" => set(&mut self.base64, "encoding", encoding(attribute)),
            name => Err(MistakeKind::UnknownAttribute(shorten(name))),
        }
    }
}

/// `name`, `name=value` or `name="some value"`.
struct Attribute<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl Attribute<'_> {
    fn bad(&self, name: &'static str, expected: &'static str) -> MistakeKind {
        MistakeKind::BadValue { name, value: shorten(self.value.unwrap_or_default()), expected }
    }
}

/// The first attribute of `text`, and what is behind it.
fn next_attribute(text: &str) -> Result<Option<(Attribute<'_>, &str)>, MistakeKind> {
    let text = text.trim_start();
    let word = text.find(char::is_whitespace).unwrap_or(text.len());
    if word == 0 {
        return Ok(None);
    }
    let Some((name, value)) = text[..word].split_once('=') else {
        return Ok(Some((Attribute { name: &text[..word], value: None }, &text[word..])));
    };
    if !value.contains('"') {
        return Ok(Some((Attribute { name, value: Some(value) }, &text[word..])));
    }
    let quoted = text[name.len() + 1..].strip_prefix('"').ok_or(MistakeKind::BadQuotes)?;
    match quoted.split_once('"') {
        Some((value, rest)) if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
            Ok(Some((Attribute { name, value: Some(value) }, rest)))
        }
        _ => Err(MistakeKind::BadQuotes),
    }
}

fn set<T>(
    field: &mut Option<T>,
    name: &'static str,
    value: Result<T, MistakeKind>,
) -> Result<(), MistakeKind> {
    match field.replace(value?) {
        None => Ok(()),
        Some(_) => Err(MistakeKind::Repeated(name)),
    }
}

fn flag(attribute: &Attribute<'_>) -> Result<(), MistakeKind> {
    match attribute.value {
        None => Ok(()),
        Some(_) => Err(attribute.bad("continue-on-error", "it takes no value, remove the `=`")),
    }
}

fn timeout(attribute: &Attribute<'_>) -> Result<NonZeroU32, MistakeKind> {
    attribute
        .value
        .and_then(seconds)
        .ok_or_else(|| attribute.bad("timeout", "use a time such as 30, 30s, 5m or 1h"))
}

fn seconds(text: &str) -> Option<NonZeroU32> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    NonZeroU32::new(digits.parse::<u32>().ok()?.checked_mul(unit)?)
}

fn exit_code(attribute: &Attribute<'_>) -> Result<u8, MistakeKind> {
    attribute
        .value
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| attribute.bad("expect-exit", "use a number from 0 to 255"))
}

fn directory(attribute: &Attribute<'_>) -> Result<String, MistakeKind> {
    attribute
        .value
        .and_then(path::beneath_workspace)
        .ok_or_else(|| attribute.bad("cwd", path::EXPECTED))
}

fn file(attribute: &Attribute<'_>) -> Result<String, MistakeKind> {
    attribute
        .value
        .filter(|value| !value.ends_with('/'))
        .and_then(path::beneath_workspace)
        .ok_or_else(|| attribute.bad("file", path::EXPECTED))
}

fn encoding(attribute: &Attribute<'_>) -> Result<(), MistakeKind> {
    match attribute.value {
        Some("base64") => Ok(()),
        _ => Err(attribute.bad("encoding", "use encoding=base64, or nothing for text")),
    }
}

/// What was written, short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}
