//! What goes to a program that a person runs in a sandbox, and what comes back: frames on one
//! connection, both ways.
//!
//! A frame is a length (4 bytes, of what follows it), a kind (1 byte) and a body; numbers are big
//! endian.
//!
//! | kind | to it | body |
//! |---|---|---|
//! | 0 | [`ToShell::Start`], the first and only by the orchestrator | [`Start`] as JSON |
//! | 1 | [`ToShell::Input`] | bytes |
//! | 2 | [`ToShell::InputEnd`] | |
//! | 3 | [`ToShell::Resize`] | rows and columns, 2 bytes each |
//! | 4 | [`ToShell::Signal`] | its number, 1 byte |
//!
//! | kind | from it | body |
//! |---|---|---|
//! | 1 | [`FromShell::Output`]; a terminal's is all in here | bytes |
//! | 2 | [`FromShell::Errors`] | bytes |
//! | 3 | [`FromShell::Exit`], the last | the exit code, 4 bytes |
//! | 4 | [`FromShell::Taken`] | how many bytes, 4 bytes |
//!
//! At most [`WINDOW_BYTES`] of input are under way: so a program that reads nothing keeps nobody from
//! interrupting it, or from leaving.
//!
//! Both sides take the other for hostile: a frame that is too large or makes no sense ends the
//! connection, and with it the program.

mod frames;

use bytes::Bytes;
pub use frames::{Incoming, send};
use serde::{Deserialize, Serialize};

/// The most bytes one frame carries.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most input that was sent and is not taken yet, in bytes.
pub const WINDOW_BYTES: usize = 256 * 1024;

/// The longest command, in bytes: as it is escaped in an address, it fits into a request's head.
pub const MAX_COMMAND_BYTES: usize = 16 * 1024;

/// The longest name of a kind of terminal.
const MAX_KIND_BYTES: usize = 64;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// A program and its arguments; a shell if there is none.
    pub command: Vec<String>,
    /// The terminal it gets; without one it has three pipes.
    pub terminal: Option<Terminal>,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// What `TERM` says.
    pub kind: String,
    /// How large it is.
    pub size: Size,
}

/// The size of a terminal, in characters; 0 where it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// How many lines.
    pub rows: u16,
    /// How many in one.
    pub cols: u16,
}

/// Why something cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStart {
    /// More than [`MAX_COMMAND_BYTES`].
    #[error("the command has more than {MAX_COMMAND_BYTES} bytes; put it into a file")]
    TooLong,
    /// It does not fit into a frame.
    #[error(
        "the command is mostly control characters, of which each takes six bytes on its way, and \
             it takes more than {MAX_BODY_BYTES}; put it into a file"
    )]
    TooWide,
    /// No program can be given one.
    #[error("the command has a NUL in it")]
    Nul,
    /// It is none that `TERM` could say.
    #[error("a kind of terminal is a word such as xterm-256color")]
    Kind,
}

impl Start {
    /// What can be run.
    ///
    /// # Errors
    /// [`InvalidStart`]
    pub fn new(command: Vec<String>, terminal: Option<Terminal>) -> Result<Self, InvalidStart> {
        let is_of_kind = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let is_kind =
            |kind: &str| (1..=MAX_KIND_BYTES).contains(&kind.len()) && kind.chars().all(is_of_kind);
        if command.iter().map(|word| word.len() + 1).sum::<usize>() > MAX_COMMAND_BYTES {
            return Err(InvalidStart::TooLong);
        }
        if command.iter().any(|word| word.contains('\0')) {
            return Err(InvalidStart::Nul);
        }
        if terminal.as_ref().is_some_and(|terminal| !is_kind(&terminal.kind)) {
            return Err(InvalidStart::Kind);
        }
        let start = Self { command, terminal };
        if start.encoded().len() > MAX_BODY_BYTES {
            return Err(InvalidStart::TooWide);
        }
        Ok(start)
    }

    fn encoded(&self) -> Vec<u8> {
        // Texts and numbers can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What goes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToShell {
    /// What it is.
    Start(Start),
    /// Something to read.
    Input(Bytes),
    /// There is no more to read.
    InputEnd,
    /// Its terminal is another size now.
    Resize(Size),
    /// It and all it started get a signal.
    Signal(Signal),
}

/// What it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// As by Ctrl-C.
    Interrupt,
    /// To end.
    Terminate,
}

/// What comes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromShell {
    /// What it wrote.
    Output(Bytes),
    /// What it complained about.
    Errors(Bytes),
    /// It ended; 128 + n after signal n.
    Exit(i32),
    /// So many bytes of input more were passed to it, or it reads none any more.
    Taken(u32),
}

/// What travels in frames.
pub trait Message: Sized {
    /// Its kind and its body.
    fn parts(&self) -> (u8, Bytes);

    /// What this is, if it is something.
    fn from_parts(kind: u8, body: Bytes) -> Option<Self>;
}

impl Message for ToShell {
    fn parts(&self) -> (u8, Bytes) {
        match self {
            Self::Start(start) => (0, start.encoded().into()),
            Self::Input(bytes) => (1, bytes.clone()),
            Self::InputEnd => (2, Bytes::new()),
            Self::Resize(Size { rows, cols }) => {
                (3, [rows.to_be_bytes(), cols.to_be_bytes()].concat().into())
            }
            Self::Signal(Signal::Interrupt) => (4, Bytes::from_static(&[2])),
            Self::Signal(Signal::Terminate) => (4, Bytes::from_static(&[15])),
        }
    }

    fn from_parts(kind: u8, body: Bytes) -> Option<Self> {
        Some(match (kind, &*body) {
            (0, start) => Self::Start(serde_json::from_slice(start).ok()?),
            (1, _) => Self::Input(body),
            (2, []) => Self::InputEnd,
            (3, &[rows, less_rows, cols, less_cols]) => Self::Resize(Size {
                rows: u16::from_be_bytes([rows, less_rows]),
                cols: u16::from_be_bytes([cols, less_cols]),
            }),
            (4, [2]) => Self::Signal(Signal::Interrupt),
            (4, [15]) => Self::Signal(Signal::Terminate),
            _ => return None,
        })
    }
}

impl Message for FromShell {
    fn parts(&self) -> (u8, Bytes) {
        match self {
            Self::Output(bytes) => (1, bytes.clone()),
            Self::Errors(bytes) => (2, bytes.clone()),
            Self::Exit(code) => (3, Bytes::copy_from_slice(&code.to_be_bytes())),
            Self::Taken(bytes) => (4, Bytes::copy_from_slice(&bytes.to_be_bytes())),
        }
    }

    fn from_parts(kind: u8, body: Bytes) -> Option<Self> {
        Some(match kind {
            1 => Self::Output(body),
            2 => Self::Errors(body),
            3 => Self::Exit(i32::from_be_bytes((*body).try_into().ok()?)),
            4 => Self::Taken(u32::from_be_bytes((*body).try_into().ok()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_said_before() {
        let terminal =
            |kind: &str| Some(Terminal { kind: kind.into(), size: Size { rows: 24, cols: 80 } });
        let of = |word: &str, terminal| Start::new(vec![word.into()], terminal).map(drop);
        of(&"x".repeat(MAX_COMMAND_BYTES - 1), terminal("xterm-256color")).unwrap();
        assert_eq!(of(&"x".repeat(MAX_COMMAND_BYTES), None), Err(InvalidStart::TooLong));
        assert_eq!(of("a\0", None), Err(InvalidStart::Nul));
        let wide = |count| of(&"\u{1}".repeat(count), None);
        assert_eq!((wide(10_900), wide(10_923)), (Ok(()), Err(InvalidStart::TooWide)));
        for kind in ["", "a b", "a\n", &"x".repeat(65)] {
            assert_eq!(of("x", terminal(kind)), Err(InvalidStart::Kind), "{kind:?}");
        }
    }
}
