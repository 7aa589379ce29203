//! Writing a runbook that [`Runbook::parse`](crate::Runbook::parse) reads back as the same blocks.
//!
//! Not here: which steps of a run are worth writing down, and which cannot be run again.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::parse::title;
use crate::{Program, Work, path};

/// How many digits of base64 stand in a line, as `base64` writes them.
const BASE64_COLUMNS: usize = 76;

/// What a runbook begins with.
#[must_use]
pub fn opening(title: &str) -> String {
    format!("---\nrunbook: 1\n---\n{}", heading("#", title))
}

/// Something to run or to write; `None` if no attribute can say its path or exit code, or if it is
/// code with a carriage return or a NUL, which the format does not keep. What is run stands beneath
/// a heading, if the title is not empty.
///
/// Code gets a final newline. Files are as they are.
#[must_use]
pub fn block(title: &str, work: &Work) -> Option<String> {
    let info = info(work)?;
    Some(match work {
        Work::Run { code, .. } => heading("##", title) + &fence(&info, &plain(code)?),
        Work::File { content, .. } => match text(content) {
            Some(text) => fence(&info, text),
            None => fence(&format!("{info} encoding=base64"), &encoded(content)),
        },
    })
}

/// Something to read. It is quoted, line by line, and nothing in a quote is ever run.
#[must_use]
pub fn note(text: &str) -> String {
    let mut note = "\n".to_owned();
    for line in lines(text.trim_end()) {
        let _ = writeln!(note, ">{}{line}", if line.is_empty() { "" } else { " " });
    }
    note
}

fn heading(level: &str, text: &str) -> String {
    title(text).map(|text| format!("\n{level} {}\n", escaped(&text))).unwrap_or_default()
}

/// The fence is longer than what looks like one inside; of tildes where its own line has a backtick,
/// which ends one of backticks.
fn fence(info: &str, content: &str) -> String {
    let mark = if info.contains('`') { '~' } else { '`' };
    let marks = mark.to_string().repeat(longest_run(content, mark).max(2) + 1);
    format!("\n{marks}{info}\n{content}{marks}\n")
}

/// What stands behind the fence, if attributes can say it.
fn info(work: &Work) -> Option<String> {
    match work {
        Work::File { path, .. } => attribute("file", path),
        Work::Run { program, timeout_seconds, continue_on_error, expect_exit, cwd, .. } => {
            let mut info = word(*program).to_owned();
            if let Some(seconds) = timeout_seconds.filter(|seconds| *seconds > 0) {
                let _ = write!(info, " timeout={seconds}");
            }
            if *continue_on_error {
                info += " continue-on-error";
            }
            match u8::try_from(*expect_exit).ok()? {
                0 => {}
                exit => write!(info, " expect-exit={exit}").ok()?,
            }
            if let Some(cwd) = cwd {
                let _ = write!(info, " {}", attribute("cwd", cwd)?);
            }
            Some(info)
        }
    }
}

fn word(program: Program) -> &'static str {
    match program {
        Program::Bash => "bash",
        Program::Sh => "sh",
        Program::Python => "python",
        Program::TypeScript => "ts",
        Program::JavaScript => "js",
    }
}

/// A path in an attribute. None if it has a quotation mark, or is not as the parser leaves it.
fn attribute(name: &str, value: &str) -> Option<String> {
    if path::beneath_workspace(value).as_deref() != Some(value) || value.contains('"') {
        return None;
    }
    // Markdown undoes escapes and entities before the attributes are read.
    let escaped = value.replace('\\', "\\\\").replace('&', "\\&");
    let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
    Some(format!("{name}={quote}{escaped}{quote}"))
}

/// Text whose lines end in `\n`, the last one too; `None` if one ends otherwise.
fn plain(code: &str) -> Option<String> {
    let last = if code.is_empty() || code.ends_with('\n') { "" } else { "\n" };
    (!code.contains(['\r', '\0'])).then(|| format!("{code}{last}"))
}

/// The content of a file, if it comes back from a block as it is and people can read it.
fn text(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content).ok()?;
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let whole = text.is_empty() || text.ends_with('\n');
    (whole && !text.contains(is_odd)).then_some(text)
}

fn encoded(content: &[u8]) -> String {
    let digits = BASE64_STANDARD.encode(content);
    let mut text = String::with_capacity(digits.len() + digits.len() / BASE64_COLUMNS + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % BASE64_COLUMNS == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text + "\n"
}

/// All that ends a line for Markdown ends one here, so that every line is quoted.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn longest_run(text: &str, mark: char) -> usize {
    text.split(|c| c != mark).map(str::len).max().unwrap_or(0)
}

/// A heading's text, word for word.
fn escaped(heading: &str) -> String {
    let mut text = String::with_capacity(heading.len());
    for c in heading.chars() {
        if "\\`*_[]<&#~".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
