//! Replacing a piece of a text, and showing what that changed. Pure.

use std::fmt::Write as _;

/// Unchanged lines shown around a change.
const AROUND: usize = 3;

/// The most lines of changes that are shown.
const MOST_LINES: usize = 80;

/// The longest line that is shown, in characters.
const LINE_CHARS: usize = 200;

/// A text changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) content: String,
    /// What changed, for the model.
    pub(super) shown: String,
}

/// Replaces `old`, which must be there once unless `all` are meant.
///
/// # Errors
/// Why not, for the model, with what helps it to do better.
pub(super) fn edit(text: &str, old: &str, new: &str, all: bool) -> Result<Edited, String> {
    // A model does not see which line ends a file has.
    if !text.contains(old) && text.contains("\r\n") && !old.contains('\r') {
        let (old, new) = (old.replace('\n', "\r\n"), new.replace('\n', "\r\n"));
        if text.contains(&old) {
            return edit(text, &old, &new, all);
        }
    }
    let at: Vec<usize> = text.match_indices(old).map(|(at, _)| at).collect();
    match at.len() {
        0 => Err(missing(text, old)),
        2.. if !all => Err(ambiguous(text, &at)),
        _ => {
            let content = text.replace(old, new);
            Ok(Edited { content, shown: shown(text, &at, old, new) })
        }
    }
}

fn ambiguous(text: &str, at: &[usize]) -> String {
    let lines: Vec<String> = at.iter().take(10).map(|at| line_of(text, *at).to_string()).collect();
    let more = if at.len() > 10 { ", …" } else { "" };
    format!(
        "`old` is there {} times, at lines {}{more}; take more lines around the one you mean, or \
         set `all`",
        at.len(),
        lines.join(", ")
    )
}

fn missing(text: &str, old: &str) -> String {
    if let Some((line, found)) = similar(text, old) {
        return format!(
            "`old` is not there exactly; from line {line} it differs in white space only. There it \
             is:\n{found}"
        );
    }
    let numbered = old.lines().all(|line| {
        let line = line.trim_start();
        line.starts_with(|first: char| first.is_ascii_digit()) && line.contains('\t')
    });
    let hint = if numbered { "leave the line numbers out" } else { "read the file first" };
    format!("`old` is not in the file; {hint}")
}

/// The only place that has the same lines but for white space around them.
fn similar(text: &str, old: &str) -> Option<(usize, String)> {
    let wanted: Vec<&str> = old.trim().lines().map(str::trim).collect();
    let lines: Vec<&str> = text.lines().collect();
    if wanted.is_empty() || wanted.len() > lines.len() {
        return None;
    }
    let same = |window: &[&str]| window.iter().map(|line| line.trim()).eq(wanted.iter().copied());
    let mut found = lines.windows(wanted.len()).enumerate().filter(|(_, window)| same(window));
    let (index, window) = found.next()?;
    let shown = window.iter().take(MOST_LINES).map(|line| cut(line)).collect::<Vec<_>>().join("\n");
    found.next().is_none().then_some((index + 1, shown))
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The changed lines between their neighbours, like a unified diff.
fn shown(text: &str, at: &[usize], old: &str, new: &str) -> String {
    let mut diff = String::new();
    for (done, here) in at.iter().enumerate() {
        if diff.lines().count() >= MOST_LINES {
            let _ = write!(diff, "[… and {} more of the same]", at.len() - done);
            break;
        }
        hunk(&mut diff, text, *here, old, new);
    }
    diff
}

fn hunk(diff: &mut String, text: &str, at: usize, old: &str, new: &str) {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let past = at + old.len();
    // Where `old` ends with its line's end, the next line is unchanged.
    let complete = old.ends_with('\n');
    let end = match text[past..].find('\n') {
        _ if complete => past,
        Some(newline) => past + newline + 1,
        None => text.len(),
    };
    let changed = format!("{}{new}{}", &text[start..at], &text[past..end]);
    let _ = writeln!(diff, "@@ line {} @@", line_of(text, start));
    let before: Vec<&str> = text[..start].lines().rev().take(AROUND).collect();
    lines(diff, ' ', before.into_iter().rev());
    lines(diff, '-', text[start..end].lines());
    lines(diff, '+', changed.lines());
    lines(diff, ' ', text[end..].lines().take(AROUND));
}

fn lines<'a>(diff: &mut String, mark: char, lines: impl Iterator<Item = &'a str>) {
    for (count, line) in lines.enumerate() {
        if count == MOST_LINES {
            diff.push_str("[…]\n");
            break;
        }
        let _ = writeln!(diff, "{mark}{}", cut(line));
    }
}

fn cut(line: &str) -> &str {
    line.char_indices().nth(LINE_CHARS).map_or(line, |(end, _)| &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replaces_the_only_one_and_shows_it() {
        let text = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let edited = edit(text, "five", "5\n5.5", false).unwrap();
        assert_eq!(edited.content, "1\n2\n3\n4\n5\n5.5\n6\n7\n8\n9\n");
        assert_eq!(edited.shown, "@@ line 5 @@\n 2\n 3\n 4\n-five\n+5\n+5.5\n 6\n 7\n 8\n");
        let edited = edit("a\nb\nc\n", "b\n", "", false).unwrap();
        assert_eq!((&*edited.content, &*edited.shown), ("a\nc\n", "@@ line 2 @@\n a\n-b\n c\n"));
    }

    #[test]
    fn many_need_to_be_meant() {
        let error = edit("a\nb\na\n", "a", "x", false).unwrap_err();
        assert!(error.contains("2 times, at lines 1, 3;"), "{error}");
        assert_eq!(edit("a\nb\na\n", "a", "x", true).unwrap().content, "x\nb\nx\n");
        let many = edit(&"a\n".repeat(1000), "a", "b", true).unwrap();
        assert!(many.shown.lines().count() < 100 && many.shown.contains("more of the same"));
    }

    #[test]
    fn what_is_not_there_is_helped_with() {
        let error = edit("if x:\n    y()\n", "if x:\n  y()\n", "z", false).unwrap_err();
        assert!(error.contains("from line 1 it differs in white space only"), "{error}");
        assert!(error.ends_with("if x:\n    y()"), "{error}");
        let error = edit("text\n", "     1\ttext", "z", false).unwrap_err();
        assert!(error.contains("line numbers"), "{error}");
        assert!(edit("a", "b", "c", false).unwrap_err().contains("read the file"));
    }

    #[test]
    fn line_ends_are_the_files_own() {
        let edited = edit("a\r\nb\r\nc\r\n", "a\nb", "x\ny", false).unwrap();
        assert_eq!(edited.content, "x\r\ny\r\nc\r\n");
    }

    proptest! {
        #[test]
        fn never_fails_in_another_way(
            text in "[ab €\\r\\n]{0,60}", old in "[ab €\\n]{1,4}", new in "[ab\\n]{0,4}", all in any::<bool>(),
        ) {
            if let Ok(edited) = edit(&text, &old, &new, all) {
                prop_assert!(edited.shown.len() < 64 * 1024);
            }
        }
    }
}
