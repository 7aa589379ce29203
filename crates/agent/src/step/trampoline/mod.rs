//! What agentd does between being started again as the command user and becoming a command, and
//! what it does for commands. It runs with the command's own rights and holds no secrets.

mod connect;
mod deliver;
mod exec;
mod keep;
mod open;
mod put;

pub use exec::Start;
pub use keep::Rest;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Exit code where a command was found but could not be started, as shells have it.
const CANNOT_START: u8 = 126;

/// Exit code where a command was not found, as shells have it.
const NOT_FOUND: u8 = 127;

/// A trampoline's call.
#[derive(Debug)]
pub enum Call {
    /// `agentd exec DIR INSTEAD PATH PROGRAM [ARGUMENTS…]`: make the directory if it is missing, go
    /// there and become the program.
    Exec(Start),
    /// `agentd keep …` and `agentd shell …`, with the arguments of `exec`: have that done by another
    /// process and stay as its parent, and as that of whoever it leaves behind, until all of them are
    /// gone. Those whom a shell leaves behind are killed.
    Keep(Vec<OsString>, Rest),
    /// `agentd connect HOST PORT`: standard input and output are a connection to a host.
    Connect {
        /// Its name or address.
        host: String,
        /// Its port.
        port: String,
    },
    /// `agentd screen`: do what comes on standard input with the display that `DISPLAY` names.
    Screen,
    /// `agentd put ROOT PATH`: write standard input to a file beneath the root.
    Put {
        /// The directory that is not left.
        root: PathBuf,
        /// The file, relative to it.
        path: PathBuf,
    },
    /// `agentd replace ROOT PATH`: the same, in one go, in place of whatever is there.
    Replace {
        /// The directory that is not left.
        root: PathBuf,
        /// The file, relative to it.
        path: PathBuf,
    },
    /// `agentd open HOW ROOT PATH`: open a file and send it through standard input, a socket.
    Open {
        /// To read, or to append to it beneath the root.
        how: String,
        /// The directory that is not left where something could be made.
        root: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// `agentd deliver CACHES ROOT PATH`: say on standard input, a file, what packing would make of
    /// this file or directory; it fails if that is nothing.
    Deliver {
        /// Whether caches are packed too: `yes` or `no`.
        caches: bool,
        /// The directory that is packed.
        root: PathBuf,
        /// What is looked for, relative to it.
        path: PathBuf,
    },
}

impl Call {
    /// Reads agentd's arguments; `None` if they are no trampoline's.
    #[must_use]
    pub fn parse(arguments: &[OsString]) -> Option<Self> {
        match arguments {
            [name, dir, instead, path, program, arguments @ ..] if name == "exec" => {
                Some(Self::Exec(Start {
                    dir: dir.into(),
                    instead: instead.into(),
                    path: path.clone(),
                    program: program.clone(),
                    arguments: arguments.to_vec(),
                }))
            }
            [name, start @ ..] if name == "keep" => Some(Self::Keep(start.to_vec(), Rest::Stays)),
            [name, start @ ..] if name == "shell" => Some(Self::Keep(start.to_vec(), Rest::Goes)),
            [name, host, port] if name == "connect" => Some(Self::Connect {
                host: host.to_string_lossy().into_owned(),
                port: port.to_string_lossy().into_owned(),
            }),
            [name] if name == "screen" => Some(Self::Screen),
            [name, root, path] if name == "put" => {
                Some(Self::Put { root: root.into(), path: path.into() })
            }
            [name, root, path] if name == "replace" => {
                Some(Self::Replace { root: root.into(), path: path.into() })
            }
            [name, how, root, path] if name == "open" => Some(Self::Open {
                how: how.to_string_lossy().into_owned(),
                root: root.into(),
                path: path.into(),
            }),
            [name, caches, root, path] if name == "deliver" => Some(Self::Deliver {
                caches: caches == "yes",
                root: root.into(),
                path: path.into(),
            }),
            _ => None,
        }
    }

    /// Does it; the exit code. Returns only if there is no program to become; the error is for
    /// the step's standard error.
    ///
    /// # Errors
    /// The text and the exit code.
    pub fn run(self) -> Result<u8, (String, u8)> {
        let done = match self {
            Self::Exec(start) => return Err(not_started(&start.become_program())),
            Self::Keep(start, rest) => {
                return keep::keep(&start, rest).map_err(|error| not_started(&error));
            }
            Self::Connect { host, port } => {
                connect::connect(&host, &port).map_err(|e| e.to_string())
            }
            Self::Screen => exec::apart()
                .map_err(|error| error.to_string())
                .and_then(|()| crate::desktop::screen::serve()),
            Self::Put { root, path } => {
                put::put(&root, &path, io::stdin().lock()).map_err(|e| e.to_string())
            }
            Self::Replace { root, path } => {
                put::replace(&root, &path, io::stdin().lock()).map_err(|e| e.to_string())
            }
            Self::Open { how, root, path } => {
                open::open(&how, &root, &path).map_err(|e| e.to_string())
            }
            Self::Deliver { caches, root, path } => deliver::say(&root, &path, caches),
        };
        done.map(|()| 0).map_err(|text| (text, 1))
    }
}

fn not_started(error: &exec::ExecError) -> (String, u8) {
    let code = if error.is_not_found() { NOT_FOUND } else { CANNOT_START };
    (error.to_string(), code)
}
