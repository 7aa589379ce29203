use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::info::{Info, shorten};
use crate::markdown::{Fence, Part, parts};
use crate::{
    Block, MAX_MISTAKES, Mistake, MistakeKind, ParseError, Program, Runbook, Work, front_matter,
};

/// The most blocks a runbook may have; enough for any runbook a person writes, and it bounds the
/// events of a job.
pub const MAX_BLOCKS: usize = 1000;

impl Runbook {
    /// Reads a runbook. Only fenced blocks outside block quotes count; everything else is prose.
    ///
    /// # Errors
    /// When there is nothing to run, the front matter asks for another version, or blocks have
    /// mistakes; those are all reported at once.
    pub fn parse(markdown: &str) -> Result<Self, ParseError> {
        let mut reader = Reader::default();
        for part in parts(markdown, front_matter::end(markdown)?) {
            match part {
                Part::Heading(text) => reader.heading(&text),
                Part::Fence(fence) => reader.fence(fence),
            }
            if reader.full {
                break;
            }
        }
        reader.finish()
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    title: Option<String>,
    /// The heading above, until a step took it as its title.
    heading: Option<String>,
    blocks: Vec<Block>,
    /// The first [`MAX_MISTAKES`].
    mistakes: Vec<Mistake>,
    more_mistakes: usize,
    /// Whether there are more blocks than there may be.
    full: bool,
}

impl Reader {
    fn heading(&mut self, text: &str) {
        self.heading = title(text);
        self.title = self.title.take().or_else(|| self.heading.clone());
    }

    fn fence(&mut self, fence: Fence) {
        let line = fence.line;
        match read_block(fence) {
            Ok(None) => {}
            Ok(Some(_)) if self.blocks.len() == MAX_BLOCKS => {
                self.full = true;
                self.mistake(line, MistakeKind::TooManyBlocks);
            }
            Ok(Some(work)) => {
                let title = self.block_title(&work);
                self.blocks.push(Block { line, title, work });
            }
            Err(kind) => self.mistake(line, kind),
        }
    }

    fn mistake(&mut self, line: u32, kind: MistakeKind) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake { line, kind });
        } else {
            self.more_mistakes += 1;
        }
    }

    /// A heading names the first thing that is run beneath it.
    fn block_title(&mut self, work: &Work) -> String {
        match work {
            Work::File { path, .. } => title(path),
            Work::Run { code, .. } => self.heading.take().or_else(|| code.lines().find_map(title)),
        }
        .unwrap_or_else(|| "an empty block".to_owned())
    }

    fn finish(self) -> Result<Runbook, ParseError> {
        if !self.mistakes.is_empty() {
            return Err(ParseError::Mistakes { first: self.mistakes, more: self.more_mistakes });
        }
        if self.blocks.is_empty() {
            return Err(ParseError::Empty);
        }
        Ok(Runbook { title: self.title, blocks: self.blocks })
    }
}

/// The work a block asks for; `None` if it is only shown.
fn read_block(fence: Fence) -> Result<Option<Work>, MistakeKind> {
    let info = Info::read(&fence.info)?;
    if !fence.closed {
        return Err(MistakeKind::UnclosedFence(shorten(&fence.marks)));
    }
    if info.file.is_some() {
        return file(info, fence.content).map(Some);
    }
    match info.language.as_deref() {
        None if fence.info.is_empty() => Ok(None),
        None => Err(MistakeKind::NoLanguage),
        Some("text" | "output" | "console") => Ok(None),
        Some(word) => {
            let program = program(word);
            let program = program.ok_or_else(|| MistakeKind::UnknownLanguage(shorten(word)))?;
            run(program, info, fence.content).map(Some)
        }
    }
}

fn program(word: &str) -> Option<Program> {
    Some(match word {
        "bash" => Program::Bash,
        "sh" => Program::Sh,
        "python" | "python3" | "py" => Program::Python,
        "typescript" | "ts" => Program::TypeScript,
        "javascript" | "js" => Program::JavaScript,
        _ => return None,
    })
}

fn run(program: Program, info: Info, code: String) -> Result<Work, MistakeKind> {
    if info.base64.is_some() {
        return Err(MistakeKind::Misplaced { name: "encoding=", file: false });
    }
    Ok(Work::Run {
        program,
        code,
        timeout_seconds: info.timeout.map(u32::from),
        continue_on_error: info.continue_on_error.is_some(),
        expect_exit: info.expect_exit.unwrap_or(0).into(),
        cwd: info.cwd,
    })
}

fn file(info: Info, text: String) -> Result<Work, MistakeKind> {
    let misplaced = [
        ("timeout=", info.timeout.is_some()),
        ("continue-on-error", info.continue_on_error.is_some()),
        ("expect-exit=", info.expect_exit.is_some()),
        ("cwd=", info.cwd.is_some()),
    ];
    if let Some((name, _)) = misplaced.into_iter().find(|(_, given)| *given) {
        return Err(MistakeKind::Misplaced { name, file: true });
    }
    let content = if info.base64.is_some() { decode(&text)? } else { text.into_bytes() };
    Ok(Work::File { path: info.file.unwrap_or_default(), content })
}

fn decode(text: &str) -> Result<Vec<u8>, MistakeKind> {
    let digits: String = text.split_whitespace().collect();
    BASE64_STANDARD.decode(digits).map_err(|e| MistakeKind::BadBase64(e.to_string()))
}

/// One line for people; `None` if there is nothing to show.
pub(crate) fn title(text: &str) -> Option<String> {
    let shown = text.replace(char::is_control, " ");
    Some(shorten(shown.trim())).filter(|title| !title.is_empty())
}
