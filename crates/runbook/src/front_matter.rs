//! The lines between `---` and `---` at the very top. Not a YAML parser: the one key that matters
//! is `runbook`, and a line that could hold a fence is never swallowed as front matter.

use crate::{Mistake, MistakeKind, ParseError};

/// The version of the format that this crate reads.
const VERSION: &str = "1";

/// Whether a prompt says of itself that it is a runbook: its front matter has the key `runbook`.
/// Which version it asks for is the business of [`crate::Runbook::parse`].
#[must_use]
pub fn declares_runbook(markdown: &str) -> bool {
    scan(markdown).version.is_some()
}

/// Where the Markdown after the front matter begins, in bytes.
pub(crate) fn end(markdown: &str) -> Result<usize, ParseError> {
    match scan(markdown) {
        Scan { version: Some((line, found)), .. } if found != VERSION => {
            Err(ParseError::Version { line, found: found.chars().take(80).collect() })
        }
        Scan { version: Some(_), first_line: line, end: None } => {
            let kind = MistakeKind::UnclosedFrontMatter;
            Err(ParseError::Mistakes { first: vec![Mistake { line, kind }], more: 0 })
        }
        Scan { end, .. } => Ok(end.unwrap_or(bom(markdown))),
    }
}

struct Scan<'a> {
    first_line: u32,
    /// The value of the key `runbook`, and its line.
    version: Option<(u32, &'a str)>,
    /// The byte after the closing line, if there is one.
    end: Option<usize>,
}

fn scan(markdown: &str) -> Scan<'_> {
    let blank = bom(markdown) + leading_space(&markdown[bom(markdown)..]);
    let mut lines = markdown[blank..].split_inclusive('\n');
    let mut number = 1;
    number += u32::try_from(markdown[..blank].matches('\n').count()).unwrap_or(u32::MAX - 1);
    let mut scan = Scan { first_line: number, version: None, end: None };
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return scan };
    let mut offset = blank + first.len();
    for line in lines {
        offset += line.len();
        number = number.saturating_add(1);
        match line.trim_end() {
            "---" | "..." => {
                scan.end = Some(offset);
                break;
            }
            line if !is_yaml(line) => break,
            line => scan.version = scan.version.or(version(line).map(|found| (number, found))),
        }
    }
    scan
}

fn bom(markdown: &str) -> usize {
    if markdown.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}

fn leading_space(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Whether the line can stand in front matter, and surely begins no block.
fn is_yaml(line: &str) -> bool {
    let is_key = |key: &str| key.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    let fits = line.is_empty()
        || line.starts_with([' ', '\t', '#'])
        || line.starts_with("- ")
        || line.split_once(':').is_some_and(|(key, _)| is_key(key.trim_end()));
    fits && !line.contains("```") && !line.contains("~~~")
}

fn version(line: &str) -> Option<&str> {
    let value = line.strip_prefix("runbook")?.trim_start().strip_prefix(':')?;
    let value = value.split_once(" #").map_or(value, |(value, _comment)| value);
    Some(value.trim().trim_matches(['"', '\'']))
}
