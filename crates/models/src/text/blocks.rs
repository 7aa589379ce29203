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

/// All fenced blocks, in their order. Code may have fences of its own: those with a language open a
/// block within the block. If that does not work out, the first bare fence ends the block.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let lines = lines(text);
    let mut blocks = vec![];
    let mut at = 0;
    while at < lines.len() {
        let Some(fence) = Fence::of(lines[at].1) else {
            at += 1;
            continue;
        };
        let after = at + 1;
        let end = fence.end(&lines[after..], true).or_else(|| fence.end(&lines[after..], false));
        let close = end.map_or(lines.len(), |end| after + end);
        blocks.push(block(text, &lines, &fence, at..close));
        at = close + 1;
    }
    blocks
}

/// Lines without their ends, and where they begin.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let with_place = text.split_inclusive('\n').map(|line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    });
    with_place.collect()
}

/// `lines` are those of the opening fence and of the closing one, which may not be there.
fn block<'a>(
    text: &'a str,
    all: &[(usize, &'a str)],
    fence: &Fence<'_>,
    lines: Range<usize>,
) -> Block<'a> {
    let start_of = |line: usize| all.get(line).map_or(text.len(), |(start, _)| *start);
    let closing = all.get(lines.end);
    let end = closing.map_or(text.len(), |(start, line)| start + line.len());
    let content = &text[start_of(lines.start + 1)..start_of(lines.end)];
    Block {
        language: fence.info.split_whitespace().next().unwrap_or_default().to_lowercase(),
        content: content.strip_suffix('\n').unwrap_or(content),
        place: all[lines.start].0..end,
        is_closed: closing.is_some(),
    }
}

/// Three or more of one mark, and what follows them.
struct Fence<'a> {
    marks: &'a str,
    info: &'a str,
}

impl<'a> Fence<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let line = line.trim();
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = line.trim_start_matches(mark);
        let marks = &line[..line.len() - info.len()];
        (marks.len() >= 3 && !info.contains(mark)).then(|| Self { marks, info: info.trim() })
    }

    /// Which of the lines ends the block.
    fn end(&self, lines: &[(usize, &str)], nested: bool) -> Option<usize> {
        let mut depth = 1;
        lines.iter().position(|(_, line)| {
            match Fence::of(line).filter(|fence| fence.marks.starts_with(self.marks)) {
                Some(fence) if fence.info.is_empty() => depth -= 1,
                Some(_) if nested => depth += 1,
                Some(_) | None => {}
            }
            depth == 0
        })
    }
}

/// Whether a text can stand in a block as it is.
pub(super) fn fits(content: &str) -> bool {
    !content.lines().any(|line| Fence::of(line).is_some()) && !content.contains('\r')
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
