use std::ops::Range;

/// A fenced block of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// The first word after the opening fence, in lower case.
    pub(super) language: String,
    pub(super) content: &'a str,
    /// Where it stands in the text, fences included.
    pub(super) place: Range<usize>,
    /// Whether its closing fence is there.
    pub(super) is_closed: bool,
}

/// A text with more lines that are fences has no blocks. Each is looked at by every block that begins
/// before it, so time grows with the square of their number.
const MOST_FENCES: usize = 1000;

/// All fenced blocks, in their order. Code may have fences of its own: those with a language open a
/// block within the block. If that does not work out, the first bare fence ends the block.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let fences: Vec<_> = fences(text).take(MOST_FENCES + 1).collect();
    if fences.len() > MOST_FENCES {
        return vec![];
    }
    let mut blocks = vec![];
    let mut rest = fences.as_slice();
    while let [open, after @ ..] = rest {
        let end = open.end(after, true).or_else(|| open.end(after, false));
        blocks.push(block(text, open, end.map(|end| &after[end])));
        rest = end.map_or(&[], |end| &after[end + 1..]);
    }
    blocks
}

fn fences(text: &str) -> impl Iterator<Item = Fence<'_>> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        Fence::of(line, start)
    })
}

fn block<'a>(text: &'a str, open: &Fence<'_>, close: Option<&Fence<'_>>) -> Block<'a> {
    let content = &text[open.line.end..close.map_or(text.len(), |close| close.line.start)];
    let end = close.map_or(text.len(), |close| {
        close.line.start + text[close.line.clone()].trim_end_matches(['\n', '\r']).len()
    });
    Block {
        language: open.info.split_whitespace().next().unwrap_or_default().to_lowercase(),
        content: content.strip_suffix('\n').unwrap_or(content),
        place: open.line.start..end,
        is_closed: close.is_some(),
    }
}

/// Three or more of one mark, and what follows them.
struct Fence<'a> {
    marks: &'a str,
    info: &'a str,
    /// Its line in the text, with the line's end.
    line: Range<usize>,
}

impl<'a> Fence<'a> {
    fn of(whole: &'a str, start: usize) -> Option<Self> {
        let line = whole.trim();
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = line.trim_start_matches(mark);
        let marks = &line[..line.len() - info.len()];
        let is_one = marks.len() >= 3 && !info.contains(mark);
        is_one.then(|| Self { marks, info: info.trim(), line: start..start + whole.len() })
    }

    /// Which of the fences after it ends its block.
    fn end(&self, after: &[Fence<'_>], nested: bool) -> Option<usize> {
        let mut depth = 1;
        after.iter().position(|fence| {
            match fence.info {
                _ if !fence.marks.starts_with(self.marks) => {}
                "" => depth -= 1,
                _ if nested => depth += 1,
                _ => {}
            }
            depth == 0
        })
    }
}

/// Whether a text can stand in a block as it is.
pub(super) fn fits(content: &str) -> bool {
    fences(content).next().is_none() && !content.contains('\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(text: &str) -> Vec<(String, &str, bool)> {
        let all = blocks(text).into_iter();
        all.map(|block| (block.language, block.content, block.is_closed)).collect()
    }

    #[test]
    fn blocks_are_found() {
        let block = |language: &str, content, closed| (language.to_owned(), content, closed);
        assert_eq!(contents("no block"), []);
        assert_eq!(contents("a\n```Bash x\nls\n\n```\nb"), [block("bash", "ls\n", true)]);
        assert_eq!(contents("```\n```"), [block("", "", true)]);
        assert_eq!(contents("~~~sh\nls\n```\n~~~"), [block("sh", "ls\n```", true)]);
        assert_eq!(contents("```sh\r\nls\r\n```\r\n"), [block("sh", "ls\r", true)]);
        assert_eq!(contents("```sh\nls"), [block("sh", "ls", false)]);
        let two = [block("a", "1", true), block("b", "2", true)];
        assert_eq!(contents("```a\n1\n```\n\n```b\n2\n```"), two);
        let readme = "cat > R.md <<'E'\n```python\nprint()\n```\nE";
        assert_eq!(
            contents(&format!("```bash\n{readme}\n```\nDone.")),
            [block("bash", readme, true)]
        );
        let unbalanced = contents("```bash\necho '```x'\necho\n```\n");
        assert_eq!(unbalanced[0], block("bash", "echo '```x'\necho", true));
        let open = contents("```bash\n```python\nx\n```\n");
        assert_eq!(open[0], block("bash", "```python\nx", true));
    }

    proptest! {
        #[test]
        fn any_text_has_blocks(text in "[`~a\n\r €]{0,60}") {
            let mut end = 0;
            for block in blocks(&text) {
                prop_assert!(block.place.start >= end && text.get(block.place.clone()).is_some());
                end = block.place.end;
            }
        }

        #[test]
        fn what_fits_comes_back(content in "[`~a\n €]{0,40}") {
            prop_assume!(fits(&content));
            let text = format!("```bash\n{content}\n```");
            prop_assert_eq!(blocks(&text)[0].content, content);
        }
    }
}
