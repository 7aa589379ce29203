use std::fmt;

use crate::MAX_BLOCKS;

/// How many mistakes are worth reading at one time; further ones are only counted.
pub const MAX_MISTAKES: usize = 20;

/// Why a text cannot be run as a runbook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It has no block that could be run or written.
    #[error(
        "there is nothing to run: put the commands into a fenced block that begins with ```bash, \
         ```python or ```ts and ends with ```"
    )]
    Empty,
    /// Its front matter asks for a version of the format that this program does not know.
    #[error(
        "line {line}: version {found:?} of the runbook format is not known; write `runbook: 1`"
    )]
    Version {
        /// Line of the `runbook:` key, from 1.
        line: u32,
        /// What it says.
        found: String,
    },
    /// Some of its blocks are not as they should be.
    #[error("{}", listed(.first, *.more))]
    Mistakes {
        /// The first of them, at least one and at most [`MAX_MISTAKES`], in the order of their
        /// lines; at most one per block.
        first: Vec<Mistake>,
        /// How many more there are.
        more: usize,
    },
}

/// Something to be put right in a runbook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Mistake {
    /// Where, from 1.
    pub line: u32,
    /// What.
    pub kind: MistakeKind,
}

/// What can be wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MistakeKind {
    /// The front matter has no end.
    #[error("the front matter has no end: put `---` on a line of its own after `runbook: 1`")]
    UnclosedFrontMatter,
    /// The block has no closing fence.
    #[error("the block has no end: close it with {0} on a line of its own")]
    UnclosedFence(
        /// The fence that would close it; cut if it is long.
        String,
    ),
    /// No program for this language.
    #[error(
        "no program for the language {0:?}: use bash, sh, python, ts or js; or text for a block \
         that is only shown, or file=PATH for one that becomes a file"
    )]
    UnknownLanguage(
        /// The word that was given.
        String,
    ),
    /// Attributes, but neither a language nor `file=`.
    #[error(
        "the block has attributes but no language: begin with bash, sh, python, ts or js, or \
         say file=PATH"
    )]
    NoLanguage,
    /// No such attribute.
    #[error(
        "there is no attribute {0:?}: use timeout=, continue-on-error, expect-exit=, cwd=, \
         file= or encoding=, with white space between them"
    )]
    UnknownAttribute(
        /// The name that was given.
        String,
    ),
    /// An attribute that this kind of block cannot have.
    #[error("{name} is only for blocks that are {}: remove it", if *.file { "run" } else { "files (file=PATH)" })]
    Misplaced {
        /// The attribute.
        name: &'static str,
        /// Whether it was found on a block that becomes a file.
        file: bool,
    },
    /// The same attribute twice.
    #[error("{0} is given twice: keep one of them")]
    Repeated(
        /// The attribute.
        &'static str,
    ),
    /// A quoted value without end, or with something glued to it.
    #[error("a quoted value must look like name=\"some value\", with white space after it")]
    BadQuotes,
    /// A value that the attribute cannot have.
    #[error("{name}={value:?} cannot be: {expected}")]
    BadValue {
        /// The attribute.
        name: &'static str,
        /// What was given; cut if it is long.
        value: String,
        /// What is possible instead.
        expected: &'static str,
    },
    /// `encoding=base64`, but the content is something else.
    #[error("the block's content is not base64: {0}; encode the file with `base64 FILE`")]
    BadBase64(
        /// What the decoder said.
        String,
    ),
    /// More blocks than one job may have.
    #[error("a runbook may have at most {MAX_BLOCKS} blocks: split it into several jobs")]
    TooManyBlocks,
}

fn listed(first: &[Mistake], more: usize) -> impl fmt::Display {
    let mut lines: Vec<_> = first.iter().map(ToString::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more mistakes"));
    }
    lines.join("\n")
}
